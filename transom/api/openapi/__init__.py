"""`GET /openapi.json`: the whole surface as one OpenAPI 3.1 document.

Nothing but this file is imported before somebody asks. `document.py` puts the document together from the
routes and from what the tables say of each of them; there is a module with a table for each API.
"""

from functools import lru_cache

from transom.api.http import encode_json
from transom.api.openapi.route import RouteLike


@lru_cache(maxsize=2)
def encode_document(
    routes: tuple[RouteLike, ...], ims_routes: tuple[RouteLike, ...], *, has_identity: bool
) -> bytes:
    """The document of these routes as JSON, made once in a process. `has_identity`: whether the identity API
    is served here."""
    from transom.api.openapi.document import make_document

    return encode_json(make_document(routes, ims_routes, has_identity=has_identity))
