"""Every kind of caller makes every call there is, in both dialects; `route_table.py` has what is right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.forks import forked_service

from transom.api.routes import IMS_ROUTES

from .route_table import ROUTES
from .routes import ALL, CALLERS, FURTHER_USERS, World


def _read_table() -> dict[str, list[str]]:
    """Key → the answers, in the order of CALLERS."""
    rows = [line for line in ROUTES.splitlines() if line and not line.startswith("#")]
    return {" ".join(row.split()[-2:]): row.split()[:-2] for row in rows}


TABLE = _read_table()
_OF_IMS = {f"{route.method} {route.path}" for route in IMS_ROUTES}
#: (key, prefix): what only one API has is asked in its own dialect, the rest below /ims, too.
CASES = [(key, "") for key in sorted(TABLE)] + [
    (key, "/ims") for key in sorted(TABLE) if key.partition(" ")[2].startswith("/v2/") and key not in _OF_IMS
]


def test_every_route_has_a_row_with_an_answer_for_every_caller() -> None:
    assert sorted(TABLE) == sorted(ALL)
    assert {key: row for key, row in TABLE.items() if len(row) != len(CALLERS)} == {}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with forked_service(tmp_path_factory.mktemp("routes"), None) as service:
        for user in FURTHER_USERS:
            service.add_user(*user)
        yield World(service)


@pytest.mark.parametrize(("key", "prefix"), CASES, ids=[f"{prefix} {key}" for key, prefix in CASES])
def test_a_call_is_answered_as_the_table_says(world: World, key: str, prefix: str) -> None:
    answers = {caller: str(world.ask(key, caller, prefix).status_code) for caller in CALLERS}

    assert answers == dict(zip(CALLERS, TABLE[key], strict=True))
