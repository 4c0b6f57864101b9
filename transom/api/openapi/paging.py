"""The parameters of every list of the share API."""

from transom.api.openapi.model import query
from transom.api.share.query import LIMIT_MOST

PAGING = (
    query("limit", "Entries in a page.", {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST}),
    query("after", "The cursor that `next` of the page before had."),
)
