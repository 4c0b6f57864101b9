"""Who may look at tasks, and what a job may still do for its requester: one function for each
kind of job. Pure.

A job is judged when it begins, when another worker takes it over, every few seconds while it runs and right
before each transaction that publishes data: always as its requester, by the current rules, on the current
image.
"""

from transom.domain.access import of_project, require, require_seen, see_image
from transom.domain.errors import ConflictError
from transom.domain.imports import Method, parse_request, waiting_stores
from transom.domain.job_inputs import Import, input_of
from transom.domain.memberships import Found
from transom.domain.model import Caller, Image, ImageTarget, Job, JobKind, Status, Visibility
from transom.domain.status import WITH_DATA
from transom.images import rules


def use_tasks(caller: Caller) -> None:
    """May the caller look at tasks beside those of an image, and start some?"""
    require("tasks_api_access", caller, of_project(caller))


def shows_tasks_of(caller: Caller) -> str | None:
    """The project whose tasks the caller is shown, whoever the operator's rules let look at tasks; None: all
    projects."""
    return None if caller.is_admin else caller.project_id or ""


def sees_task(caller: Caller, task: Job) -> bool:
    return shows_tasks_of(caller) in (None, task.project_id)


def judge_import(caller: Caller, job: Job, target: ImageTarget) -> None:
    """May the import go on? One whose stores all have the data has nothing left to publish."""
    image = target.image
    if not waiting_stores(image):
        return
    if job.kind == JobKind.IMPORT_NEW:
        use_tasks(caller)
    if job.kind in (JobKind.IMPORT_OBJECT, JobKind.IMPORT_DATA_OBJECT):
        rules.create_image(caller, image.owner, image.visibility)
    require_seen(caller, target, _gone(image))
    method = parse_request(input_of(job, Import).import_req, Method).method
    rules.import_image(caller, target, is_copy=method is Method.COPY)
    if image.status == Status.DEACTIVATED:
        raise ConflictError(f"Image {image.id} was deactivated while it was imported.")


def judge_location(caller: Caller, _job: Job, target: ImageTarget) -> None:
    """May the image be given the data that lies elsewhere? Once it is in use that has happened."""
    if target.image.status not in WITH_DATA:
        require_seen(caller, target, _gone(target.image))
        rules.add_location(caller, target)


def judge_copy(caller: Caller, found: Found, owner: str | None, absent: str) -> Image:
    """The image to copy, if its data may be given to one of `owner`'s. `found`: it, and the membership of the
    caller's project; `absent`: the text for an image that is not there, or hidden."""
    target = see_image(caller, found, absent)
    rules.replicate_image(caller, target, found.member)
    rules.require_copyable(target.image)
    rules.create_image(caller, owner, Visibility.PRIVATE)
    return target.image


def _gone(image: Image) -> str:
    """Hidden and absent look alike."""
    return f"Image {image.id} was deleted while it was imported."
