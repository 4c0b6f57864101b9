"""Who may do what is decided by the rules of each subject (`*/rules.py`), never by a handler of an API."""

import ast

import pytest

from .sources import PACKAGE, parse

API = PACKAGE / "api"
HANDLERS = {path.relative_to(API).as_posix(): path for path in sorted(API.rglob("*.py"))}

#: What decides who may act, or who somebody is.
DECIDES = frozenset({"ForbiddenError", "is_admin", "roles", "service_roles"})
ROLES = frozenset({"admin", "manager", "reader", "service"})
#: Those that turn a refusal into an answer, or into the end of one.
ANSWERS = {"downloads.py", "ims/errors.py", "routes.py", "share/problems.py"}
#: Those that list the roles of accounts.
SHOWS = {"identity/users.py"}


def _names(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    }


def _texts(tree: ast.Module) -> set[str]:
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize(
    "name", [name for name in HANDLERS if not name.startswith(("identity/wire.py", "openapi/"))]
)
def test_a_handler_decides_nothing_on_who_may_act(name: str) -> None:
    """`api/identity/wire.py` shows accounts, which have roles, and `api/openapi` describes them. `admin` and
    `service` are words of identity's catalog too."""
    allowed = {"ForbiddenError"} if name in ANSWERS else {"roles"} if name in SHOWS else set()

    tree = parse(HANDLERS[name])
    assert DECIDES & _names(tree) <= allowed
    assert name.startswith("identity/") or not ROLES & _texts(tree)
