"""The codes about files, object stores, keys, servers and backups (ims-api, 3.5): each has a test that
provokes it, or is "never" given for the reason that docs/ims-errors.md has.

Start reading at `PROVOKED`.
"""

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "ims-errors.md"
_ROW = re.compile(r"\| (IMG\.\d{4}) \| [^|]+ \| ([^|]+) \|")

#: All codes of the section, in its order: of files, exports, backups; then of keys, servers, disks, vaults.
SECTION = (
    *("0036", "0037", "0038", "0039", "0040", "0057", "0058", "0059", "0068", "0069", "0070", "0071", "0072"),
    *("0073", "0074", "0075", "0077", "0079", "0080", "0081", "0128", "0148", "0160", "0109", "0123", "0175"),
    *("1075", "0019", "0020", "0029", "0032", "0033", "0127", "0132", "0133", "0165", "0134", "0136", "0176"),
    *("0193", "0195"),
    *("0095", "0096", "0097", "0099", "0100", "0101", "0102", "0103", "0118", "0187", "0005", "0006", "0008"),
    *("0010", "0011", "0012", "0022", "0063", "0110", "0111", "0119", "0120", "0126", "0137", "0138", "0139"),
    *("0140", "0153", "0164", "0191", "0192", "0180", "0181", "0182", "0183", "0184", "0185", "0186", "0188"),
    "0198",
)

_IMPORTS, _EXPORTS = "ims/test_object_imports.py", "ims/test_object_exports.py"
_SERVERS, _FAULTS = "ims/test_servers.py", "faults/test_objects.py"
_REFUSED_IMPORT = (_IMPORTS, "test_what_the_request_shows_to_be_wrong_is_refused_at_once")
_FAILED_IMPORT = (_IMPORTS, "test_what_the_object_shows_to_be_wrong_fails_the_job_and_leaves_no_image")
_REFUSED_EXPORT = (_EXPORTS, "test_what_may_not_go_out_is_refused")
_REFUSED_CAPTURE = (_SERVERS, "test_what_is_wrong_with_a_request_is_told_at_once")
_FAILED_CAPTURE = (_SERVERS, "test_a_refusal_of_the_cloud_ends_the_job_with_its_code")

#: Code → the file and the test that provoke it.
PROVOKED = {
    "0005": _FAILED_CAPTURE,
    "0008": _FAILED_CAPTURE,
    "0010": _FAILED_CAPTURE,
    "0012": _REFUSED_CAPTURE,
    "0020": _REFUSED_CAPTURE,
    "0022": _FAILED_CAPTURE,
    "0036": ("ims/test_region_copies.py", "test_a_peer_that_does_not_fit_the_table"),
    "0037": (_FAULTS, "test_who_has_no_key_is_told_so"),
    "0057": _FAILED_IMPORT,
    "0058": _REFUSED_IMPORT,
    "0059": _FAILED_IMPORT,
    "0063": _FAILED_CAPTURE,
    "0068": _REFUSED_IMPORT,
    "0069": (_FAULTS, "test_a_service_that_is_away_is_told_as_such"),
    "0070": (_EXPORTS, "test_an_object_that_is_there_is_left_as_it_is"),
    "0071": _REFUSED_EXPORT,
    "0072": _REFUSED_EXPORT,
    "0073": _REFUSED_IMPORT,
    "0074": _REFUSED_IMPORT,
    "0075": _REFUSED_IMPORT,
    "0077": (_EXPORTS, "test_public_images_and_those_of_others_do_not_go_out"),
    "0079": _REFUSED_EXPORT,
    "0080": _REFUSED_EXPORT,
    "0095": _REFUSED_IMPORT,
    "0109": _REFUSED_IMPORT,
    "0120": _FAILED_CAPTURE,
    "0123": _REFUSED_IMPORT,
    "0126": (_SERVERS, "test_a_server_whose_state_allows_no_whole_image"),
    "0127": _REFUSED_CAPTURE,
    "0128": _REFUSED_EXPORT,
    "0137": _FAILED_CAPTURE,
    "0148": (_FAULTS, "test_a_kill_in_the_middle_of_an_export_is_made_good"),
    "0160": (_EXPORTS, "test_what_is_too_large_is_refused"),
    "0175": _REFUSED_IMPORT,
    "0184": _REFUSED_CAPTURE,
}


def reasons() -> dict[str, str]:
    """Code → when it occurs here, as the page says; `never: ` and why not."""
    rows = (_ROW.fullmatch(line) for line in PAGE.read_text(encoding="utf-8").splitlines())
    return {row[1].removeprefix("IMG."): row[2] for row in rows if row is not None}


def test_every_code_of_the_section_has_a_test_or_a_reason_why_it_cannot_occur() -> None:
    told = reasons()
    never = {code for code in SECTION if told[code].startswith("never: ")}

    assert len(SECTION) == len(set(SECTION)) == 81
    assert set(SECTION) - never == set(PROVOKED)


@functools.cache
def _parse(file: str) -> ast.Module:
    return ast.parse((TESTS / file).read_text(encoding="utf-8"))


def _texts(node: ast.AST) -> set[str]:
    return {
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }


def _told_by(file: str, name: str) -> set[str]:
    """The texts in a test and in the tables that it goes through."""
    body = _parse(file).body
    (test,) = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name]
    names = {one.id for found in test.decorator_list for one in ast.walk(found) if isinstance(one, ast.Name)}
    tables = [
        node
        for node in body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in names
    ]
    return _texts(test).union(*map(_texts, tables))


@pytest.mark.parametrize("code", PROVOKED)
def test_the_test_of_a_code_expects_it(code: str) -> None:
    assert f"IMG.{code}" in _told_by(*PROVOKED[code])
