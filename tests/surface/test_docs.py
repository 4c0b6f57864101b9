"""What is on the surface is in the docs: every call, every setting. The message lists what is missing."""

import re
from pathlib import Path

import pytest

from transom.api.routes import IMS_ROUTES, ROUTES, Route
from transom.config import describe
from transom.domain.policy import DEFAULTS

DOCS = Path(__file__).parents[2] / "docs"
IDENTITY = [route for route in ROUTES if route.path.startswith("/identity")]
OTHERS = [route for route in ROUTES if not route.path.startswith("/identity")]
SETTINGS = [name for name, _, _ in describe()]


def _page(name: str) -> str:
    page = DOCS / name
    return page.read_text(encoding="utf-8") if page.exists() else ""


def _calls(page: str) -> set[str]:
    """What stands between backquotes and looks like `METHOD /path`."""
    return set(re.findall(r"`((?:GET|HEAD|POST|PUT|PATCH|DELETE) /\S*)`", page))


def _named(routes: list[Route]) -> set[str]:
    return {f"{route.method} {route.path}" for route in routes}


def _rows(page: str) -> list[list[str]]:
    """The cells of the table of settings, blanks and backquotes around them taken off."""
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_call_is_in_the_docs() -> None:
    missing = sorted(_named(OTHERS) - _calls(_page("api.md")))

    assert not missing, "docs/api.md lacks\n" + "\n".join(missing)


def test_every_call_of_the_ims_api_is_in_its_docs() -> None:
    missing = sorted(_named(list(IMS_ROUTES)) - _calls(_page("ims.md")))

    assert not missing, "docs/ims.md lacks\n" + "\n".join(missing)


def test_every_call_of_identity_is_in_its_docs() -> None:
    missing = sorted(_named(IDENTITY) - _calls(_page("identity.md")))

    assert not missing, "docs/identity.md lacks\n" + "\n".join(missing)


@pytest.mark.parametrize("page", ["api.md", "identity.md", "ims.md"])
def test_the_docs_name_no_call_that_is_not_there(page: str) -> None:
    described = {call for call in _calls(_page(page)) if "?" not in call and "…" not in call}

    assert sorted(described - _named([*ROUTES, *IMS_ROUTES])) == []


def test_every_setting_is_in_the_docs_once_and_in_order() -> None:
    assert [row[0] for row in _rows(_page("settings.md"))] == SETTINGS


@pytest.mark.parametrize(("name", "default", "help_text"), describe(), ids=SETTINGS)
def test_a_settings_default_and_help_are_as_the_docs_say(name: str, default: object, help_text: str) -> None:
    shown = str(default).lower() if isinstance(default, bool) else str(default) or "empty"

    assert [name, shown, help_text] in _rows(_page("settings.md"))


def test_every_rule_is_in_the_docs_with_its_default_and_its_calls() -> None:
    rows = [row for row in _rows(_page("policy.md")) if row[0] in DEFAULTS]

    assert rows == [
        [name, default.says.text or "everybody", default.calls] for name, default in DEFAULTS.items()
    ]


def _broken_links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def test_every_link_to_a_file_leads_to_one() -> None:
    pages = [*DOCS.parent.glob("*.md"), *DOCS.rglob("*.md")]

    assert {page.name: links for page in pages if (links := _broken_links(page))} == {}


def test_decisions_are_numbered_without_a_gap_and_titled_so() -> None:
    pages = sorted(DOCS.glob("decisions/0*.md"))
    numbers = [f"{number:04}" for number in range(1, len(pages) + 1)]

    assert [page.name[:4] for page in pages] == numbers
    assert [page.read_text(encoding="utf-8")[2:6] for page in pages] == numbers
