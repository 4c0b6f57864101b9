"""What becomes of an image that another service of the cloud makes of a server or a volume. Pure."""

import msgspec

from transom.domain.job_inputs import Capture
from transom.domain.model import Image

#: The property by which an image that the compute service makes is known as a job's.
MARK = "__ims_job"
_GIB = 1 << 30


def marked_name(job_id: str) -> str:
    """What an image is called until its job knows it, where the other service takes no properties."""
    return f"ims-job-{job_id}"


def as_asked(image: Image, asked: Capture) -> Image:
    """The image with what the client asked for, and without what marked it."""
    properties = {**asked.defaults, **image.properties, **asked.properties}
    properties.pop(MARK, None)
    return msgspec.structs.replace(
        image,
        name=asked.name,
        min_ram=max(image.min_ram, asked.min_ram),
        tags=tuple(dict.fromkeys((*image.tags, *asked.tags))),
        properties=properties,
    )


def completed(image: Image, asked: Capture) -> Image:
    """The image, which has its data, with the size of the disk that it needs where nobody said it, and
    without the mark, which the other service may have set anew."""
    whole = as_asked(image, asked) if MARK in image.properties else image
    if whole.min_disk or not whole.virtual_size:
        return whole
    return msgspec.structs.replace(whole, min_disk=-(-whole.virtual_size // _GIB))
