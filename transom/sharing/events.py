"""Events as each viewer may see them: the CloudEvents 1.0 form, and which fields each side gets. Pure.

An event has two sides, owner and recipient. Each side sees its own users and request ids; of the other side
it sees the project only. Only the recipient is told that its rule, and not a user, gave the answer. An event
for all members of a family names the image to the owner only: some members may not see the image. No event
names one that the operator's own rules hide from the viewer.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from transom.domain.errors import InvalidError
from transom.domain.events import Event, EventType, Via
from transom.domain.model import Caller, MemberStatus
from transom.domain.recipients import MemberType, split_member_id
from transom.domain.times import show_time
from transom.identity import Names

SOURCE = "/share/v1"
#: Before each type.
PREFIX = "transom."

#: Patterns of one hook or query: each is compiled, on the event loop.
MOST_TYPES = 50
_PATTERN = re.compile(r"(?:\*|[a-z_]+)(?:\.(?:\*|[a-z_]+)){0,3}")


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """For whom events are shown. `project` None: for an administrator, who sees both sides of all of them.
    `hidden`: images that the operator's own rules hide from it (`hidden_images.py`)."""

    project: str | None
    member_ids: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()


EVERYTHING = Viewer(project=None)


def viewer_of(caller: Caller) -> Viewer:
    own = frozenset(member_id for member_id in caller.member_ids if member_id is not None)
    return Viewer(project=caller.project_id, member_ids=own)


def matching_types(patterns: Iterable[str]) -> frozenset[EventType]:
    """The types that one of the patterns names, without the prefix; `*` stands for one or more parts."""
    wanted = list(patterns)
    return frozenset(kind for kind in EventType if any(fnmatchcase(kind, pattern) for pattern in wanted))


def check_types(types: Sequence[str]) -> tuple[str, ...]:
    """The patterns of a hook or of a query, each once; InvalidError for one that no type of event matches."""
    if not 1 <= len(types) <= MOST_TYPES:
        raise InvalidError(f"must be 1 to {MOST_TYPES} patterns.")
    for pattern in types:
        if not _PATTERN.fullmatch(pattern) or not matching_types([pattern]):
            raise InvalidError(f"no type of event matches {pattern[:80]!r}.")
    return tuple(dict.fromkeys(types))


def sequence_of(event: Event) -> str:
    """The number as text that sorts alike."""
    return f"{event.seq:016d}"


def event_id(event: Event) -> str:
    return f"evt-{sequence_of(event)}"


class EventNames(msgspec.Struct, frozen=True, kw_only=True):
    """The names that were found for some events, by the ids of `projects_in` and `users_in`."""

    projects: Mapping[str, Names] = {}
    users: Mapping[str, Names] = {}

    def of_project(self, project_id: str | None) -> str | None:
        return _name_in(self.projects, project_id)

    def of_user(self, user_id: str | None) -> str | None:
        return _name_in(self.users, user_id)


def _name_in(found: Mapping[str, Names], own_id: str | None) -> str | None:
    return found[own_id].name if own_id is not None and own_id in found else None


NO_NAMES = EventNames()


def projects_in(events: Iterable[Event]) -> Iterable[str | None]:
    """The ids of projects whose names `cloud_event` shows."""
    for event in events:
        yield from (event.owner, event.member_id, event.actor.project)


def users_in(events: Iterable[Event], viewer: Viewer) -> Iterable[str | None]:
    """The ids of users whose names `cloud_event` shows to this viewer: nobody else is asked for."""
    return (event.actor.user for event in events if _is_own_side(event, viewer))


def cloud_event(event: Event, viewer: Viewer, names: EventNames = NO_NAMES) -> dict[str, Any]:
    """The event as the viewer sees it; a name is None where it is not known."""
    shown: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(event),
        "source": SOURCE,
        "type": PREFIX + event.type,
    }
    if (subject := _subject(event, viewer)) is not None:
        shown["subject"] = subject
    return {
        **shown,
        "time": show_time(event.at),
        "sequence": sequence_of(event),
        "datacontenttype": "application/json",
        "data": _data(event, viewer, names),
    }


def names_image(event: Event, viewer: Viewer) -> bool:
    """Members of a family that have not accepted it, or accepted it later, may not see the image."""
    if event.image_id is None or event.image_id in viewer.hidden:
        return False
    is_of_all_members = event.family_id is not None and event.member_id is None
    return not is_of_all_members or viewer.project is None or viewer.project == event.owner


def _subject(event: Event, viewer: Viewer) -> str | None:
    if names_image(event, viewer):
        return f"images/{event.image_id}"
    if event.data.hook is not None:
        return f"hooks/{event.data.hook}"
    return f"families/{event.family_id}" if event.family_id is not None else None


def _data(event: Event, viewer: Viewer, names: EventNames) -> dict[str, Any]:
    data = event.data
    told: dict[str, Any] = {}
    if data.hook is not None:
        told["hook"] = {"id": data.hook}
    if names_image(event, viewer):
        told["image"] = {"id": event.image_id, "name": data.image}
    if event.family_id is not None:
        told["family"] = {"id": event.family_id, "name": data.family, "number": data.number}
    if event.owner is not None:
        told["owner"] = _project(event.owner, names)
    # A family is never offered to its owner: such an event is told to the owner alone.
    if event.member_id is not None and not (event.family_id and event.member_id == event.owner):
        kind, own_id = split_member_id(event.member_id)
        told["recipient"] = _project(own_id, names) if kind is MemberType.PROJECT else {kind.value: own_id}
    return told | _status(event) | _who(event, viewer, names)


def _status(event: Event) -> dict[str, Any]:
    data = event.data
    told: dict[str, Any] = {"status": data.status, "was": data.was}
    if data.message is not None:
        told["message"] = data.message
    if data.reason is not None:
        told["reason"] = data.reason
    is_open = data.status == MemberStatus.PENDING and data.ends_at != data.expires_at
    if is_open and data.ends_at is not None:
        told["answer_by"] = show_time(data.ends_at)
    if data.expires_at is not None:
        told["expires_at"] = show_time(data.expires_at)
    if data.revoke_at is not None:
        told["revoke_at"] = show_time(data.revoke_at)
    return told


def _is_own_side(event: Event, viewer: Viewer) -> bool:
    """Whether the viewer is told which user did it: one of its own project, or it sees all."""
    actor_project = event.actor.project
    return viewer.project is None or (actor_project is not None and actor_project == viewer.project)


def _who(event: Event, viewer: Viewer, names: EventNames) -> dict[str, Any]:
    actor = event.actor
    is_own = _is_own_side(event, viewer)
    via = actor.via
    if via is Via.RULE and viewer.project is not None and event.member_id not in viewer.member_ids:
        via = Via.SHARE
    by = None
    if actor.project is not None or actor.user is not None:
        by = {
            "project": actor.project,
            "name": names.of_project(actor.project),
            "user": actor.user if is_own else None,
            "user_name": names.of_user(actor.user) if is_own else None,
        }
    return {"by": by, "via": via, "request_id": actor.request_id if is_own else None}


def _project(project_id: str, names: EventNames) -> dict[str, Any]:
    return {"project": project_id, "name": names.of_project(project_id)}
