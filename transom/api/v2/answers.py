"""What several calls of the Image API say alike."""

from transom.domain.errors import UnavailableError

#: Others may change an image between our look at it and our write; each try of ours that fails is a success
#: of theirs, so so many in a row mean that the database is in trouble.
TRIES = 100


def absent(image_id: str) -> str:
    """The text for an absent or hidden image, where a call is about its members or tags."""
    return f"Image {image_id} not found."


def outrun(subject: str) -> UnavailableError:
    """`TRIES` tries in a row have failed. `subject`: with its verb."""
    return UnavailableError(f"{subject} changed by too many others at once.")
