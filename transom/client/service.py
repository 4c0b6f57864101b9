"""Requests to the service as one account: endpoints from the catalog, tokens, refusals, pages."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions
from keystoneauth1.session import Session

_TIMEOUT_S = 60
#: Times that a read which the service puts off is sent, and the longest that it is waited for, seconds.
_TRIES, _MOST_WAIT_S = 3, 10
_PUT_OFF = (requests.codes.too_many_requests, requests.codes.service_unavailable)
_CHECK_ACCOUNT = "Check user, password, project and domains."
_CHECK_ADDRESS = "Check auth_url: the address of an identity service ends in /v3."
#: What keystoneauth1 adds to the text of a refusal.
_ADDED = re.compile(r" \(HTTP \d+\)( \(Request-ID: [^)]*\))?$")
#: In what keystoneauth1 says of a connection that failed: its URL, and what the system or TLS said.
_ADDRESS = re.compile(r"https?://[^\s:]+(?::\d+)?[^\s:]*")
_REASON = re.compile(r"\[(?:Errno [-\d]+|SSL: \w+)\] ([^'\"()]+)")
#: Statuses from here on are refusals.
_FIRST_REFUSAL = 400


class RefusedError(Exception):
    """The service did not do what was asked, or cannot be reached. The text is for people. `status`: that of
    the answer, 0 where there was none; `kind`: the last part of a problem's `type`, "" without one; `field`:
    what of the request is wrong, as a JSON pointer."""

    def __init__(self, text: str, status: int = 0, kind: str = "", field: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.field = field


class Service:
    """The image service, and the identity service beside it. `endpoint`: its address where the catalog is not
    to be asked."""

    def __init__(
        self,
        session: Session,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        interface: str = "public",
    ) -> None:
        self._session = session
        self._endpoint = endpoint
        self._region = region
        self._interface = interface

    def request(
        self, method: str, path: str, *, service: str = "image", allowed: tuple[int, ...] = (), **options: Any
    ) -> requests.Response:
        """The answer to a request of `path`, which is below the endpoint. RefusedError for a redirect and for
        a status from 400 on that is not among `allowed`."""
        headers = {"Accept": "application/json", **options.pop("headers", {})}
        url = self._url(path, service)
        answer = self._send(method, url, headers=headers, **options)
        for _ in range(1, _TRIES if method == "GET" else 1):
            wait_s = _wait_of(answer)
            if wait_s is None or wait_s > _MOST_WAIT_S:
                break
            time.sleep(wait_s)
            answer = self._send(method, url, headers=headers, **options)
        if answer.status_code >= _FIRST_REFUSAL and answer.status_code not in allowed:
            raise refusal_of(answer)
        if answer.is_redirect:
            raise RefusedError("The service redirects, which is not followed.", answer.status_code)
        return answer

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer's JSON; None where it has no body. RefusedError for an answer that is no JSON."""
        if body is not None:
            options["json"] = body
        answer = self.request(method, path, **options)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise RefusedError("The service gave an answer that is no JSON.") from None

    def pages(self, path: str, params: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
        """The entries `key` of a list, following `next` to its end. Each `next` is another path."""
        page = self.call("GET", path, params=params)
        followed: set[str] = set()
        while True:
            if not isinstance(page, dict) or not isinstance(page.get(key), list):
                raise RefusedError(f"The service gave an answer without {key}.")
            yield from page[key]
            following = page.get("next")
            if not following:
                return
            following = _path_of(following)
            if following in followed:
                raise RefusedError("The service gave a list without an end.")
            followed.add(following)
            page = self.call("GET", following)

    @property
    def project_id(self) -> str:
        """That of the account's token."""
        with _Renamed():
            found = self._session.get_project_id()
        if not found:
            raise RefusedError("The account has no project: choose one in clouds.yaml.")
        return str(found)

    def _url(self, path: str, service: str) -> str:
        if service == "image" and self._endpoint:
            return self._endpoint.rstrip("/") + path
        base = None
        with _Renamed(), suppress(exceptions.CatalogException):
            base = self._session.get_endpoint(
                service_type=service, interface=self._interface, region_name=self._region
            )
        if not base:
            where = f"region_name {self._region}, " if self._region else ""
            raise RefusedError(
                f"The catalog has no {service} service for {where}interface {self._interface}."
            )
        base = base.rstrip("/")
        # Some catalogs have the version in it, and paths here begin with theirs.
        return (base.removesuffix("/v2") if service == "image" else base) + path

    def _send(self, method: str, url: str, **options: Any) -> requests.Response:
        with _Renamed():
            answer: requests.Response = self._session.request(
                url, method, raise_exc=False, redirect=False, timeout=_TIMEOUT_S, **options
            )
        return answer


class _Renamed:
    """Errors of keystoneauth1 and requests become RefusedError."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, exceptions.DiscoveryFailure) and not _ADDRESS.search(str(error)):
            # Something answered, and was no identity service.
            raise RefusedError(f"{error}. {_CHECK_ADDRESS}") from None
        if isinstance(error, (exceptions.ConnectFailure, exceptions.DiscoveryFailure)):
            raise RefusedError(f"The service cannot be reached: {_reason_of(error)}") from None
        if isinstance(error, exceptions.ClientException):
            status = getattr(error, "http_status", 0) or 0
            text = _ADDED.sub("", str(error)) or type(error).__name__
            if isinstance(error, exceptions.Unauthorized):
                # Of a login: what the service itself answers is no exception of the session's.
                text = f"The account cannot log in: {text} {_CHECK_ACCOUNT}"
            raise RefusedError(text, status) from None
        if isinstance(error, requests.RequestException):
            raise RefusedError(f"The service cannot be reached: {error}") from None


def _reason_of(error: BaseException) -> str:
    """The address that was tried and what the system said; all of the text where those are not in it."""
    text = str(error)
    address, reason = _ADDRESS.search(text), _REASON.search(text)
    return f"{address[0]}: {reason[1].strip()}" if address and reason else text


def _wait_of(answer: requests.Response) -> int | None:
    """Seconds after which the service wants to be asked again; None where it does not say so."""
    after = answer.headers.get("Retry-After", "")
    return int(after) if answer.status_code in _PUT_OFF and after.isdecimal() else None


def refusal_of(answer: requests.Response) -> RefusedError:
    """What an answer from 400 on says, in whichever form the API has it."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return RefusedError(f"{answer.status_code} {answer.reason}", answer.status_code)
    error = body.get("error")
    inner = error if isinstance(error, dict) else body
    text = inner.get("detail") or inner.get("message") or inner.get("title") or answer.reason
    kind = str(body.get("type", "")).rsplit("/", 1)[-1]
    if (wait_s := _wait_of(answer)) is not None:
        text = f"{text} Try again in {wait_s} s."
    return RefusedError(str(text), answer.status_code, kind, str(body.get("field", "")))


def _path_of(link: str) -> str:
    """A link as a path below the endpoint, whose host nothing may be added to."""
    parts = urlsplit(str(link))
    if not parts.path.startswith("/"):
        raise RefusedError("The service gave a link that is no path.")
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
