"""Kinds of recipients, as the share API names them."""

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """`name`: its key in answers; `plural`: of its list in requests, and of its segment in paths. `option`:
    of a command, with what it takes and its help. `has_names`: the identity service finds one by its name;
    of the others only ids can be given."""

    name: str
    plural: str
    option: str
    metavar: str
    help: str
    has_names: bool


KINDS = (
    Kind("project", "projects", "--to", "project", "Id or name", has_names=True),
    Kind("domain", "domains", "--to-domain", "domain", "A whole domain", has_names=True),
    Kind(
        name="organization",
        plural="organizations",
        option="--to-organization",
        metavar="id",
        help="An organisation or a unit of one, by its id",
        has_names=False,
    ),
)
#: The options that name recipients, as texts name them.
OPTIONS = ", ".join(kind.option for kind in KINDS) + " or --to-file"


def name_party(party: Any) -> str | None:
    """A project as answers have it, by its name, or by its id where that is not known; a domain and the like
    with its kind before it. None of anything else."""
    if not isinstance(party, dict):
        return None
    for kind in KINDS:
        if isinstance(party.get(kind.name), str):
            name = str(party.get("name") or party[kind.name])
            return name if kind.name == "project" else f"{kind.name} {name}"
    return None
