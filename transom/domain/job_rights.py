"""What somebody may still have done who asked for it a while ago: one function for each kind of job.

A job is judged when it begins, when another worker takes it over, every few seconds while it runs and right
before each transaction that publishes data: always as its asker, by the rules of now, on the image as it is
now.
"""

from transom.domain import access
from transom.domain.attributes import is_encrypted, is_whole_image
from transom.domain.errors import ConflictError, ForbiddenError, Reason
from transom.domain.imports import Method, parse_request, waiting_stores
from transom.domain.job_inputs import Import, input_of
from transom.domain.model import Caller, Image, Job, JobKind, Member, Status, Visibility
from transom.domain.status import WITH_DATA


def judge_import(caller: Caller, job: Job, image: Image, is_member: bool) -> None:
    """May the import go on? One whose stores all have the data has nothing left to publish."""
    if not waiting_stores(image):
        return
    if job.kind == JobKind.IMPORT_NEW:
        access.use_tasks(caller)
    seen = access.see_image(caller, image, is_member, _gone(image))
    method = parse_request(input_of(job, Import).import_req, Method).method
    access.import_image(caller, seen, is_member, is_copy=method is Method.COPY)
    if image.status == Status.DEACTIVATED:
        raise ConflictError(f"Image {image.id} was deactivated while it was imported.")


def judge_location(caller: Caller, _job: Job, image: Image, is_member: bool) -> None:
    """May the image be given the data that lies elsewhere? Once it is in use that has happened."""
    if image.status not in WITH_DATA:
        seen = access.see_image(caller, image, is_member, _gone(image))
        access.add_location(caller, seen, is_member)


def judge_copy(
    caller: Caller, source: Image | None, is_member: bool, member: Member | None, source_id: str, copy: Image
) -> Image:
    """The image to copy, if its data may be given to `copy`. `member`: the membership of the caller's
    project."""
    absent = f"Image {source_id} was deleted or withdrawn before it was copied."
    seen = access.see_image(caller, source, is_member, absent)
    access.replicate_image(caller, seen, is_member, member)
    require_copyable(seen)
    access.create_image(caller, copy.owner, Visibility.PRIVATE)
    return seen


def require_copyable(source: Image) -> None:
    """ConflictError or ForbiddenError for an image that nobody may copy."""
    if source.status != Status.ACTIVE or source.size is None or not source.locations:
        text = f"Image {source.id} is {source.status}; only an active image can be copied."
        raise ConflictError(text, Reason.IMAGE_NOT_READY)
    if is_whole_image(source.properties):
        raise ForbiddenError(
            f"Image {source.id} holds a whole server: it cannot be copied.", Reason.COPY_WHOLE
        )
    if source.disk_format == "iso":
        raise ForbiddenError(f"Image {source.id} is an ISO image: it cannot be copied.", Reason.COPY_ISO)
    if is_encrypted(source.properties):
        raise ForbiddenError(f"Image {source.id} is encrypted: it cannot be copied.", Reason.COPY_ENCRYPTED)


def _gone(image: Image) -> str:
    """Hidden and absent look alike."""
    return f"Image {image.id} was deleted while it was imported."
