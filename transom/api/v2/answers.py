"""What several calls of the Image API say alike."""


def absent(image_id: str) -> str:
    """The text for an absent or hidden image, where a call is about its members or tags."""
    return f"Image {image_id} not found."
