"""Tokens: what one says, how it is signed and read, and which are revoked before their time.

A token is a JWT (HS256) and holds who, where and until when; what its bearer may do is looked up at each use,
in `builtin.py`. This module knows no accounts.
"""

import hashlib
import heapq
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import msgspec

from transom.domain.errors import UnauthenticatedError
from transom.identity.directory import AccountsError
from transom.identity.durable import GrowingFile, append_line, lock_folder, replace_file

ALGORITHM = "HS256"
KEY_BYTES = 32
#: Ours have about 400 characters. Longer ones are refused before any work is done on them.
LONGEST_TOKEN = 2048
INVALID = "The token is not valid: it is malformed, expired or revoked."

_NAMES = {
    "user_id": "sub",
    "project_id": "prj",
    "domain_id": "dom",
    "methods": "mth",
    "issued_at": "at",
    "expires_at": "exp",
    "audit_id": "jti",
    "parent_audit_id": "par",
    "password_mark": "pwm",
    "credential_id": "apc",
}


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_NAMES):
    """What a token says. `issued_at` in microseconds, `expires_at` in seconds since the epoch. It is for a
    project, or for a domain, or for neither.

    `password_mark` is that of the password in force when the login began (see `mark_password`), so that a
    change of password ends the user's tokens without comparing any clocks.
    """

    user_id: str
    methods: tuple[str, ...]
    issued_at: int
    expires_at: int
    audit_id: str
    password_mark: str
    project_id: str | None = None
    domain_id: str | None = None
    parent_audit_id: str | None = None
    credential_id: str | None = None


def make_audit_id() -> str:
    return secrets.token_urlsafe(16)


def mark_password(password_hash: str) -> str:
    """A short mark of a password hash; the hash holds a random salt, so the mark tells nobody anything."""
    return hashlib.sha256(password_hash.encode()).hexdigest()[:16]


def sign_token(key: bytes, claims: Claims) -> str:
    # Imported here and below: with Keystone no tokens are signed, and PyJWT imports cryptography where that
    # is installed, 11 MiB and 40 ms. Where they are signed, `serve` imports it before there is a worker.
    import jwt

    return jwt.encode(msgspec.to_builtins(claims), key, algorithm=ALGORITHM)


def read_token(key: bytes, token: str, now_s: float) -> Claims:
    """The claims of a token that we signed and that has not expired; UnauthenticatedError otherwise."""
    import jwt

    if len(token) > LONGEST_TOKEN or not _has_canonical_signature(token):
        raise UnauthenticatedError(INVALID)
    try:
        payload = jwt.decode(token, key, algorithms=[ALGORITHM], options={"verify_exp": False})
        claims = msgspec.convert(payload, Claims)
    except (jwt.InvalidTokenError, msgspec.ValidationError):
        raise UnauthenticatedError(INVALID) from None
    if now_s >= claims.expires_at:
        raise UnauthenticatedError(INVALID)
    return claims


def _has_canonical_signature(token: str) -> bool:
    """Whether the signature is spelt in the one way we spell it.

    Base64 leaves bits of the last character unused and Python's decoder skips strange characters, so a
    signature has many spellings. The rest of a token is signed as spelt.
    """
    signature = token.rpartition(".")[2]
    try:
        decoded = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except ValueError:
        return False
    return urlsafe_b64encode(decoded).decode().rstrip("=") == signature


def load_signing_key(folder: Path) -> bytes:
    """The key of this service, made at the first call of all. Raises AccountsError for a damaged one."""
    path = folder / "signing_key"
    with lock_folder(folder):
        if not path.exists():
            replace_file(path, os.urandom(KEY_BYTES))
        key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise AccountsError(f"{path}: the signing key must have {KEY_BYTES} bytes, not {len(key)}")
    return key


class Revocations:
    """The audit ids of tokens revoked before they expired, in a file that all processes append to.

    One line each, `audit_id expires_at`. Lines of expired tokens are dropped once they are the greater part,
    so the file is as long as twice what is revoked in a token's life, at most. To see or to make one costs
    the same however many there are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "revoked"
        with lock_folder(folder):
            if not self._path.exists():
                replace_file(self._path, b"")
        self._file = GrowingFile(self._path)
        self._expiry: dict[str, int] = {}
        #: Grows with every change of the file that was seen.
        self.version = 0
        self._record = _Record(self._path)

    def refresh(self) -> int:
        """See what all processes have revoked until now. Returns `version`. Raises OSError. To be
        called in one thread at a time; others may ask meanwhile, and are told all that was seen before."""
        found = self._file.read_new()
        if found is not None:
            lines, is_all = found
            if is_all:
                self._expiry = _parse_lines(lines)
            else:
                self._expiry |= _parse_lines(lines)
            self.version += 1
        return self.version

    def __contains__(self, audit_id: str) -> bool:
        """As of the last `refresh`."""
        return audit_id in self._expiry

    def holds_now(self, audit_id: str) -> bool:
        """Whether it is revoked now, for whoever holds the folder's lock: the whole file is read. Raises
        OSError."""
        return audit_id in _parse_lines(self._path.read_bytes())

    def add(self, audit_id: str, expires_at: int, now_s: float) -> None:
        """Revoke, durably: when this returns, every process refuses the token. May wait for the disk, and may
        be called by several threads."""
        with lock_folder(self._folder):
            live = self._record.see(now_s)
            if audit_id in live:
                return
            if self._record.is_mostly_expired:
                lines = (_format_line(*item) + b"\n" for item in {**live, audit_id: expires_at}.items())
                replace_file(self._path, b"".join(lines))
            else:
                append_line(self._path, _format_line(audit_id, expires_at))


class _Record:
    """The file as its writer reads it, under the lock: which revocations still count, and how many do not.
    Separate from what `refresh` reads without the lock."""

    def __init__(self, path: Path) -> None:
        self._file = GrowingFile(path)
        self._live: dict[str, int] = {}
        self._by_expiry: list[tuple[int, str]] = []
        self._expired = 0

    def see(self, now_s: float) -> dict[str, int]:
        """Audit id → expiry of what has not expired, in the order of the file."""
        found = self._file.read_new()
        if found is not None:
            lines, is_all = found
            if is_all:
                self._live, self._by_expiry, self._expired = {}, [], 0
            for audit_id, expiry in _parse_lines(lines).items():
                self._live[audit_id] = expiry
                heapq.heappush(self._by_expiry, (expiry, audit_id))
        while self._by_expiry and self._by_expiry[0][0] <= now_s:
            _, audit_id = heapq.heappop(self._by_expiry)
            self._live.pop(audit_id, None)
            self._expired += 1
        return self._live

    @property
    def is_mostly_expired(self) -> bool:
        return len(self._live) < self._expired


def _format_line(audit_id: str, expires_at: int) -> bytes:
    return f"{audit_id} {expires_at}".encode()


def _parse_lines(content: bytes) -> dict[str, int]:
    """What a crash left half written is passed over: nobody was told that it is revoked."""
    expiry = {}
    for line in content.decode(errors="replace").splitlines():
        audit_id, _, moment = line.partition(" ")
        if moment.isascii() and moment.isdigit():
            expiry[audit_id] = int(moment)
    return expiry
