"""Digests that data is said to have, by a client or by the service that it comes from."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from transom.domain.errors import InvalidError
from transom.domain.fields import quoted

#: Hex digits of a digest, by its algorithm.
DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-fA-F]*")


class ExpectedDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A digest that the data must have. `source`: the header or the field that says so; `value`: hex."""

    source: str
    algorithm: str
    value: str

    def check(self, digest: bytes) -> None:
        """InvalidError when the data has another one."""
        if digest.hex() != self.value.lower():
            raise InvalidError(
                f"{self.source}: the data has the {self.algorithm} digest {digest.hex()}, "
                f"not {self.value.lower()}."
            )


def is_digest(algorithm: str, value: str) -> bool:
    """Whether this can be a digest of the algorithm, in hex."""
    return len(value) == DIGITS[algorithm] and bool(_HEX.fullmatch(value))


def check_digits(algorithm: str, value: str) -> None:
    """InvalidError when the value of `os_hash_value` cannot be a digest of this algorithm."""
    if not is_digest(algorithm, value):
        raise InvalidError(f"os_hash_value: {algorithm} has {DIGITS[algorithm]} hex digits.")


def read_expected(arguments: Mapping[str, Any], default_algorithm: str) -> ExpectedDigest | None:
    """What the arguments of an import's method say of the data in `os_hash_value` and `os_hash_algo`, which
    may be left out for the service's own; None: nothing. InvalidError names what is wrong."""
    value, algorithm = arguments.get("os_hash_value"), arguments.get("os_hash_algo")
    if value is None and algorithm is None:
        return None
    if algorithm is None:
        algorithm = default_algorithm
    if algorithm not in tuple(DIGITS):
        raise InvalidError(f"os_hash_algo: {quoted(algorithm)} is not one of {', '.join(DIGITS)}.")
    if not isinstance(value, str):
        raise InvalidError("os_hash_value: is missing beside os_hash_algo, or not a string.")
    check_digits(algorithm, value)
    return ExpectedDigest(source="os_hash_value", algorithm=algorithm, value=value)
