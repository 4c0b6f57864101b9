"""Passwords and other secrets that are kept as a hash: making the hash, checking against it.

A check is slow on purpose (argon2id, about 60 ms of one core and 32 MiB), so it runs in a thread, few at a
time, and takes as long when there is nothing to check against.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from transom.domain.errors import UnauthenticatedError, UnavailableError

#: More than the least that OWASP asks of argon2id (19 MiB, two passes). One lane: how many run at once is
#: set here, by CHECKS_AT_ONCE, and not multiplied by the hash.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
#: Per worker process. Two cores' worth of logins must leave room in the thread pool for everything else.
CHECKS_AT_ONCE = 2
#: Beyond this a login is refused at once: who waits behind so many (about 4 s) has given up by then.
CHECKS_WAITING = 128
#: One text for an unknown user, a wrong secret and a project without a role: they must look alike.
REFUSED = "The request you have made requires authentication."


def hash_password(password: str) -> str:
    """Takes as long as a check; call it in a thread where others wait."""
    return _HASHER.hash(password)


def verify_password(expected_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(expected_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def make_password() -> str:
    return secrets.token_urlsafe(18)


def make_hash_of_nothing() -> str:
    """What no password fits, and what costs as much to check as a real one: its digest is random.

    To hash a random password instead would cost each process as much as a login at its start.
    """
    costs = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (_HASHER.salt_len, _HASHER.hash_len)
    )
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


class PasswordChecker:
    """Makes and checks hashes, a bounded number at once."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._waiting = 0
        self._nobodys_hash = make_hash_of_nothing()

    async def check(self, expected_hash: str | None, password: str) -> None:
        """UnauthenticatedError unless the hash is the password's; None for a user who does not exist.

        UnavailableError when too many wait already.
        """
        async with self._place():
            is_right = await asyncio.to_thread(verify_password, expected_hash or self._nobodys_hash, password)
        if expected_hash is None or not is_right:
            raise UnauthenticatedError(REFUSED)

    async def hash(self, password: str) -> str:
        """The hash to keep. UnavailableError when too many wait already."""
        async with self._place():
            return await asyncio.to_thread(hash_password, password)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._waiting >= CHECKS_WAITING:
            raise UnavailableError("Too many logins at once. Try again in a few seconds.")
        self._waiting += 1
        try:
            async with self._places:
                yield
        finally:
            self._waiting -= 1
