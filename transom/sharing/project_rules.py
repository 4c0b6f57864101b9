"""Who may see events and the state of the service, and manage rules for offers and names of publishers: what
belongs to a project and to no image. One function an action, pure; each returns what the action needs, or
raises.
"""

from transom.domain import access
from transom.domain.model import Caller, Target, Visibility


def look_at_share_rules(caller: Caller) -> str:
    """The project whose rules the caller may see, its own."""
    access.require("get_images", caller, access.of_project(caller))
    return access.require_project(caller)


def see_events(caller: Caller) -> str:
    """The project whose events the caller may see, its own."""
    project = access.require_project(caller)
    access.require("get_events", caller, Target(project, Visibility.PRIVATE))
    return project


def see_all_events(caller: Caller) -> None:
    access.require("get_all_events", caller, Target(None, Visibility.PRIVATE))


def see_operation(caller: Caller) -> None:
    """May the caller see how the service is, and what each project has?"""
    access.require("get_operation", caller, Target(None, Visibility.PRIVATE))


def manage_share_rules(caller: Caller) -> str:
    """The project whose rules the caller may change, its own."""
    access.require("manage_share_rule", caller, access.of_project(caller))
    return access.require_project(caller)


def see_publishers(caller: Caller) -> None:
    """May the caller see the verified names of projects?"""
    access.require("get_images", caller, access.of_project(caller))


def manage_publishers(caller: Caller) -> None:
    """May the caller verify the names of projects?"""
    access.require("manage_publisher", caller, access.of_project(caller))
