"""Passwords that are guessed, from one address and many at once: the right ones still get in."""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from argon2 import extract_parameters
from harness.service import MakeService, Service

from transom.identity.passwords import hash_password, make_hash_of_nothing

from .strangers import LOGIN, PATIENCE_S, connect, head, page_faults, read_status

ATTACKERS = "127.0.0.66"
ATTEMPTS = 8


@pytest.fixture
def guessed(make_service: MakeService) -> Service:
    return make_service("sqlite")


def test_the_right_passwords_get_in_while_160_wrong_ones_are_tried_at_once(guessed: Service) -> None:
    """Those of others wait for each other, not for them: few of the guesses are checked first."""
    with ExitStack() as stack:
        guesses = []
        for number in range(160):
            connection = stack.enter_context(connect(guessed, ATTACKERS))
            connection.sendall(_login(_user("publisher", f"wrong-{number}")))
            guesses.append(connection)
        names = ("recipient", "other", "admin", "publisher")
        with ThreadPoolExecutor(len(names)) as threads:
            right = list(threads.map(lambda name: _log_in(guessed, name), names))
        checked_before = guessed.read_log().count('"login refused"')

    assert right == [201] * 4
    assert checked_before < 80


def test_sixty_wrong_passwords_in_a_row_leave_the_right_one_alone(guessed: Service) -> None:
    with connect(guessed, ATTACKERS) as connection:
        wrong = [_try(connection, _user("publisher", f"wrong-{number}")) for number in range(60)]

    assert wrong == [401] * 60
    assert _log_in(guessed, "publisher") == 201


@pytest.mark.parametrize(
    "named",
    [
        pytest.param({"name": "publisher", "domain": {"name": "Default"}}, id="name"),
        pytest.param({"name": "publisher", "domain": {"id": "default"}}, id="name in a domain by id"),
    ],
)
def test_an_account_that_exists_costs_as_much_work_as_one_that_does_not(
    guessed: Service, named: dict[str, Any]
) -> None:
    """A check fills as many pages of memory as its hash says, and passes over them as often."""
    with connect(guessed, ATTACKERS) as connection:
        _try(connection, named | {"password": "warm"})
        existing = _cost(guessed, lambda n: _try(connection, named | {"password": f"wrong-{n}"}))
        absent = _cost(
            guessed, lambda n: _try(connection, named | {"name": "nobody", "password": f"wrong-{n}"})
        )

    costs = extract_parameters(hash_password("right"))
    pages = ATTEMPTS * costs.memory_cost * 1024 // resource.getpagesize()
    assert [round(cost / pages, 1) for cost in (existing, absent)] == [1.0, 1.0]
    assert extract_parameters(make_hash_of_nothing()) == costs


def test_a_refused_login_is_logged_with_the_client_behind_the_proxy(make_service: MakeService) -> None:
    service = make_service("sqlite", TRANSOM_TRUSTED_PROXIES="127.0.0.1")
    before = _count_refused(service)
    with connect(service) as connection:
        connection.sendall(_login(_user("publisher", "wrong"), "X-Forwarded-For: 198.51.100.7"))
        assert read_status(connection) == 401

    told = [json.loads(line) for line in service.read_log().splitlines() if '"login refused"' in line]
    assert [(line["account"], line["client"]) for line in told] == [("publisher", "198.51.100.7")]
    assert _count_refused(service) == before + 1


def test_a_wrong_old_password_is_logged_and_counted_like_a_login(guessed: Service) -> None:
    client = guessed.client("publisher")
    user_id = client.get(LOGIN, headers=_subject(guessed)).json()["token"]["user"]["id"]
    body = {"user": {"original_password": "wrong", "password": "long enough"}}

    answer = client.post(f"/identity/v3/users/{user_id}/password", json=body)

    assert answer.status_code == 401
    assert '"login refused"' in guessed.read_log()
    assert _count_refused(guessed) == 1


def test_one_client_behind_a_proxy_does_not_take_all_places(make_service: MakeService) -> None:
    """Its requests are counted by its own address, whichever connection of the proxy they come by."""
    service = make_service(
        "sqlite", TRANSOM_TRUSTED_PROXIES="127.0.0.1", TRANSOM_MAX_CONNECTIONS_PER_ADDRESS="5"
    )
    lines = ("Content-Type: application/json", "Content-Length: 50")
    with ExitStack() as stack:
        half_sent = []
        for _ in range(8):
            connection = stack.enter_context(connect(service))
            connection.sendall(head("POST", LOGIN, *lines, "X-Forwarded-For: 198.51.100.8") + b"{")
            half_sent.append(connection)
        # The rest of a body is sent to nobody who refused it: the reset could overtake the answer.
        refused = _wait_for_answers(half_sent, 3)
        statuses = [read_status(connection) for connection in refused]
        for connection in half_sent:
            if connection not in refused:
                connection.sendall(b" " * 49)
                statuses.append(read_status(connection))
        other = stack.enter_context(connect(service))
        other.sendall(head("GET", "/healthz", "X-Forwarded-For: 198.51.100.9"))

        assert read_status(other) == 200
    assert statuses.count(503) == 3
    assert statuses.count(400) == 5


def _user(name: str, password: str) -> dict[str, Any]:
    return {"name": name, "domain": {"name": "Default"}, "password": password}


def _login(user: dict[str, Any], *lines: str) -> bytes:
    identity = {"methods": ["password"], "password": {"user": user}}
    body = json.dumps({"auth": {"identity": identity}}).encode()
    length = f"Content-Length: {len(body)}"
    return head("POST", LOGIN, "Content-Type: application/json", length, *lines) + body


def _try(connection: socket.socket, user: dict[str, Any]) -> int:
    connection.sendall(_login(user))
    return read_status(connection)


def _log_in(service: Service, name: str) -> int:
    with connect(service) as connection:
        return _try(connection, _user(name, service.clouds[name].password))


def _cost(service: Service, act: Callable[[int], int]) -> int:
    """In pages of memory."""
    before = page_faults(service)
    for number in range(ATTEMPTS):
        act(number)
    return page_faults(service) - before


def _subject(service: Service) -> dict[str, str]:
    return {"X-Subject-Token": service.token("publisher")}


def _count_refused(service: Service) -> float:
    metrics = service.client(None).get("/metrics").text
    found = re.search(r'^transom_logins_total\{outcome="refused"\} (\S+)$', metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _wait_for_answers(connections: list[socket.socket], count: int) -> list[socket.socket]:
    """Those that have something to read, when there are so many of them."""
    deadline = time.monotonic() + PATIENCE_S
    while len(answered := select.select(connections, [], [], 0.1)[0]) < count:
        assert time.monotonic() < deadline, len(answered)
    return answered
