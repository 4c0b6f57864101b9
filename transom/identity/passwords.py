"""Passwords and other secrets that are kept as a hash: making the hash, checking against it.

A check is slow on purpose (argon2id, about 60 ms of one core and 32 MiB), so it runs in a thread, few at a
time (`logins.py`), and takes as long when there is nothing to check against. What was right before is known
by a keyed hash in memory and needs no turn, so that no crowd of guesses delays a program that has logged in.
"""

import hashlib
import secrets
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from transom.domain.errors import InvalidError, UnauthenticatedError
from transom.identity.logins import CHECKS_AT_ONCE, Attempt, LoginTurns
from transom.threads import Threads

#: More than the least that OWASP asks of argon2id (19 MiB, two passes). One lane: how many run at once is
#: set by CHECKS_AT_ONCE and not multiplied by the hash.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
#: Passwords that a worker knows to be right.
KNOWN_PASSWORDS = 1024
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


def require_length(what: str, secret: str, least: int) -> None:
    """InvalidError for a new password or secret that is too short. `what`: its name for that error."""
    if len(secret) < least:
        raise InvalidError(f"{what} must have at least {least} characters")


class PasswordChecker:
    """Makes and checks hashes, a bounded number at once. One per worker process."""

    def __init__(self) -> None:
        self._turns = LoginTurns()
        self._threads = Threads("passwords", CHECKS_AT_ONCE)
        self._nobodys_hash = make_hash_of_nothing()
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}

    async def check(self, expected_hash: str | None, password: str, attempt: Attempt) -> None:
        """UnauthenticatedError unless the hash is the password's; None for a user who does not exist.

        UnavailableError when too many wait already.
        """
        wanted = expected_hash or self._nobodys_hash
        mark = self._mark(wanted, password)
        if mark in self._known:
            return
        async with self._turns.turn(attempt):
            is_right = await self._threads.run(verify_password, wanted, password)
            if expected_hash is None or not is_right:
                self._turns.record_failure(attempt)
                raise UnauthenticatedError(REFUSED)
            self._turns.record_success(attempt)
        if len(self._known) >= KNOWN_PASSWORDS:
            del self._known[next(iter(self._known))]
        self._known[mark] = None

    async def hash(self, password: str, attempt: Attempt) -> str:
        """The hash to keep. UnavailableError when too many wait already."""
        async with self._turns.turn(attempt):
            return await self._threads.run(hash_password, password)

    def _mark(self, expected_hash: str, password: str) -> bytes:
        """It names password and hash, so that a change of the password ends it."""
        text = f"{expected_hash}\0{password}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()
