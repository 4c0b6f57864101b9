"""Every link, form and redirect of the console stays below the prefix that a proxy strips."""

from __future__ import annotations

from collections.abc import Callable

from harness import plain_http
from harness.loopback import Handler, LoopbackServer
from harness.ports import find_free_port
from harness.service import MakeService, Service

from .story import Story
from .visitor import Page, Visitor


class Stripping(LoopbackServer):
    """Passes on what is below /image, without it."""

    def __init__(self, port: int, service: Callable[[], Service]) -> None:
        class Passing(Handler):
            def respond(self) -> None:
                if not self.path.startswith("/image/"):
                    self.answer(404, b"not below the prefix")
                    return
                length = int(self.headers.get("Content-Length") or 0)
                with plain_http.open_client(timeout=30) as client:
                    got = client.request(
                        self.command,
                        service().url + self.path.removeprefix("/image"),
                        content=self.rfile.read(length),
                        headers={k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"},
                    )
                self.send_response(got.status_code)
                for name, value in got.headers.multi_items():
                    if name not in ("transfer-encoding", "connection", "content-length", "content-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(got.content)))
                self.end_headers()
                self.wfile.write(got.content)

        super().__init__(Passing, port)


def test_no_link_leaves_the_prefix_that_a_proxy_strips(
    make_service: MakeService,
) -> None:
    port = find_free_port()
    started: list[Service] = []
    with Stripping(port, lambda: started[0]) as proxy:
        base = f"{proxy.origin}/image"
        service = make_service("sqlite", TRANSOM_PUBLIC_ENDPOINT=base)
        started.append(service)
        told = Story(service)
        seen: set[str] = set()
        for account in told.pages():
            with Visitor(service, base) as visitor:
                answer = visitor.sign_in(service.clouds[account])
                assert answer.headers["Location"].startswith("/image/console/")
                seen |= _crawl(
                    visitor, ["/image/console/", *map("/image/console{}".format, _starts(told, account))]
                )
    names = {path.partition("?")[0].removeprefix("/image/console") for path in seen}
    assert {
        "/inbox",
        "/operator/projects",
        f"/hooks/{told.hook}",
        f"/families/{told.family}/settings",
    } <= names
    assert any("/static/" in name for name in names)


def _starts(story: Story, account: str) -> list[str]:
    return list(story.pages()[account].values())


def _crawl(visitor: Visitor, start: list[str]) -> set[str]:
    """All pages that links, forms and redirects lead to; each must be there, below the prefix."""
    waiting, seen = list(start), set()
    while waiting:
        target = waiting.pop()
        if target in seen or target.endswith("/file"):
            continue
        seen.add(target)
        answer = visitor.http.get(f"{visitor.base.removesuffix('/image')}{target}")
        if answer.status_code == 303:
            assert answer.headers["Location"].startswith("/image/console"), target
            waiting.append(answer.headers["Location"])
            continue
        assert answer.status_code in (200, 404 if "nonexistent" in target else 200), f"{target}: {answer}"
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        page = Page(answer.text)
        for link in [*page.links, *filter(None, page.forms)]:
            if link.startswith(("#", "https://www.standardwebhooks.com")):
                continue
            assert link.startswith("/image/console"), f"{target} → {link}"
        assert 'data-root="/image/console"' in answer.text
        waiting += [link for link in page.links if link.startswith("/image/") and "#" not in link]
    return seen
