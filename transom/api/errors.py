"""The body of a refusal, in the form the client asked for (as Glance answers)."""

import html
from http import HTTPStatus

from transom.api.http import Headers, Request, Response, json_response


def error_response(request: Request, status: int, message: str, headers: Headers) -> Response:
    """JSON unless the client asks for HTML or plain text and not for JSON."""
    reason = HTTPStatus(status).phrase
    title = f"{status} {reason}"
    form = _wanted_form(request.header(b"accept") or "")
    if form == "text/html":
        return _text_response(_HTML.format(title=title, message=html.escape(message)), form, status, headers)
    if form == "text/plain":
        return _text_response(f"{title}\n\n{message}\n\n   ", form, status, headers)
    return json_response({"message": message, "code": title, "title": reason}, status, headers)


_HTML = (
    "<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n"
    "  {message}<br /><br />\n </body>\n</html>"
)


def _wanted_form(accept: str) -> str:
    """The first of the media types we can write that is named, JSON before the others."""
    named = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if "application/json" in named or "*/*" in named:
        return "application/json"
    return next((form for form in named if form in ("text/html", "text/plain")), "application/json")


def _text_response(text: str, media_type: str, status: int, headers: Headers) -> Response:
    content_type = f"{media_type}; charset=UTF-8".encode()
    return Response(status, text.encode("utf-8", "replace"), [(b"content-type", content_type), *headers])
