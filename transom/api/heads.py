"""What comes before the body of a request, and how much of it there may be: it is read on the event loop."""

from urllib.parse import parse_qsl

from transom.domain.errors import InvalidError

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
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise InvalidError(UNDECODABLE) from None


def require_few_parameters(query: bytes) -> None:
    """InvalidError for a query that takes too long to be parsed."""
    if query.count(b"&") >= MOST_PARAMETERS:
        raise InvalidError(f"The query has more than {MOST_PARAMETERS} parameters.")
