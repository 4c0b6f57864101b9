"""What it costs lists of images that shares may end: the service as it is, against the same one without the
term that leaves out what has ended."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from harness.service import Service

from bench.databases import Database, Databases, copy_images
from bench.figures import Line
from bench.lists import LISTS, compare_pages
from bench.load import Load, make_request, run_load
from bench.processes import BenchError
from bench.scene import Scene, ask, headers_of, make_image, port_of, share_image

_BOUND = 1.1
_WARM_UP_S = 1
_PAGE = 25
#: Copies that one statement makes.
_PIECE = 50_000
#: Every process of a service imports it when it starts. The term keeps its value, which statements count on.
_WITHOUT_TERM = """
import transom.sql.live

transom.sql.live.live = lambda now, member="member": f"cast({now} as bigint) is not null"
"""


def measure_ends_term(scene: Scene, databases: Databases) -> Iterator[Line]:
    service = Service(scene.make_folder(), databases.create())
    with service, databases.open(service.database) as database:
        _fill(service, database, scene.images)
        name, server = database.name, database.server
        folder = scene.make_folder()
        (folder / "sitecustomize.py").write_text(_WITHOUT_TERM)
        loads = _measure(scene, service, server, folder)
    for list_name in LISTS:
        without, measured = loads[list_name, False], loads[list_name, True]
        what = f"{list_name} list, {scene.images:,} images, shares may end"
        for line in compare_pages(what, without, measured, "without the term", _BOUND):
            yield dataclasses.replace(line, name=f"{name}: {line.name}")


def _fill(service: Service, database: Database, count: int) -> None:
    """Of a hundred images ten are shared with the recipient and accepted, ten pending, one is its own; the
    others are other people's."""
    shares = {
        make_image(service, "recipient"): count // 100,
        make_image(service, "other"): count - count // 100 - 2 * (count // 10),
    }
    for status in ("accepted", "pending"):
        image_id = make_image(service, "publisher")
        share_image(service, image_id, status)
        shares[image_id] = count // 10
    for template, copies in shares.items():
        for begun in range(0, copies, _PIECE):
            copy_images(database, template, min(_PIECE, copies - begun))
    database.tidy()


def _measure(
    scene: Scene, service: Service, server: int | None, without_term: Path
) -> dict[tuple[str, bool], list[Load]]:
    """(name of the list, whether the service has the term) → its loads, in turns. The service runs and is
    started anew for each turn."""
    loads: dict[tuple[str, bool], list[Load]] = {(name, has): [] for name in LISTS for has in (False, True)}
    for _ in range(scene.rounds):
        for has_term in (False, True):
            service.close()
            service.settings = {} if has_term else {"PYTHONPATH": str(without_term)}
            service.start()
            for name, path in LISTS.items():
                page = ask(service.client("recipient"), "GET", path).json()["images"]
                if len(page) != _PAGE:
                    raise BenchError(f"{path}: {len(page)} images in a page of {_PAGE}")
                plan = [make_request("GET", path, headers_of(service, "recipient"))]
                run_load(service.pid, port_of(service), plan, _WARM_UP_S)
                load = run_load(service.pid, port_of(service), plan, scene.seconds, server)
                loads[name, has_term].append(load)
    return loads
