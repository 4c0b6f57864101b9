"""Who may look at stores and work with the cache of a machine: the only place that knows. Pure."""

from transom.domain.access import of_project, require, see_image
from transom.domain.memberships import Found
from transom.domain.model import Caller


def see_stores_in_detail(caller: Caller) -> None:
    require("stores_info_detail", caller, of_project(caller))


def use_cache(caller: Caller, rule: str) -> None:
    """`rule`: the one for what is done with the cache."""
    require(rule, caller, of_project(caller))


def remove_cached(caller: Caller, found: Found, absent: str, *, is_here: bool) -> None:
    """May the caller remove the image's data from the cache? One that does not see the image is not told that
    its data is there (`is_here`). An admin may remove the data of a deleted image."""
    if not (is_here and caller.is_admin):
        see_image(caller, found, absent)
