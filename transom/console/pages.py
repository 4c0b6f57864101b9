"""Every page: path below /console → what answers it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from transom.api.http import Response
from transom.console.views import account, image, images, operator, signin
from transom.console.visit import Visit

View = Callable[[Visit], Awaitable[Response]]


class Page(NamedTuple):
    """`methods`: GET shows, POST does and leads to a page that shows (303)."""

    methods: dict[str, View]
    needs_session: bool = True


def _shows(show: View, do: View | None = None) -> Page:
    return Page({"GET": show} if do is None else {"GET": show, "POST": do})


PAGES: dict[str, Page] = {
    "/": _shows(signin.show_home),
    "/login": Page({"GET": signin.show_login, "POST": signin.log_in}, needs_session=False),
    "/logout": Page({"POST": signin.log_out}),
    "/project": _shows(signin.show_projects, signin.change_project),
    "/images": _shows(images.show_images),
    "/images/upload": _shows(images.show_upload),
    "/images/{id}": _shows(image.show_image),
    "/images/{id}/file": _shows(image.download),
    "/images/{id}/edit": _shows(image.show_edit, image.edit),
    "/images/{id}/{act}": _shows(image.show_act, image.act),
    "/account": _shows(account.show_account, account.change_account),
    "/account/clouds.yaml": _shows(account.download_clouds),
    "/operator": _shows(operator.show_health),
    "/operator/stores": _shows(operator.show_stores, operator.change_cache),
}
