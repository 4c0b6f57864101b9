"""How rights are judged: by the operator's rules or, where it has set none, by those of the code.

Which action asks for which rule stands with its subject: `images/rules.py`, `sharing/rules.py`,
`transfers/rules.py`, `data/rules.py`, `metadefs/rules.py`. What no rule can change is which images a caller
sees at all.
"""

import msgspec

from transom.domain.errors import ForbiddenError, NotFoundError, Reason
from transom.domain.memberships import Found
from transom.domain.model import Caller, Image, ImageTarget, Target, Visibility
from transom.domain.policy import is_seen_by


def is_allowed(rule: str, caller: Caller, target: Target) -> bool:
    """Whether the rule in force for the caller lets it. KeyError for a name that is no rule's."""
    return caller.has_scope and caller.policy.rules[rule](caller, target)


def require(rule: str, caller: Caller, target: Target) -> None:
    """ForbiddenError unless the rule lets the caller."""
    if not is_allowed(rule, caller, target):
        of_other = is_allowed(rule, caller, msgspec.structs.replace(target, owner=caller.project_id))
        raise ForbiddenError(
            f"You are not authorized to complete {rule} action.",
            Reason.NOT_OWNER if of_other else Reason.ROLE_LACKS,
        )


def of_project(caller: Caller) -> Target:
    """What a rule is asked about where the action is on no image: the caller's own project."""
    return Target(caller.project_id, Visibility.PRIVATE)


def image_target(image: Image, *, is_member: bool) -> ImageTarget:
    """`is_member`: whether the caller's project, or its domain, is a member in any status."""
    return ImageTarget(image.owner, image.visibility, is_member, image=image)


def require_project(caller: Caller) -> str:
    """The caller's project; ForbiddenError for a token that has none."""
    if caller.project_id is None:
        raise ForbiddenError("A token for a project is needed.", Reason.ROLE_LACKS)
    return caller.project_id


def see_image(caller: Caller, found: Found, absent: str) -> ImageTarget:
    """The image if the caller can see it; else NotFoundError with the text `absent`."""
    if found.image is None:
        raise NotFoundError(absent, Reason.IMAGE_UNKNOWN)
    target = image_target(found.image, is_member=found.is_member)
    require_seen(caller, target, absent)
    return target


def require_seen(caller: Caller, target: Target, absent: str) -> None:
    """NotFoundError with the text `absent` unless the caller can see the image."""
    if not sees(caller, target):
        raise NotFoundError(absent, Reason.IMAGE_UNKNOWN)


def sees(caller: Caller, target: Target, rule: str = "get_image") -> bool:
    """Whether the caller sees the image. Whatever the rule is set to: nobody is shown an image that was not
    shared with its project."""
    return (caller.is_admin or is_seen_by(caller, target)) and is_allowed(rule, caller, target)


def is_for_service(caller: Caller) -> bool:
    """Whether another service of the cloud asks on a user's behalf, as one does that is about to use an image
    for the user's project."""
    return "service" in caller.service_roles
