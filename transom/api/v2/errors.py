"""The body of a refusal, in the form the client asked for (as Glance answers)."""

import html
from http import HTTPStatus

from transom.api.http import Headers, Request, Response, json_response


def error_response(request: Request, status: int, message: str, headers: Headers) -> Response:
    """JSON to a client that names it."""
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
    """The media type of the answer: JSON before the others. As in Glance, a client that accepts anything gets
    HTML: python-glanceclient, which asks for nothing in particular, fails on this JSON, and takes a 404 for
    a fault of its own."""
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if "application/json" in named:
        return "application/json"
    return "text/html" if named & {"text/html", "*/*"} else "text/plain"


def _text_response(text: str, media_type: str, status: int, headers: Headers) -> Response:
    content_type = f"{media_type}; charset=UTF-8".encode()
    return Response(status, text.encode("utf-8", "replace"), [(b"content-type", content_type), *headers])
