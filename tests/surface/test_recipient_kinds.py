"""What a new kind of recipient would touch: few modules name one, and CONTRIBUTING.md says which."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from transom.api.share.recipients import RecipientSets
from transom.client import kinds as of_clients
from transom.domain.recipients import KINDS, MemberType

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "transom"
#: Functions and fields that are for one kind alone.
OF_ONE_KIND = re.compile("|".join(rf"{kind}_key|through_{kind}" for kind in KINDS if kind != "project"))


def _names(source: str) -> Iterator[str]:
    """What a module imports, defines and declares, and the members of `MemberType` that it looks at."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom():
                yield from (alias.name for alias in node.names)
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Attribute(value=ast.Name(id="MemberType"), attr=name) if name != MemberType.PROJECT.name:
                yield f"{name.lower()}_key"


def test_modules_that_name_a_kind_of_recipient_are_in_contributing() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    _, _, section = page.partition("### A kind of recipient\n")
    told = set(re.findall(r"`([a-z_/]+\.py)`", section.partition("\n### ")[0]))

    found = {
        str(path.relative_to(SERVER))
        for folder in ("api", "config", "domain", "identity", "images", "jobs", "sharing", "sql", "transfers")
        for path in (SERVER / folder).rglob("*.py")
        if any(OF_ONE_KIND.fullmatch(name) for name in _names(path.read_text(encoding="utf-8")))
    }

    assert found - told == set()
    # Identities and bodies of the IMS API have their own word for each.
    assert len([one for one in found if not one.startswith(("identity/", "api/ims/"))]) <= 10


def test_bodies_and_clients_have_each_kind() -> None:
    plurals = [facts.plural for facts in KINDS.values()]

    assert [*RecipientSets.__struct_fields__] == plurals
    assert [(one.name, one.plural) for one in of_clients.KINDS] == list(
        zip(map(str, KINDS), plurals, strict=True)
    )
