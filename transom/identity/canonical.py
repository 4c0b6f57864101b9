"""The canonical form of a request: the one text that the client and the server each make of it, and sign.

Pure. Everything here is bytes, as the server got them: text that was decoded and encoded again need not be
what was signed. Start reading at `canonical_request`; who uses which query is in `schemes.py`.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import quote_from_bytes

from transom.domain.escapes import unescape

_Pair = tuple[bytes, bytes]


def canonical_request(
    method: str, raw_path: bytes, canonical_query: bytes, headers: Sequence[_Pair], payload: bytes
) -> bytes:
    """raw_path: still encoded, without the query. headers: those signed, in the order signed. payload: the
    body's hash in hex, or the word that stands for it."""
    return b"\n".join(
        (
            # Not in upper case: the SDKs send it so, and a server may take `get` for another method.
            method.encode("utf-8", "surrogateescape"),
            _canonical_path(raw_path),
            canonical_query,
            *(name + b":" + value for name, value in headers),
            b"",
            b";".join(name for name, _ in headers),
            payload,
        )
    )


def sort_query(query: bytes) -> bytes:
    """By name, then value, in order of the decoded bytes. Repeated parameters stay, `a` is `a=`, and `+` is
    a space: the pairs are those that `Request.query_pairs` gives to the handlers."""
    return _join((_encode(name), _encode(value)) for name, value in sorted(_read_query(query)))


def sort_first_values(query: bytes) -> bytes:
    """Of each name the first value only, by the encoded name without regard to case (gophertelekomcloud,
    signer_helper.go, `encodeQueryString`)."""
    first: dict[bytes, bytes] = {}
    for name, value in _read_query(query):
        first.setdefault(name, value)
    pairs = [(_encode(name), _encode(value)) for name, value in first.items()]
    return _join(sorted(pairs, key=lambda pair: (pair[0].lower(), pair[0])))


def encode_as_form(query: bytes) -> bytes:
    """As the body of an HTML form: by name, values in the order sent, a space as `+` (Go's
    `url.Values.Encode`)."""
    by_name = sorted(_read_query(query), key=lambda pair: pair[0])
    return _join((_encode_plus(name), _encode_plus(value)) for name, value in by_name)


def find_repeated(query: bytes) -> bytes | None:
    """A name that the query has more than once."""
    seen = set()
    for name, _ in _read_query(query):
        if name in seen:
            return name
        seen.add(name)
    return None


def _canonical_path(raw: bytes) -> bytes:
    """Decoded whole before it is split, as the SDKs do and as our dispatcher does: an encoded slash is a
    slash to both. A closing slash is not told from none."""
    encoded = quote_from_bytes(unescape(raw), safe="/").encode()
    return encoded if encoded.endswith(b"/") else encoded + b"/"


def _read_query(query: bytes) -> list[_Pair]:
    pairs = []
    for part in query.split(b"&"):
        if part:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            pairs.append((unescape(name), unescape(value)))
    return pairs


def _join(pairs: Iterable[tuple[str, str]]) -> bytes:
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def _encode(text: bytes) -> str:
    return quote_from_bytes(text, safe="")


def _encode_plus(text: bytes) -> str:
    return quote_from_bytes(text, safe=" ").replace(" ", "+")
