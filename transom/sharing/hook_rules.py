"""Who may see, make and change webhooks. One function an action, pure; each returns what the action needs, or
raises."""

from transom.domain import access
from transom.domain.hooks import Hook
from transom.domain.model import Caller, Target, Visibility


def see_hooks(caller: Caller) -> str:
    """The project whose hooks the caller may see, its own."""
    access.require("get_events", caller, access.of_project(caller))
    return access.require_project(caller)


def manage_hooks(caller: Caller, *, is_global: bool) -> str:
    """The project that the caller may make hooks for, its own. `is_global`: hooks that are told of the events
    of all projects. A caller who may not see the events may not have them sent either."""
    access.require("manage_hook", caller, access.of_project(caller))
    access.require("get_all_events" if is_global else "get_events", caller, access.of_project(caller))
    return access.require_project(caller)


def sees_hook(caller: Caller, hook: Hook) -> bool:
    """Whether the hook is there for the caller. Whatever the rules are set to: it is its project's and the
    admins'."""
    is_own = caller.is_admin or caller.project_id == hook.project_id
    rule = "get_all_events" if hook.is_global else "get_events"
    return is_own and access.is_allowed(rule, caller, _target_of(hook))


def change_hook(caller: Caller, hook: Hook) -> None:
    """May the caller, who sees the hook, change, test or remove it?"""
    access.require("manage_hook", caller, _target_of(hook))


def _target_of(hook: Hook) -> Target:
    return Target(hook.project_id, Visibility.PRIVATE)
