"""Templates → bytes. Whatever people wrote is text: it is escaped, and what would steer its reading is
spelled out."""

import gzip
import html
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import markup_join
from markupsafe import Markup, escape

from transom.api.http import Headers, Request, Response
from transom.api.pieces import CHARACTERS_AT_ONCE, join_texts, make_beside
from transom.console import words
from transom.console.guard import HEADERS
from transom.console.icons import ICONS

#: Less is not worth the packing, bytes.
_LEAST_PACKED = 1000
#: Of gzip: level 5 takes three times as long for a twentieth less.
_PACKING = 3
#: Of a dict, which a template may call whatever the keys are.
_METHODS = frozenset(dir(dict))
#: A longer text is escaped anew each time, characters.
_LONG = 200
#: Functions that a template gets with its facts, and calls with arguments one by one.
_PLAIN = frozenset({"url", "static", "ago", "left", "on", "is_soon"})

_PAGE_HEADERS: Headers = [
    *HEADERS,
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"vary", b"Cookie, Accept-Encoding"),
]


def _escape(text: str) -> str:
    return html.escape(words.show_controls(text))


#: Ids, links and names stand on a page several times, and on the next one again.
_escape_short = lru_cache(maxsize=2048)(_escape)


def _write(value: Any) -> str:
    """What a template shows, as it stands in the page."""
    kind = type(value)
    if kind is str:
        return _escape_short(value) if len(value) < _LONG else _escape(value)
    return value if kind is Markup else escape(value)


def _join(parts: tuple[Any, ...]) -> str:
    """What `~` makes."""
    return "".join(parts) if all(type(part) is str for part in parts) else markup_join(parts)


class _Generator(CodeGenerator):
    """Templates as functions, without what costs and is not needed here. `finalize` escapes as well: `escape`
    would make a Markup of each piece, for nothing, as a page has hundreds of them, joined a moment later. And
    functions that want nothing of the context are called as such."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write("environment.finalize(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 (inherited)
        self.write("environment.join_parts((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Call(  # noqa: N802 (inherited)
        self,
        node: nodes.Call,
        frame: Frame,
        forward_caller: bool = False,
    ) -> None:
        if not isinstance(node.node, nodes.Name) or node.node.name not in _PLAIN:
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.visit(node.node, frame)
        self.write("(")
        for argument in (*node.args, *node.kwargs):
            self.visit(argument, frame)
            self.write(", ")
        self.write(")")


class _Environment(Environment):
    code_generator_class = _Generator
    join_parts = staticmethod(_join)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """As it is inherited; but a key of what the API says is looked up at once, rather than after an
        exception for the attribute that is not there."""
        if type(obj) is dict and attribute not in _METHODS and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = _Environment(
        loader=PackageLoader("transom.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_write,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(
        icon=ICONS.__getitem__,
        name=words.show_name,
        size=words.format_size,
        memory=words.format_memory,
        number=words.format_number,
        count=words.format_count,
        short=words.shorten,
        day=_format_day,
    )
    return environment


def render(request: Request, name: str, status: int, facts: dict[str, Any], headers: Headers) -> Response:
    """A short page, whole. `headers`: of this answer beside those that all have."""
    text = _environment().get_template(name).render(facts).encode("utf-8", "replace")
    is_packed = _is_to_be_packed(request, text)
    return _respond(status, _pack(text) if is_packed else text, headers, is_packed=is_packed)


async def render_in_pieces(
    request: Request, name: str, status: int, facts: dict[str, Any], headers: Headers
) -> Response:
    """As `render`, of what people wrote: a page of their texts can have a megabyte."""
    parts = _environment().get_template(name).generate(facts)
    text = (await join_texts(parts, request.take_turn)).encode("utf-8", "replace")
    is_packed = _is_to_be_packed(request, text)
    if is_packed:
        text = await make_beside(_pack, text) if len(text) > CHARACTERS_AT_ONCE else _pack(text)
    return _respond(status, text, headers, is_packed=is_packed)


def _is_to_be_packed(request: Request, text: bytes) -> bool:
    return len(text) >= _LEAST_PACKED and accepts_gzip(request)


def _pack(text: bytes) -> bytes:
    return gzip.compress(text, _PACKING, mtime=0)


def _respond(status: int, body: bytes, headers: Headers, *, is_packed: bool) -> Response:
    packing: Headers = [(b"content-encoding", b"gzip")] if is_packed else []
    return Response(status, body, [*_PAGE_HEADERS, *headers, *packing])


def render_part(name: str, **facts: Any) -> Markup:
    """A part of a page, by itself."""
    return Markup(_environment().get_template(name).render(facts))  # noqa: S704 (escaped as it was made)


def accepts_gzip(request: Request) -> bool:
    wanted = [part.partition(";") for part in request.joined(b"accept-encoding").lower().split(",")]
    return any(
        name.strip() == "gzip" and parameters.replace(" ", "") not in ("q=0", "q=0.0")
        for name, _, parameters in wanted
    )


class _Time(NamedTuple):
    """`tag`: what begins the element that shows it."""

    moment: datetime
    tag: str


@lru_cache(maxsize=2048)
def _read_time(text: str | None) -> _Time | None:
    """Of a time as the API writes it; a page has many, and the next one has them again."""
    moment = words.parse_time(text)
    if moment is None:
        return None
    stamp, exact = moment.isoformat(timespec="seconds"), words.format_moment(moment)
    return _Time(moment, f'<time datetime="{stamp}" title="{exact}">')


def time_words(now: datetime) -> dict[str, Callable[..., Any]]:
    """Functions of a template that speak of time. All take what the API says."""

    def tell(say: Callable[[datetime], str]) -> Callable[[str | None], Markup | str]:
        def write(text: str | None) -> Markup | str:
            found = _read_time(text)
            if found is None:
                return "–"
            return Markup(f"{found.tag}{say(found.moment)}</time>")  # noqa: S704

        return write

    def is_soon(text: str | None) -> bool:
        found = _read_time(text)
        return found is not None and words.is_soon(found.moment, now)

    return {
        "ago": tell(lambda moment: words.format_ago(moment, now)),
        "left": tell(lambda moment: words.format_left(moment, now)),
        "on": tell(words.format_day),
        "is_soon": is_soon,
    }


def _format_day(text: str | None) -> str:
    """As a date field has it."""
    moment = words.parse_time(text)
    return moment.strftime("%Y-%m-%d") if moment else ""
