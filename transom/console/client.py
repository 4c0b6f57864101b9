"""Asks the service's own API, in the same process and with the user's token.

The request goes through the same routing, authentication, policy and errors as one that came over the
network.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec

from transom.api.http import JSON, Headers, Request, Response, Scope, encode_json

AnswerRequest = Callable[[Request], Awaitable[tuple[str, Response]]]

#: Headers of the browser's request that the API gets, too: by them it finds its own address and the client's.
_PASSED_ON = frozenset(
    {
        b"host",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
    }
)


class Answer(NamedTuple):
    """`body`: decoded JSON, None where there is none."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")


class Call(NamedTuple):
    """What a page asked, for those who want to ask it without the page."""

    method: str
    path: str


class Refusal(Exception):  # noqa: N818 (it is an answer)
    """The API's answer is an error. `title` and `detail` are its own words."""

    def __init__(self, answer: Answer, request_id: str) -> None:
        body = answer.body if isinstance(answer.body, dict) else {}
        if isinstance(body.get("error"), dict):
            body = body["error"]
        self.status = answer.status
        self.title = str(body.get("title") or "")
        self.detail = str(body.get("detail") or body.get("message") or "")
        self.field = str(body.get("field") or "")
        self.request_id = request_id
        super().__init__(f"{self.status} {self.title or 'refused'}: {self.detail}")


class Client:
    """Asks on behalf of one request of a browser. `calls`: what was asked and answered, in order."""

    def __init__(self, answer: AnswerRequest, outer: Request, token: str | None) -> None:
        self.answer_request = answer
        self._outer = outer
        self._token = token
        self.calls: list[Call] = []

    async def try_get(self, path: str, *, is_shown: bool = True, **query: Any) -> Answer:
        """GET, whatever the status. Parameters that are None or empty are left out. `is_shown`: whether it
        belongs to what the page shows, rather than to its frame."""
        call = Call("GET", with_query(path, query))
        if is_shown:
            self.calls.append(call)
        answer = await self.ask(*call)
        if is_shown and answer.status >= 400:
            self.calls.remove(call)
        return answer

    async def get(self, path: str, **query: Any) -> Any:
        """The body of the answer. Raises Refusal."""
        return self.require(await self.try_get(path, **query)).body

    async def do(
        self, method: str, path: str, document: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Change something. Raises Refusal."""
        return self.require(await self.ask(method, path, document, headers))

    def require(self, answer: Answer) -> Answer:
        if answer.status >= 400:
            raise Refusal(answer, self._outer.request_id)
        return answer

    async def ask(
        self,
        method: str,
        target: str,
        document: Any = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """`target`: path and query. `token`: instead of the session's. One answer, be it an error."""
        body = b"" if document is None else encode_json(document)
        given = {
            "accept": "application/json",
            "x-openstack-request-id": self._outer.request_id,
            **({"content-type": JSON.decode(), "content-length": str(len(body))} if body else {}),
            **{name.lower(): value for name, value in (headers or {}).items()},
        }
        if token or self._token:
            given["x-auth-token"] = token or self._token or ""
        passed = [pair for pair in self._outer.raw_headers if pair[0] in _PASSED_ON]
        sent = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]
        return await self._exchange(method, target, [*passed, *sent], body)

    async def _exchange(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        path, _, query = target.partition("?")
        scope: Scope = {
            **self._outer.scope,
            "method": method,
            "path": path,
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": headers,
            "extensions": {},
        }
        inner = Request(scope, _receive_once(body), self._outer.request_id)
        inner.origin, inner.client_address = self._outer.origin, self._outer.client_address
        try:
            _, response = await self.answer_request(inner)
        finally:
            inner.finish()
        if inner.found_caller is not None:
            # For the line of the log.
            self._outer.caller = inner.found_caller
        return Answer(
            response.status,
            {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
            _decode(response.body),
        )


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """The target of a request. A parameter that is None or empty is left out."""
    pairs = [(name.rstrip("_"), value) for name, value in query.items() if value not in (None, "")]
    return f"{path}?{urlencode(pairs, doseq=True)}" if pairs else path


def cursor_of(link: str | None) -> str:
    """`after` of the next page, "" where there is none."""
    return parse_qs(urlsplit(link or "").query).get("after", [""])[0]


def segment(text: str) -> str:
    """Text that stands as one segment of a path."""
    return quote(text, safe="")


def _receive_once(body: bytes) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop()
        # Nobody hangs up while the page is made.
        await asyncio.get_running_loop().create_future()
        raise RuntimeError("unreachable")

    return receive


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        return None
