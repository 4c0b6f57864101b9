"""The `ec2` credentials of a user in Keystone, for work that goes on in the user's name without a request."""

from urllib.parse import urlencode

import msgspec

from transom.identity.keystone_client import KeyPair, KeystoneClient


class _Blob(msgspec.Struct, frozen=True, kw_only=True):
    access: str
    secret: str
    trust_id: str | None = None
    app_cred_id: str | None = None
    access_token_id: str | None = None

    @property
    def is_delegated(self) -> bool:
        """Whether it was made by less than the user, for which it stands."""
        return any((self.trust_id, self.app_cred_id, self.access_token_id))


class _Credential(msgspec.Struct, frozen=True):
    type: str
    blob: str
    project_id: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    credentials: tuple[_Credential, ...]


async def find_key_of(client: KeystoneClient, user_id: str, project_id: str | None) -> KeyPair | None:
    """A key pair of the user in the project, the first by its access key, None without any: those that were
    made by a trust, an application credential or OAuth are left aside. Our account needs the role `reader` on
    the system; UnavailableError without it, or when Keystone does not answer."""
    query = urlencode({"user_id": user_id, "type": "ec2"})
    answer = await client.read(f"/credentials?{query}", _Answer, "the keys of a user")
    keys = [_read(one) for one in answer.credentials if one.project_id == project_id and one.type == "ec2"]
    own = [key for key in keys if key is not None and not key.is_delegated]
    first = min(own, key=lambda key: key.access, default=None)
    return KeyPair(access=first.access, secret=first.secret) if first is not None else None


def _read(credential: _Credential) -> _Blob | None:
    try:
        return msgspec.json.decode(credential.blob, type=_Blob)
    except msgspec.DecodeError:
        return None
