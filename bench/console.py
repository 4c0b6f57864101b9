"""The console: what its pages weigh and cost, and what it costs those who do not use it.

Two services side by side, one without it. The recipient's inbox has 25 offers.
"""

import gzip
import http.client
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
from console.browsing import CHROMIUM, Chromium
from harness.service import Service

from bench.figures import Bound, Figure, Line, at_most, compare, note_strangers
from bench.load import Load, make_request, run_load
from bench.processes import MIB, BenchError, rss_bytes, worker_of
from bench.scene import Scene, ask, headers_of, make_image, note_errors, port_of, share_image

_OFFERS = 25
_USERS = 10
_WARM_UP_S = 1
_INBOX = "/console/inbox"
#: The page whose script is that of all pages and of uploads.
_UPLOAD = "/console/images/upload"


def measure_console(scene: Scene) -> Iterator[Line]:
    with ExitStack() as stack:
        without, using = (
            stack.enter_context(Service(scene.make_folder(), None, {"TRANSOM_CONSOLE": console}))
            for console in ("off", "on")
        )
        yield from _compare_unused(scene, without, using)
        for _ in range(_OFFERS):
            share_image(using, make_image(using, "publisher"), "pending")
        headers = {"Cookie": _sign_in(using), "Accept-Encoding": "gzip"}
        yield from _weigh(using, headers)
        yield from _measure_page(scene, using, headers)
        yield from _watch_browser(using)


def _compare_unused(scene: Scene, without: Service, using: Service) -> Iterator[Line]:
    """Memory and CPU of the API beside a console that nobody has opened."""
    loads: dict[Service, list[Load]] = {without: [], using: []}
    memory = {one: Figure((rss_bytes(worker_of(one.pid)) / MIB,)) for one in loads}
    plans = {}
    for one in loads:
        path = f"/v2/images/{make_image(one, 'publisher')}"
        plans[one] = [make_request("GET", path, headers_of(one, "publisher"))]
        run_load(one.pid, port_of(one), plans[one], _WARM_UP_S)
    for _ in range(scene.rounds):
        for one, found in loads.items():
            found.append(run_load(one.pid, port_of(one), plans[one], scene.seconds))
    more = memory[using].median - memory[without].median
    yield _line("console unused: memory more", "MiB", [more], at_most(3))
    ours, theirs = (Figure(tuple(load.cpu_us for load in loads[one])) for one in (using, without))
    noted = [load for found in loads.values() for load in found]
    notes = [*note_errors(noted), *note_strangers([load.other_cores for load in noted])]
    yield compare("console unused: CPU of GET image", "µs", ours, ("without", theirs), at_most(1.01), notes)


def _sign_in(service: Service) -> str:
    """The cookie of the recipient's session."""
    cloud = service.clouds["recipient"]
    answer = httpx.post(
        f"{service.url}/console/login",
        data={"user": cloud.username, "password": cloud.password},
        headers={"Sec-Fetch-Site": "same-origin"},
        trust_env=False,
    )
    found = answer.cookies.get("transom_console")
    if found is None:
        raise BenchError(f"no session: {answer.status_code}")
    return f"transom_console={found}"


def _weigh(service: Service, headers: dict[str, str]) -> Iterator[Line]:
    page = ask(service.client(None), "GET", _INBOX, headers=headers)
    raw = len(page.content)
    yield _line(f"inbox of {_OFFERS}: HTML", "kB", [raw / 1000], at_most(60))
    yield _line(
        f"inbox of {_OFFERS}: HTML, gzip", "kB", [len(gzip.compress(page.content, 5)) / 1000], at_most(6)
    )
    upload = ask(service.client(None), "GET", _UPLOAD, headers=headers)
    links = [part for text in (page.text, upload.text) for part in text.split('"')]
    for name, limit in (("console.css", 6), ("console.js", 4), ("upload.js", 8)):
        link = next(part for part in links if part.endswith(name))
        content = ask(service.client(None), "GET", link).content
        yield _line(f"{name}, gzip", "kB", [len(gzip.compress(content)) / 1000], at_most(limit))


def _measure_page(scene: Scene, service: Service, headers: dict[str, str]) -> Iterator[Line]:
    plan = [make_request("GET", _INBOX, headers)]
    run_load(service.pid, port_of(service), plan, _WARM_UP_S)
    loads = [run_load(service.pid, port_of(service), plan, scene.seconds) for _ in range(scene.rounds)]
    notes = (*note_errors(loads), *note_strangers([load.other_cores for load in loads]))
    cpu = [load.cpu_us / 1000 for load in loads]
    yield _line(f"inbox of {_OFFERS}: CPU", "ms", cpu, at_most(4), notes)
    p99 = [_first_byte_p99(service, headers, scene.seconds) for _ in range(scene.rounds)]
    yield _line(f"inbox of {_OFFERS}: first byte, p99 of {_USERS} users", "ms", p99, at_most(30))


def _first_byte_p99(service: Service, headers: dict[str, str], seconds: float) -> float:
    """Of users who open the page again and again, a tenth of a second between, milliseconds."""
    until = time.perf_counter() + max(seconds, 3)

    def use(number: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(service), timeout=20)
        time.sleep(number / _USERS)
        found = []
        while time.perf_counter() < until:
            began = time.perf_counter()
            connection.request("GET", _INBOX, headers=headers)
            answer = connection.getresponse()
            found.append((time.perf_counter() - began) * 1000)
            answer.read()
            time.sleep(1 / _USERS)
        connection.close()
        return found

    with ThreadPoolExecutor(_USERS) as users:
        times = [one for found in users.map(use, range(_USERS)) for one in found]
    return statistics.quantiles(times, n=100)[98]


def _watch_browser(service: Service) -> Iterator[Line]:
    """What a user sees: whether the page moves while it is loaded, and how soon an answered offer is gone."""
    shift, gone = "inbox: layout shift", "inbox: from a click on Accept to the row gone, p95"
    if not CHROMIUM.exists():
        note = f"there is no {CHROMIUM}"
        yield Line(name=shift, unit="", measured=None, bound=at_most(0.02), value=None, notes=(note,))
        yield Line(name=gone, unit="ms", measured=None, bound=at_most(100), value=None, notes=(note,))
        return
    with Chromium() as chromium, chromium.open(service.url) as window:
        window.sign_in(service.clouds["recipient"])
        window.go("/inbox")
        yield _line(shift, "", [window.page.evaluate(_SHIFT)], at_most(0.02))
        times = [window.page.evaluate(_ACCEPT) for _ in range(_OFFERS - 1)]
    yield _line(gone, "ms", [statistics.quantiles(times, n=20)[18]], at_most(100))


#: In a page: the sum of its layout shifts.
_SHIFT = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => { for (const one of list.getEntries()) sum += one.value; })
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 500);
})"""
#: In the inbox: the first offer is accepted; how long it takes until it is gone, milliseconds.
_ACCEPT = """() => new Promise(done => {
  const begun = performance.now(), row = document.querySelector(".offer");
  new MutationObserver((_, watcher) => {
    if (row.isConnected) return;
    watcher.disconnect();
    done(performance.now() - begun);
  }).observe(document.body, { childList: true, subtree: true });
  row.querySelector("[data-accept]").click();
})"""


def _line(name: str, unit: str, samples: list[float], bound: Bound, notes: tuple[str, ...] = ()) -> Line:
    measured = Figure(tuple(samples))
    return Line(name=name, unit=unit, measured=measured, bound=bound, value=measured.median, notes=notes)
