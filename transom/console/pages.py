"""Every page: path below /console → what answers it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from transom.api.http import Response
from transom.console.views import (
    account,
    families,
    family,
    history,
    hooks,
    image,
    images,
    inbox,
    operator,
    shares,
    signin,
    terms,
    versions,
)
from transom.console.visit import Visit

View = Callable[[Visit], Awaitable[Response]]

_INBOX = "/share/v1/inbox"
_SHARES = "/share/v1/offers"
_FAMILIES = "/share/v1/families"
_EVENTS = "/share/v1/events"
_HOOKS = "/share/v1/hooks"
_PUBLISHERS = "/share/v1/publishers/{project_id}"


class Page(NamedTuple):
    """`methods`: GET shows, POST does and leads to a page that shows (303). `section`: of the menu, whose
    first page it is. `needs`: the call of the API without which there is no such page. `asks`: it only
    prepares what it does, and is not shown to users with read access only. Users without a project are
    redirected from pages that need one to the page of projects."""

    methods: dict[str, View]
    section: str = ""
    needs: str = ""
    needs_session: bool = True
    needs_project: bool = True
    asks: bool = False


def _shows(show: View, do: View | None = None, section: str = "", needs: str = "") -> Page:
    return Page({"GET": show} if do is None else {"GET": show, "POST": do}, section, needs)


def _of_user(show: View, do: View | None = None, section: str = "") -> Page:
    return _shows(show, do, section)._replace(needs_project=False)


def _asks(show: View, do: View | None = None, needs: str = "") -> Page:
    return _shows(show, do, needs=needs)._replace(asks=True)


def _does(do: View, needs: str) -> Page:
    return Page({"POST": do}, needs=needs)


PAGES: dict[str, Page] = {
    "/": _shows(signin.show_home),
    "/login": Page({"GET": signin.show_login, "POST": signin.log_in}, needs_session=False),
    "/logout": Page({"POST": signin.log_out}, needs_project=False),
    "/project": _of_user(signin.show_projects, signin.change_project),
    "/inbox": _shows(inbox.show_inbox, section="inbox", needs=_INBOX),
    "/inbox/answer": _does(inbox.answer, needs=_INBOX),
    "/inbox/leave": _asks(inbox.show_leave, needs=_INBOX),
    "/inbox/rules": _shows(inbox.show_rules, inbox.change_rules, needs="/share/v1/rules"),
    "/images": _shows(images.show_images, section="images"),
    "/images/upload": _asks(images.show_upload),
    "/images/{id}": _shows(image.show_image),
    "/images/{id}/file": _shows(image.download),
    "/images/{id}/edit": _asks(image.show_edit, image.edit),
    "/images/{id}/offer": _asks(shares.show_offer, shares.offer, needs=_SHARES),
    "/images/{id}/withdraw": _asks(shares.show_withdrawal, shares.withdraw, needs=_SHARES),
    "/images/{id}/terms": _asks(terms.show_image_terms, terms.change_image_terms, needs=_SHARES),
    "/images/{id}/{act}": _asks(image.show_act, image.act),
    "/shared": _shows(shares.show_shared, section="shared", needs=_SHARES),
    "/shared/withdraw": _asks(shares.show_withdraw_all, shares.withdraw_all, needs=_SHARES),
    "/families": _shows(families.show_families, section="families", needs=_FAMILIES),
    "/families/new": _asks(families.show_new, families.create, needs=_FAMILIES),
    "/families/{id}": _shows(family.show_versions, needs=_FAMILIES),
    "/families/{id}/members": _shows(family.show_members, needs=_FAMILIES),
    "/families/{id}/history": _shows(family.show_history, needs=_FAMILIES),
    "/families/{id}/settings": _shows(family.show_settings, family.change_settings, needs=_FAMILIES),
    "/families/{id}/delete": _asks(family.show_delete, family.delete, needs=_FAMILIES),
    "/families/{id}/offer": _asks(shares.show_family_offer, shares.offer_family, needs=_FAMILIES),
    "/families/{id}/withdraw": _asks(shares.show_family_withdrawal, shares.withdraw_family, needs=_FAMILIES),
    "/families/{id}/terms": _asks(terms.show_family_terms, terms.change_family_terms, needs=_FAMILIES),
    "/families/{id}/add": _asks(versions.show_add, versions.add, needs=_FAMILIES),
    "/families/{id}/versions/{number}/{act}": _asks(versions.show_act, versions.act, needs=_FAMILIES),
    "/activity": _shows(history.show_activity, section="activity", needs=_EVENTS),
    "/activity/export": _shows(history.export_activity, needs=_EVENTS),
    "/hooks": _shows(hooks.show_hooks, hooks.create, section="hooks", needs=_HOOKS),
    "/hooks/new": _asks(hooks.show_new, needs=_HOOKS),
    "/hooks/{id}": _shows(hooks.show_hook, hooks.change, needs=_HOOKS),
    "/hooks/{id}/{act}": _asks(hooks.show_act, hooks.act, needs=_HOOKS),
    "/account": _of_user(account.show_account, account.change_account, section="account"),
    "/account/clouds.yaml": _of_user(account.download_clouds),
    "/operator": _shows(operator.show_health, section="health"),
    "/operator/stores": _shows(operator.show_stores, operator.change_cache, section="stores"),
    "/operator/projects": _shows(operator.show_projects, section="usage"),
    "/operator/audit": _shows(history.show_audit, section="audit", needs=_EVENTS),
    "/operator/audit/export": _shows(history.export_audit, needs=_EVENTS),
    "/operator/publishers": _shows(
        operator.show_publishers, operator.change_publisher, section="publishers", needs=_PUBLISHERS
    ),
}
