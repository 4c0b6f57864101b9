"""Wrong passwords, many in a row and many at once: the right ones are let in, and the log tells who guessed.

A real service with one worker; all logins come from one address, the hardest case.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from harness import plain_http
from harness.forks import forked_service
from harness.service import Service

TOKENS = "/identity/v3/auth/tokens"


@pytest.fixture
def guessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with forked_service(tmp_path_factory.mktemp("guessed")) as service:
        yield service


def _body(service: Service, name: str, password: str | None = None) -> dict[str, Any]:
    password = service.clouds[name].password if password is None else password
    user = {"name": name, "domain": {"name": "Default"}, "password": password}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


def test_wrong_passwords_in_a_row_do_not_lock_the_right_one_out(guessed: Service) -> None:
    client = guessed.client(None)

    wrong = [
        client.post(TOKENS, json=_body(guessed, "publisher", f"wrong-{n}")).status_code for n in range(20)
    ]
    right = [client.post(TOKENS, json=_body(guessed, name)).status_code for name in ("publisher", "other")]

    assert wrong == [401] * 20
    assert right == [201, 201]


@pytest.mark.parametrize("names", [["publisher"], [f"name-{number}" for number in range(160)]])
def test_many_wrong_passwords_at_once_do_not_lock_the_right_ones_out(
    guessed: Service, names: list[str]
) -> None:
    async def guess_and_log_in() -> list[int]:
        limits = httpx.Limits(max_connections=None)
        async with plain_http.open_async_client(base_url=guessed.url, timeout=30, limits=limits) as client:
            guesses = [
                asyncio.create_task(
                    client.post(TOKENS, json=_body(guessed, names[number % len(names)], f"wrong-{number}"))
                )
                for number in range(160)
            ]
            # The first answer shows that they are there.
            await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
            right = await asyncio.gather(
                *(
                    client.post(TOKENS, json=_body(guessed, name))
                    for name in ("publisher", "recipient", "other", "admin")
                )
            )
            for guess in guesses:
                guess.cancel()
            await asyncio.gather(*guesses, return_exceptions=True)
            return [answer.status_code for answer in right]

    assert asyncio.run(guess_and_log_in()) == [201] * 4


def test_a_refused_login_is_in_the_log_and_counted(guessed: Service) -> None:
    client = guessed.client(None)

    client.post(TOKENS, json=_body(guessed, "publisher", "wrong"))
    client.post(TOKENS, json=_body(guessed, "nobody\n", "wrong"))
    client.post(TOKENS, json=_body(guessed, "publisher"))
    metrics = client.get("/metrics").text

    lines = [json.loads(line) for line in guessed.read_log().splitlines() if "login refused" in line]
    assert [(line["account"], line["client"]) for line in lines] == [
        ("publisher", "127.0.0.1"),
        ("nobody\n", "127.0.0.1"),
    ]
    assert _count(metrics, "refused") == 2
    assert _count(metrics, "done") == 1


def test_a_user_that_exists_is_refused_like_one_that_does_not(guessed: Service) -> None:
    client = guessed.client(None)

    answers = [client.post(TOKENS, json=_body(guessed, name, "wrong")) for name in ("publisher", "nobody")]

    def keep(answer: httpx.Response) -> tuple[int, bytes, set[str]]:
        return answer.status_code, answer.content, set(answer.headers)

    assert keep(answers[0]) == keep(answers[1])


def _count(metrics: str, outcome: str) -> float:
    found = re.search(rf'^transom_logins_total{{outcome="{outcome}"}} (\S+)$', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0
