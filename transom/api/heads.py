"""What comes before the body of a request, and how much of it there may be: it is read on the event loop."""

from transom.domain.errors import InvalidError
from transom.domain.escapes import unescape

#: Most bytes of it: method, path, query and headers.
MOST_HEAD_BYTES = 64 << 10
#: Most parameters in a query.
MOST_PARAMETERS = 1_000
UNDECODABLE = (
    "Error decoding your request. Either the URL or the request body contained characters that could not be "
    "decoded."
)


def parse_query(query: bytes) -> list[tuple[str, str]]:
    """Its (name, value) pairs, decoded. InvalidError when it is not UTF-8, or has too many."""
    require_few_parameters(query)
    if not query.isascii():
        raise InvalidError(UNDECODABLE)
    return read_pairs(query)


def read_pairs(text: bytes) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query or a form, decoded. InvalidError when they are not UTF-8."""
    pairs = []
    try:
        for part in text.split(b"&"):
            if part:
                name, _, value = part.replace(b"+", b" ").partition(b"=")
                pairs.append((unescape(name).decode(), unescape(value).decode()))
    except UnicodeDecodeError:
        raise InvalidError(UNDECODABLE) from None
    return pairs


def require_few_parameters(query: bytes) -> None:
    """InvalidError for a query that takes too long to be parsed."""
    if query.count(b"&") >= MOST_PARAMETERS:
        raise InvalidError(f"The query has more than {MOST_PARAMETERS} parameters.")
