"""Who is in which organisation, and how a URN names one."""

import pytest

from transom.domain.errors import InvalidError
from transom.domain.organizations import NO_ORGANIZATIONS, Organizations, Unit, parse_urn

WHOLE = Unit(
    name="Acme",
    urn="organizations::acct:organization:o-1",
    above=("organization/r-1", "organization/o-1"),
)
ROOT = Unit(name="Acme", urn="organizations::acct:root:o-1/r-1", above=WHOLE.above)
SALES = Unit(name="Sales", urn="organizations::acct:ou:o-1/ou-1", above=("organization/ou-1", *WHOLE.above))
OTHER = Unit(name="Other", urn="organizations::x:organization:o-2", above=("organization/o-2",))
ALL = Organizations(
    units={"o-1": WHOLE, "r-1": ROOT, "ou-1": SALES, "o-2": OTHER},
    of_projects={"seller": SALES, "guest": OTHER},
    of_domains={"acme": WHOLE},
)


@pytest.mark.parametrize(
    ("project", "domain", "expected"),
    [
        ("seller", "elsewhere", SALES.above),
        ("seller", None, SALES.above),
        ("anybody", "acme", WHOLE.above),
        ("seller", "acme", SALES.above),
        ("guest", "acme", ("organization/o-2", *WHOLE.above)),
        ("anybody", "elsewhere", ()),
        ("anybody", None, ()),
        ("acme", None, ()),
        ("anybody", "seller", ()),
        (None, "acme", ()),
    ],
)
def test_a_project_is_in_what_it_or_its_domain_stands_in_and_in_all_above(
    project: str | None, domain: str | None, expected: tuple[str, ...]
) -> None:
    assert ALL.keys_of(project, domain) == expected
    assert NO_ORGANIZATIONS.keys_of(project, domain) == ()


@pytest.mark.parametrize("own_id", ["o-1", "r-1", "ou-1", "o-2"])
def test_a_urn_names_what_the_file_has(own_id: str) -> None:
    assert ALL.own_id_of(ALL.units[own_id].urn) == own_id


@pytest.mark.parametrize(
    "urn",
    [
        "organizations::x:organization:o-1",
        "organizations:region:acct:organization:o-1",
        "organizations::acct:root:o-1/ou-1",
        "organizations::acct:ou:o-1/r-1",
        "organizations::acct:ou:o-2/ou-1",
        "organizations::acct:organization:ou-1",
        "organizations::acct:organization:o-3",
    ],
)
def test_a_urn_of_what_there_is_not_is_the_id_of_nothing(urn: str) -> None:
    assert ALL.own_id_of(urn) not in ALL.units


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o-1",
        "organizations::acct:organization:",
        "organizations::acct:organization:o-1/r-1",
        "organizations::acct:root:o-1",
        "organizations::acct:ou:o-1/ou-1/ou-2",
        "organizations::acct:unit:o-1/ou-1",
        "organizations::organization:o-1",
        "organization::acct:organization:o-1",
        "organizations::acct:organization:o-1\n",
        "organizations::a/b:organization:o-1",
        "organizations::acct:organization:" + "o" * 65,
    ],
)
def test_what_is_no_urn_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="organizations"):
        parse_urn(text)
