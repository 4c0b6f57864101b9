"""Passwords: who does not exist takes as long to refuse as who does."""

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from transom.domain.errors import UnauthenticatedError
from transom.identity.logins import CHECKS_AT_ONCE, Attempt, mark_account
from transom.identity.passwords import PasswordChecker, hash_password, make_hash_of_nothing, make_password

ATTEMPT = Attempt("192.0.2.1", mark_account("alice"))


def test_the_hash_of_nothing_costs_what_a_real_one_does() -> None:
    assert extract_parameters(make_hash_of_nothing()) == extract_parameters(hash_password("secret"))


def test_the_hash_of_nothing_is_checked_to_its_end_and_fits_nothing() -> None:
    """A hash that argon2 cannot read would be refused at once, with another error."""
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(make_hash_of_nothing(), make_password())


def test_a_password_that_was_right_needs_no_turn() -> None:
    """All places are taken by whoever guesses, and none becomes free."""
    expected = hash_password("sesame-street")

    async def log_in_again() -> None:
        checker = PasswordChecker()
        await checker.check(expected, "sesame-street", ATTEMPT)
        for _ in range(CHECKS_AT_ONCE):
            await checker._turns.turn(ATTEMPT).__aenter__()
        await checker.check(expected, "sesame-street", ATTEMPT)

    asyncio.run(log_in_again())


@pytest.mark.parametrize(
    ("right", "password"),
    [("another", "sesame-street"), ("sesame-street", "Sesame-street"), (None, "sesame-street")],
)
def test_what_is_known_to_be_right_is_right_for_this_hash_only(right: str | None, password: str) -> None:
    expected = hash_password(right) if right is not None else None

    async def log_in_twice() -> None:
        checker = PasswordChecker()
        await checker.check(hash_password("sesame-street"), "sesame-street", ATTEMPT)
        await checker.check(expected, password, ATTEMPT)

    with pytest.raises(UnauthenticatedError):
        asyncio.run(log_in_twice())
