"""Other regions that images are copied to: peers with credentials of this service's own, and what the catalog
of the user's token has. Start reading at `open_region`.
"""

import re
from http import HTTPStatus
from typing import Any

import msgspec

from transom.config import SettingsError
from transom.config.peers import read_peers
from transom.domain.errors import ConflictError, ForbiddenError, InvalidError, Reason, UnavailableError
from transom.domain.model import Caller
from transom.domain.peers import Peer
from transom.identity.catalog import UserAnswer, ask, endpoint_in, read_catalog
from transom.transfers.options import Cloud
from transom.transfers.requesters import no_token_left

_UNAVAILABLE = "The identity service of the region cannot be asked now."
_VERSION = re.compile(r"(/ims)?(/v2(\.[0-9]+)?)?$")


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """The image service of another region: its URL without a version, and a token for one project there."""

    url: str
    token: str
    cafile: str
    project_id: str


class _Project(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _Token(msgspec.Struct, frozen=True):
    project: _Project
    catalog: Any = None


class _TokenAnswer(msgspec.Struct, frozen=True):
    token: _Token


def find_peer(peers_file: str, name: str) -> Peer | None:
    """The peer of this name, as the operator's file has it now. UnavailableError when that cannot be read."""
    try:
        return read_peers(peers_file).get(name)
    except SettingsError as error:
        raise UnavailableError("The service's list of peers cannot be read now.") from error


def knows_regions(cloud: Cloud) -> bool:
    """Whether there may be other regions at all."""
    return cloud.auth_url is not None or bool(cloud.peers_file)


async def require_region(cloud: Cloud, caller: Caller, token: str | None, name: str, to: str) -> None:
    """May the caller copy images to the project `to` of this region, as far as this service can tell? Raises
    InvalidError for a region that is not known, or a project that is not for it; what `read_catalog` does."""
    peer = find_peer(cloud.peers_file, name)
    if peer is not None:
        require_use(peer, caller, to)
        return
    if cloud.auth_url is None:
        raise _unknown(name)
    if token is None:
        text = "region: it can only be asked with a token, not for a signed request."
        raise InvalidError(text, Reason.UNSUPPORTED)
    _image_service(await read_catalog(cloud.auth_url, cloud.cafile, token), name)


def require_use(peer: Peer, caller: Caller, to: str) -> None:
    if not peer.allows(caller.project_id, to):
        text = f"project_name: there is no project {to} that images may be copied to in region {peer.name}."
        raise InvalidError(text, Reason.PROJECT_NAME_WRONG)


async def open_region(cloud: Cloud, caller: Caller, token: str | None, name: str, to: str) -> Region:
    """The region, with a token for its project `to`: the peer's account's, or the user's own. Raises what
    `require_region` does, and ForbiddenError when the credentials are not taken there."""
    peer = find_peer(cloud.peers_file, name)
    if peer is not None:
        require_use(peer, caller, to)
        return await _log_in(peer, to)
    if cloud.auth_url is None:
        raise _unknown(name)
    if token is None:
        raise no_token_left()
    url, cafile = cloud.auth_url, cloud.cafile
    own = await _show_token(url, cafile, token)
    if own.project.name == to:
        return _region(own, token, name, cafile)
    identity = {"methods": ["token"], "token": {"id": token}}
    domain = {"id": caller.domain_id} if caller.domain_id else {"id": "default"}
    answer = await _authenticate(url, cafile, identity, {"name": to, "domain": domain})
    if answer.status >= HTTPStatus.BAD_REQUEST:
        text = f"project_name: the identity service gives the user no token for the project {to}."
        raise ForbiddenError(text, Reason.PROJECT_NAME_WRONG)
    return _region(_read(answer), answer.headers.get("x-subject-token", ""), name, cafile)


async def _log_in(peer: Peer, to: str) -> Region:
    user = {"name": peer.username, "domain": {"id": peer.user_domain}, "password": peer.password}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"name": to, "domain": {"id": peer.project_domain}}
    answer = await _authenticate(peer.auth_url, peer.cafile, identity, scope)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        text = f"The region {peer.name} does not take this service's credentials for the project {to}."
        raise ForbiddenError(text, Reason.AGENCY_REFUSED)
    return _region(_read(answer), answer.headers.get("x-subject-token", ""), peer.region, peer.cafile)


async def _authenticate(
    auth_url: str, cafile: str, identity: dict[str, Any], project: dict[str, Any]
) -> UserAnswer:
    body = msgspec.json.encode({"auth": {"identity": identity, "scope": {"project": project}}})
    return await _ask("POST", auth_url, cafile, {"Content-Type": "application/json"}, body)


async def _show_token(auth_url: str, cafile: str, token: str) -> _Token:
    answer = await _ask("GET", auth_url, cafile, {"X-Auth-Token": token, "X-Subject-Token": token})
    if answer.status >= HTTPStatus.BAD_REQUEST:
        text = "The identity service does not take the user's token any more."
        raise ConflictError(text, Reason.TOKEN_ENDED)
    return _read(answer)


async def _ask(
    method: str, auth_url: str, cafile: str, headers: dict[str, str], body: bytes | None = None
) -> UserAnswer:
    root = auth_url.rstrip("/").removesuffix("/v3") + "/v3"
    sent = {"Accept": "application/json", **headers}
    try:
        answer = await ask(method, f"{root}/auth/tokens", cafile, sent, _UNAVAILABLE, body)
    except UnavailableError as error:
        error.reason = Reason.CLOUD_FAILED
        raise
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise UnavailableError(_UNAVAILABLE, Reason.CLOUD_FAILED)
    return answer


def _read(answer: UserAnswer) -> _Token:
    try:
        return msgspec.json.decode(answer.body, type=_TokenAnswer).token
    except ValueError as error:
        text = "The identity service of the region gave no token."
        raise UnavailableError(text, Reason.CLOUD_FAILED) from error


def _region(found: _Token, token: str, name: str, cafile: str) -> Region:
    url = _VERSION.sub("", _image_service(found.catalog, name).rstrip("/"))
    return Region(url=url, token=token, cafile=cafile, project_id=found.project.id)


def _image_service(catalog: Any, region: str) -> str:
    try:
        return endpoint_in(catalog, "image", region, "public")
    except ConflictError:
        raise _unknown(region) from None


def _unknown(region: str) -> InvalidError:
    return InvalidError(f"region: there is no image service in a region {region}.", Reason.REGION_UNKNOWN)
