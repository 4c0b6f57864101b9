"""Calls of a page as commands of `transom` that show the same. Pure."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from transom.api.heads import read_pairs
from transom.console.client import Call
from transom.domain.recipients import GROUPS


class _Way(NamedTuple):
    """`command`: with `{}` for what the path names. `options`: parameter of the query → option. `fixed`:
    parameter and value → what stands for them, which may be nothing."""

    path: re.Pattern[str]
    command: str
    options: Mapping[str, str] = {}
    fixed: Mapping[tuple[str, str], str] = {}


_ID = "([^/]+)"
_NEWEST = {("sort", "created_at:desc"): "", ("member_status", "accepted"): ""}
_LIMIT = {"limit": "--limit"}
_ANY_LIMIT = {("limit", "25"): "", ("limit", "100"): ""}
_STATUS = {"status": "--status"}


def _way(
    path: str,
    command: str,
    options: Mapping[str, str] | None = None,
    fixed: Mapping[tuple[str, str], str] | None = None,
) -> _Way:
    return _Way(re.compile(path.replace("{}", _ID) + "$"), command, options or {}, fixed or {})


_WAYS = (
    _way(
        "/v2/images",
        "image list",
        {"visibility": "--visibility", "name": "--name", "tag": "--tag", **_LIMIT},
        _NEWEST,
    ),
    _way("/v2/images/{}", "image show {}"),
    _way(
        "/share/v1/inbox",
        "share inbox",
        {"status": "--status", "kind": "--kind", "from": "--from"},
        {**{("through", str(kind)): f"--through-{kind}" for kind in GROUPS}, **_ANY_LIMIT},
    ),
    _way("/share/v1/images/{}/shares", "share list {}", _STATUS, _ANY_LIMIT),
    _way("/share/v1/recipients", "share recipients", {}, _ANY_LIMIT),
    _way("/share/v1/shares", "share list", {}, _ANY_LIMIT),
    _way("/share/v1/rules", "rule list", {}, _ANY_LIMIT),
    _way(
        "/share/v1/events",
        "share history",
        {"image": "--image", "family": "--family", "with": "--with", "type": "--type", **_LIMIT},
        {("order", "desc"): ""},
    ),
    _way("/share/v1/families", "family list", {"role": "--role"}, _ANY_LIMIT),
    _way("/share/v1/families/{}", "family show {}"),
    _way("/share/v1/families/{}/versions", "family show {} --versions", {}, _ANY_LIMIT),
    _way("/share/v1/families/{}/members", "family members {}", _STATUS, _ANY_LIMIT),
    _way("/share/v1/hooks", "hook list"),
    _way("/share/v1/hooks/{}", "hook show {}"),
)


def commands_of(calls: Sequence[Call]) -> list[str]:
    """One line for each call that has a command, without repetition."""
    found = [command_of(call) for call in calls]
    return list(dict.fromkeys(line for line in found if line is not None))


def command_of(call: Call) -> str | None:
    """None for a call that no command makes, or not with these parameters. Pages after the first have
    none: a command goes through all of them. Nor has what a whole domain was given: `--to` takes projects."""
    path, _, query = call.path.partition("?")
    way = next((one for one in _WAYS if one.path.match(path)), None)
    if way is None or call.method != "GET":
        return None
    words = ["transom", way.command.format(*_named(way, path))]
    pairs = [(name, value) for name, value in read_pairs(query.encode()) if value]
    # The feed without an order is followed, not looked through.
    if path.endswith("/events") and ("order", "desc") not in pairs:
        return None
    for name, value in pairs:
        if (name, value) in way.fixed:
            words += [way.fixed[name, value]] if way.fixed[name, value] else []
        elif name == "to":
            kind, _, own_id = value.rpartition("/")
            if kind not in ("", "projects"):
                return None
            words.append(_option("--to", own_id))
        elif name in way.options:
            words.append(_option(way.options[name], value))
        else:
            return None
    return " ".join(words)


def _named(way: _Way, path: str) -> list[str]:
    found = way.path.match(path)
    return [shlex.quote(unquote(one)) for one in found.groups()] if found is not None else []


def _option(name: str, value: str) -> str:
    """A value that looks like an option itself is tied to its name."""
    return f"{name}={shlex.quote(value)}" if value.startswith("-") else f"{name} {shlex.quote(value)}"
