"""Tokens: only what we signed is read, only until it expires, and a revocation is seen by every process."""

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transom.domain.errors import UnauthenticatedError
from transom.identity.directory import AccountsError
from transom.identity.tokens import (
    ALGORITHM,
    KEY_BYTES,
    LONGEST_TOKEN,
    Claims,
    Revocations,
    load_signing_key,
    read_token,
    sign_token,
)

KEY = bytes(range(KEY_BYTES))
NOW_S = 1_800_000_000
CLAIMS = Claims(
    user_id="u" * 32,
    project_id="p" * 32,
    methods=("password",),
    issued_at=NOW_S * 1_000_000,
    expires_at=NOW_S + 60,
    audit_id="audit",
    password_mark="mark",
)
TOKEN = sign_token(KEY, CLAIMS)

_names = st.text(max_size=40)
_claims = st.builds(
    Claims,
    user_id=_names,
    project_id=st.none() | _names,
    methods=st.lists(_names, max_size=3).map(tuple),
    issued_at=st.integers(0, 2**53),
    expires_at=st.integers(NOW_S + 1, 2**40),
    audit_id=_names,
    parent_audit_id=st.none() | _names,
    password_mark=_names,
    credential_id=st.none() | _names,
)


@given(claims=_claims)
def test_what_was_signed_is_read(claims: Claims) -> None:
    assert read_token(KEY, sign_token(KEY, claims), NOW_S) == claims


@given(position=st.integers(0, len(TOKEN) - 1), character=st.characters(max_codepoint=0x7F))
def test_a_token_with_any_character_altered_is_refused(position: int, character: str) -> None:
    altered = TOKEN[:position] + character + TOKEN[position + 1 :]

    if altered != TOKEN:
        with pytest.raises(UnauthenticatedError):
            read_token(KEY, altered, NOW_S)


