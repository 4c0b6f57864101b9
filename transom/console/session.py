"""The cookie and the row: the browser has 32 random bytes, the database the tokens enciphered with them.

The row without the cookie is of no use (a stolen backup holds no token), the cookie without the row neither
(signing out is final, on all workers, at once). Each cookie enciphers one box, once: another project means
another cookie and another row.
"""

import base64
import binascii
import hashlib
import secrets
from typing import NamedTuple, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transom.clock import now_us
from transom.console.identity import Project, Token
from transom.domain.console import ConsoleSession
from transom.domain.times import SECOND_US

KEY_BYTES = 32
#: Projects that a session remembers for the menu; the page of projects lists them all.
MOST_PROJECTS = 20
_NONCE_BYTES = 12
#: Use is noted once in so long, microseconds.
_NOTE_US = 300 * SECOND_US


class SessionRows(Protocol):
    """Where sessions are kept."""

    async def find(self, key_hash: str, now_us: int) -> ConsoleSession | None: ...
    async def add(self, session: ConsoleSession) -> None: ...
    async def touch(self, key_hash: str, now_us: int, before_us: int) -> None: ...
    async def remove(self, key_hash: str) -> None: ...
    async def remove_of(self, key_hash: str, user_id: str) -> bool: ...
    async def list_of(self, user_id: str, now_us: int) -> list[ConsoleSession]: ...


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """What is enciphered. `token` is None where the user has no project. `may_act`, `may_operate`: what the
    API said when it was asked at the beginning; they decide what is shown, and nothing else."""

    unscoped: str
    token: str | None
    roles: tuple[str, ...]
    projects: tuple[Project, ...]
    has_more_projects: bool
    may_act: bool = False
    may_operate: bool = False

    def __repr__(self) -> str:
        return "<Box>"


class Session(NamedTuple):
    row: ConsoleSession
    box: Box

    @property
    def project_id(self) -> str:
        """ "" where the user has no project."""
        return self.row.project_id or ""


class Sessions:
    def __init__(self, rows: SessionRows) -> None:
        self.rows = rows

    async def find(self, cookie: str | None) -> Session | None:
        """None when there is no such session, or no more."""
        key = _read_cookie(cookie)
        if key is None:
            return None
        now = now_us()
        row = await self.rows.find(hash_key(key), now)
        if row is None:
            return None
        box = _open_box(key, row)
        if box is None:
            return None
        if row.used_at < now - _NOTE_US:
            await self.rows.touch(row.key_hash, now, now - _NOTE_US)
        return Session(row, box)

    async def begin(self, token: Token, box: Box) -> str:
        """The cookie of a new session. `token`: that of the project, or the unscoped one where there is
        none."""
        key = secrets.token_bytes(KEY_BYTES)
        key_hash, now = hash_key(key), now_us()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + _cipher(key).encrypt(nonce, msgspec.json.encode(box), key_hash.encode())
        row = ConsoleSession(
            key_hash=key_hash,
            box=base64.b64encode(sealed).decode(),
            user_id=token.user_id,
            user_name=token.user_name,
            project_id=token.project_id,
            project_name=token.project_name,
            domain_name=token.domain_name,
            created_at=now,
            used_at=now,
            expires_at=token.expires_at,
        )
        await self.rows.add(row)
        return base64.urlsafe_b64encode(key).rstrip(b"=").decode()

    async def end(self, session: Session) -> None:
        await self.rows.remove(session.row.key_hash)


def hash_key(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()


def _read_cookie(cookie: str | None) -> bytes | None:
    if not cookie or not cookie.isascii():
        return None
    try:
        key = base64.b64decode(cookie + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None


def _cipher(key: bytes) -> ChaCha20Poly1305:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"transom console session").derive(key)
    return ChaCha20Poly1305(derived)


def _open_box(key: bytes, row: ConsoleSession) -> Box | None:
    """None for a box that this key did not make."""
    try:
        sealed = base64.b64decode(row.box)
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return msgspec.json.decode(_cipher(key).decrypt(nonce, text, row.key_hash.encode()), type=Box)
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        return None
