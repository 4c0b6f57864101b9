"""Passwords: who does not exist takes as long to refuse as who does."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from transom.identity.passwords import hash_password, make_hash_of_nothing, make_password


def test_the_hash_of_nothing_costs_what_a_real_one_does() -> None:
    assert extract_parameters(make_hash_of_nothing()) == extract_parameters(hash_password("secret"))


def test_the_hash_of_nothing_is_checked_to_its_end_and_fits_nothing() -> None:
    """A hash that argon2 cannot read would be refused at once, with another error."""
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(make_hash_of_nothing(), make_password())
