"""What each credential of a user is worth after an operator has removed the user or changed its password."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from harness.forks import forked_service
from harness.service import Service

from .test_keys_command import _add, _ask_signed, _run
from .test_keystone_api import _log_in_with_credential, _make_credential

WORKERS = 2
#: Connections are new each time, so that each worker is asked.
TIMES = 8


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of several processes."""
    settings = {"TRANSOM_WORKERS": str(WORKERS)}
    with forked_service(tmp_path_factory.mktemp("ended-users"), settings=settings) as service:
        yield service


class Held:
    """All that a user has to show who it is."""

    def __init__(self, service: Service, name: str) -> None:
        self.service, self.name = service, name
        service.add_user(name, name, "member")
        self.token = service.token(name)
        self.key = _add(service.data_dir, name)
        made = _make_credential(service, name)
        self.credential = made.json()["application_credential"]
        self.program_token = _log_in_with_credential(service, self.credential).headers["X-Subject-Token"]
        self.cookies = self._sign_in()

    def _sign_in(self) -> httpx.Cookies:
        cloud = self.service.clouds[self.name]
        answer = httpx.post(
            f"{self.service.url}/console/login",
            data={"user": cloud.username, "password": cloud.password, "next": ""},
            headers={"Sec-Fetch-Site": "same-origin"},
            trust_env=False,
        )
        assert answer.status_code == 303, answer.text
        return answer.cookies

    def _list(self, token: str) -> int:
        path = f"{self.service.url}/v2/images"
        return httpx.get(path, headers={"X-Auth-Token": token}, trust_env=False).status_code

    def _see_console(self) -> int:
        return httpx.get(
            f"{self.service.url}/console/inbox", cookies=self.cookies, trust_env=False
        ).status_code

    def try_all(self) -> dict[str, set[int]]:
        """The statuses of several tries with each."""
        tries: dict[str, Callable[[], int]] = {
            "token": lambda: self._list(self.token),
            "token of a program": lambda: self._list(self.program_token),
            "program": lambda: _log_in_with_credential(self.service, self.credential).status_code,
            "key": lambda: _ask_signed(self.service, *self.key),
            "console": self._see_console,
        }
        return {what: {ask() for _ in range(TIMES)} for what, ask in tries.items()}


GOOD = {"token": {200}, "token of a program": {200}, "program": {201}, "key": {200}, "console": {200}}
NONE = {"token": {401}, "token of a program": {401}, "program": {401}, "key": {401}, "console": {303}}


@pytest.mark.parametrize(
    ("name", "command", "worth"),
    [
        ("removed", ["remove"], NONE),
        ("changed", ["passwd"], NONE | {"program": {201}, "key": {200}}),
        ("wholly-changed", ["passwd", "--end-keys"], NONE),
    ],
)
def test_what_ends_with_a_user_or_a_password_ends_in_each_process_at_once(
    crowded: Service, name: str, command: list[str], worth: dict[str, set[int]]
) -> None:
    held = Held(crowded, name)
    before = held.try_all()

    verb, *options = command
    assert _run(crowded.data_dir, verb, name, *options).exit_code == 0

    assert (before, held.try_all()) == (GOOD, worth)
