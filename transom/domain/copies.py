"""What a copy of an image takes over from it, in this region or in another. Pure."""

from transom.domain.fields import RESERVED_PREFIXES
from transom.domain.model import Image

DESCRIPTION = "__description"
#: The image that a copy was made of.
PARENT = "__originalimagename"


def copied_properties(source: Image) -> dict[str, str]:
    """The properties of a copy, before the request adds its own."""
    kept = {
        name: value for name, value in source.properties.items() if not name.startswith(RESERVED_PREFIXES)
    }
    return {**kept, PARENT: source.id}