@pytest.mark.parametrize("last", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n")
def test_the_last_character_has_one_spelling(last: str) -> None:
    """It carries four bits of the signature, so four characters of the alphabet would decode alike."""
    if last != TOKEN[-1]:
        with pytest.raises(UnauthenticatedError):
            read_token(KEY, TOKEN[:-1] + last, NOW_S)


@given(position=st.integers(0, len(TOKEN)), inserted=st.text(min_size=1, max_size=3))
def test_a_token_with_anything_inserted_is_refused(position: int, inserted: str) -> None:
    with pytest.raises(UnauthenticatedError):
        read_token(KEY, TOKEN[:position] + inserted + TOKEN[position:], NOW_S)


@given(text=st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(UnauthenticatedError):
        read_token(KEY, text, NOW_S)


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(UnauthenticatedError):
        read_token(os.urandom(KEY_BYTES), TOKEN, NOW_S)


def test_an_unsigned_token_is_refused() -> None:
    unsigned = jwt.encode({"sub": "u", "exp": NOW_S + 60}, "", algorithm="none")

    with pytest.raises(UnauthenticatedError):
        read_token(KEY, unsigned, NOW_S)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_cannot_choose_another_algorithm(algorithm: str) -> None:
    chosen = jwt.encode(msgspec.to_builtins(CLAIMS), KEY * 2, algorithm=algorithm)

    with pytest.raises(UnauthenticatedError):
        read_token(KEY * 2, chosen, NOW_S)


def test_a_signed_token_of_another_form_is_refused() -> None:
    foreign = jwt.encode({"sub": "u", "exp": NOW_S + 60}, KEY, algorithm=ALGORITHM)

    with pytest.raises(UnauthenticatedError):
        read_token(KEY, foreign, NOW_S)


def test_a_token_that_is_too_long_is_refused() -> None:
    with pytest.raises(UnauthenticatedError):
        read_token(KEY, "x" * (LONGEST_TOKEN + 1), NOW_S)


def test_a_token_is_good_until_its_last_second() -> None:
    assert read_token(KEY, TOKEN, CLAIMS.expires_at - 0.001) == CLAIMS


def test_a_token_is_refused_from_the_second_it_expires() -> None:
    with pytest.raises(UnauthenticatedError):
        read_token(KEY, TOKEN, CLAIMS.expires_at)


def test_the_signing_key_is_made_once_and_private(tmp_path: Path) -> None:
    first, second = load_signing_key(tmp_path), load_signing_key(tmp_path)

    assert first == second
    assert len(first) == KEY_BYTES
    assert (tmp_path / "signing_key").stat().st_mode & 0o777 == 0o600


def test_no_token_outlives_a_signing_key_that_was_removed(tmp_path: Path) -> None:
    token = sign_token(load_signing_key(tmp_path), CLAIMS)
    (tmp_path / "signing_key").unlink()

    with pytest.raises(UnauthenticatedError):
        read_token(load_signing_key(tmp_path), token, NOW_S)


def test_a_damaged_signing_key_is_an_error_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "signing_key").write_bytes(b"short")

    with pytest.raises(AccountsError, match="signing_key"):
        load_signing_key(tmp_path)

    assert (tmp_path / "signing_key").read_bytes() == b"short"


def test_a_revocation_is_seen_by_a_second_instance_at_once(tmp_path: Path) -> None:
    first, second = Revocations(tmp_path), Revocations(tmp_path)

    for number in range(100):
        first.add(f"id-{number:03}", NOW_S + 60, NOW_S)
        second.refresh()

        assert f"id-{number:03}" in second


def test_the_version_grows_only_when_something_was_revoked(tmp_path: Path) -> None:
    revocations = Revocations(tmp_path)
    before = revocations.refresh()

    unchanged = revocations.refresh()
    revocations.add("id", NOW_S + 60, NOW_S)

    assert unchanged == before
    assert revocations.refresh() > before


def test_expired_lines_are_dropped_and_live_ones_kept(tmp_path: Path) -> None:
    revocations = Revocations(tmp_path)
    for number in range(10):
        revocations.add(f"old-{number}", NOW_S, NOW_S - 1)
    revocations.add("live", NOW_S + 60, NOW_S - 1)

    revocations.add("new", NOW_S + 60, NOW_S)

    assert (tmp_path / "revoked").read_text() == f"live {NOW_S + 60}\nnew {NOW_S + 60}\n"


def test_half_a_line_of_a_crash_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    revocations = Revocations(tmp_path)
    with (tmp_path / "revoked").open("ab") as file:
        file.write(b"cut-sho")

    revocations.add("next", NOW_S + 60, NOW_S)

    revocations.refresh()
    assert "next" in revocations


def test_a_revocation_costs_the_same_however_many_there_are(tmp_path: Path) -> None:
    """To read them all anew took a worker a tenth of a second with 50,000 on record."""
    revocations = Revocations(tmp_path)
    lines = (f"id-{number} {NOW_S + 60}\n" for number in range(5000))
    (tmp_path / "revoked").write_text("".join(lines))
    revocations.add("first", NOW_S + 60, NOW_S)
    revocations.refresh()
    calls: list[str] = []

    def note(frame: FrameType, event: str, called: Any) -> None:
        if event in ("call", "c_call"):
            calls.append(frame.f_code.co_name if event == "call" else called.__name__)

    sys.setprofile(note)
    revocations.add("second", NOW_S + 60, NOW_S)
    revocations.refresh()
    sys.setprofile(None)

    assert "second" in revocations
    assert "id-4999" in revocations
    assert len(calls) < 200


def test_revocations_are_seen_after_the_file_was_written_anew(tmp_path: Path) -> None:
    """Again and again, so that the new file may get the inode of the one before the last."""
    first, second = Revocations(tmp_path), Revocations(tmp_path)

    for moment in range(NOW_S, NOW_S + 20):
        for number in range(3):
            first.add(f"{moment}-{number}", moment + 1, moment)
        second.refresh()

        assert all(f"{moment}-{number}" in second for number in range(3))
        assert f"{moment - 5}-0" not in second


def test_a_token_that_is_revoked_again_takes_no_more_room(tmp_path: Path) -> None:
    revocations = Revocations(tmp_path)

    for _ in range(3):
        revocations.add("id", NOW_S + 60, NOW_S)

    assert (tmp_path / "revoked").read_text() == f"id {NOW_S + 60}\n"


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    revocations = Revocations(tmp_path)
    with (tmp_path / "revoked").open("ab", buffering=0) as file:
        file.write(b"i")
        revocations.refresh()
        file.write(f"d {NOW_S + 60}\n".encode())
        revocations.refresh()

    assert "id" in revocations
    assert "d" not in revocations
