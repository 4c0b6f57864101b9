"""Lists of recipients as people paste them: names or ids of projects, one a line.

Names are looked up with the user's own token. What looks like an id is taken as it is: whether a project of
that id exists is not told to everybody.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from transom.console.identity import AskIdentity, find_domain_id, find_projects
from transom.domain.errors import InvalidError

#: Ids of Keystone, and of the built-in identity: 32 hex digits, or a UUID.
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: Names to look up, each of which is a question to the identity service.
MOST_NAMES = 200


class Recipients(NamedTuple):
    """`names`: id → what was pasted. `wrong`: (line, what is wrong with it)."""

    names: dict[str, str]
    wrong: Sequence[tuple[str, str]]


async def read_recipients(ask: AskIdentity, token: str, text: str) -> Recipients:
    """Of a table only the first column counts. Raises InvalidError for too many names."""
    lines = [re.split(r"[,;\t]", line)[0].strip().strip('"') for line in text.splitlines()]
    wanted = list(dict.fromkeys(line for line in lines if line))
    if sum(_ID.fullmatch(line) is None for line in wanted) > MOST_NAMES:
        raise InvalidError(f"At most {MOST_NAMES} names can be looked up at once; ids can be more.")
    names: dict[str, str] = {}
    wrong: list[tuple[str, str]] = []
    for line in wanted:
        if _ID.fullmatch(line):
            names.setdefault(line, line)
            continue
        name, _, domain = line.rpartition("@") if "@" in line else (line, "", "")
        found = await _find(ask, token, name, domain)
        if len(found) == 1:
            names.setdefault(found[0], line)
        elif found:
            wrong.append((line, "there are several of this name: add @ and the domain"))
        else:
            wrong.append((line, "no project of this name is known to you"))
    return Recipients(names, wrong)


async def _find(ask: AskIdentity, token: str, name: str, domain: str) -> list[str]:
    domain_id = await find_domain_id(ask, token, domain) if domain else ""
    if domain_id is None:
        return []
    return [one.id for one in await find_projects(ask, token, name, domain_id)]
