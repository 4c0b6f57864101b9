"""A page of 25 images: what it costs a recipient must not grow with the number of images in the cloud.

Two services side by side, with 1,000 and with 100,000 images. The images are made by copying rows of a few
that the service made itself, in its stopped database: whatever columns the schema has, they hold what it
writes.
"""

import random
import sqlite3
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from harness.organizations import EMEA, SALES, WHOLE, put_in_force, tree
from harness.service import Service

from bench.figures import Figure, Line, at_most, compare, note_strangers
from bench.load import Load, make_request, run_load
from bench.processes import BenchError
from bench.scene import Scene, ask, headers_of, make_image, note_errors, port_of, share_image

_FEW, _MANY = 1_000, 100_000
_WARM_UP_S = 1
_PAGE = 25
LISTS = {
    "default": "/v2/images",
    "pending": "/v2/images?visibility=shared&member_status=pending",
}
#: Of every hundred images, from the first on: what they are to the recipient. The rest are other people's.
_MIX = ["accepted"] * 10 + ["pending"] * 10 + ["own"]
_STRANGE = "strange"
#: A cloud has a few public images however many images there are: its cost must not be that of finding them.
_PUBLIC = 10


def measure_list(scene: Scene) -> list[Line]:
    with ExitStack() as stack:
        few = stack.enter_context(_make_filled(scene, _FEW))
        many = stack.enter_context(_make_filled(scene, _MANY))
        lines: list[Line] = []
        for name, path in LISTS.items():
            small, large = measure_pages(scene, few, many, path, scene.seconds)
            lines += compare_pages(f"{name} list, {_MANY:,} images", small, large, f"with {_FEW:,} images")
        return lines


def measure_organizations(scene: Scene) -> list[Line]:
    """The default list of a recipient in three organisations that have images, against the same one's in
    none; and with many images against few."""
    loads = {
        (count, is_within): _measure_recipient(scene, count, is_within=is_within)
        for count in (_FEW, _MANY)
        for is_within in (False, True)
    }
    many, few, none = loads[_MANY, True], loads[_FEW, True], loads[_MANY, False]
    return [
        compare(
            f"CPU of default list, {_MANY:,} images, three organisations",
            "µs",
            Figure(tuple(load.cpu_us for load in many)),
            (against, Figure(tuple(load.cpu_us for load in others))),
            at_most(bound),
            [
                *note_errors([*many, *others]),
                *note_strangers([load.other_cores for load in (*many, *others)]),
            ],
        )
        for against, others, bound in (("in none", none, 1.2), (f"with {_FEW:,} images", few, 1.5))
    ]


def _measure_recipient(scene: Scene, count: int, *, is_within: bool) -> list[Load]:
    folder = scene.make_folder()
    file = folder / "organizations.yaml"
    file.write_text("{}")
    service = Service(folder, None, {"TRANSOM_ORGANIZATIONS_FILE": str(file)})
    _fill_stopped(service, count, lambda: _share_with_units(service, file))
    if not is_within:
        file.write_text("{}")
    with service:
        plan = [make_request("GET", LISTS["default"], headers_of(service, "recipient"))]
        page = ask(service.client("recipient"), "GET", LISTS["default"]).json()["images"]
        if len(page) != _PAGE:
            raise BenchError(f"{len(page)} images in a page of {_PAGE}")
        run_load(service.pid, port_of(service), plan, _WARM_UP_S)
        return [run_load(service.pid, port_of(service), plan, scene.seconds) for _ in range(scene.rounds)]


def _share_with_units(service: Service, file: Path) -> dict[str, str]:
    """Put the recipient into an organisation of two levels, and share a template with each of the three that
    it is in by that."""
    project_id = service.clouds["recipient"].project_id
    put_in_force(service, file, tree(of_emea=[project_id]))
    made = {own_id: make_image(service, "publisher") for own_id in (EMEA, SALES, WHOLE)}
    for own_id, image_id in made.items():
        ask(
            service.client("publisher"),
            "POST",
            "/share/v1/offers",
            json={"images": [image_id], "organizations": [own_id]},
        )
    return made


def measure_pages(
    scene: Scene, few: Service, many: Service, path: str, seconds: float, database: int | None = None
) -> tuple[list[Load], list[Load]]:
    """The recipient's requests for a list, to one running service and the other in turns. `database`: the
    process of the server that both use, if there is one."""
    loads: dict[Service, list[Load]] = {few: [], many: []}
    plans = {one: [make_request("GET", path, headers_of(one, "recipient"))] for one in loads}
    for one in loads:
        page = ask(one.client("recipient"), "GET", path).json()["images"]
        if len(page) != _PAGE:
            raise BenchError(f"{path}: {len(page)} images in a page of {_PAGE}")
        run_load(one.pid, port_of(one), plans[one], _WARM_UP_S)
    for _ in range(scene.rounds):
        for one in loads:
            loads[one].append(run_load(one.pid, port_of(one), plans[one], seconds, database))
    return loads[few], loads[many]


def compare_pages(
    what: str, small: list[Load], large: list[Load], against: str, bound: float = 1.5
) -> list[Line]:
    """Lines for the processor time and the latency of `large`, held against those of `small`."""
    both = [*small, *large]
    notes = [*note_errors(both), *note_strangers([load.other_cores for load in both])]
    return [
        compare(
            f"CPU of {what}",
            "µs",
            Figure(tuple(load.cpu_us for load in large)),
            (against, Figure(tuple(load.cpu_us for load in small))),
            at_most(bound),
            notes,
        ),
        compare(
            f"p50 of {what}",
            "ms",
            Figure(tuple(load.p50_ms for load in large)),
            (against, Figure(tuple(load.p50_ms for load in small))),
            at_most(bound),
        ),
    ]


def _make_filled(scene: Scene, count: int) -> Service:
    """A service with so many images, not running."""
    service = Service(scene.make_folder())
    _fill_stopped(service, count, dict)
    return service


def _fill_stopped(service: Service, count: int, make_more: Callable[[], dict[str, str]]) -> None:
    """Start the service, make the templates, stop it, and copy them until there are so many images.
    `make_more`: further templates, ten of a hundred images each."""
    with service:
        templates = {
            "accepted": make_image(service, "publisher"),
            "pending": make_image(service, "publisher"),
            "own": make_image(service, "recipient"),
            "public": make_image(service, "admin", visibility="public"),
            _STRANGE: make_image(service, "other"),
        }
        for status in ("accepted", "pending"):
            share_image(service, templates[status], status)
        more = make_more()
        for account in ("publisher", "recipient", "admin", "other"):
            service.token(account)
    mix = [*_MIX, *(kind for kind in more for _ in range(10))]
    _fill(Path(service.database.removeprefix("sqlite:///")), templates | more, count, mix)


def _fill(path: Path, templates: dict[str, str], count: int, mix: list[str]) -> None:
    """Copy the templates until there are `count` images, a second apart, the kinds evenly mixed."""
    chance = random.Random(count)
    first_us = time.time_ns() // 1000 - count * 1_000_000
    with closing(sqlite3.connect(path)) as connection, connection:
        images = _Copies(connection, "image", "id")
        members = _Copies(connection, "member", "image_id")
        for number in range(len(templates), count):
            # 37 and 100 have no common divisor: each hundred takes all places of the mix, spread out.
            place = number * 37 % 100
            kind = mix[place] if place < len(mix) else _STRANGE
            template = templates["public" if number % (count // _PUBLIC) == count // _PUBLIC - 1 else kind]
            changes = {"id": str(uuid.UUID(int=chance.getrandbits(128), version=4))}
            made_us = first_us + number * 1_000_000
            times = {"created_at": made_us, "updated_at": made_us}
            images.add(template, {**changes, **times})
            members.add(template, {"image_id": changes["id"], "image_created_at": made_us, **times})
        images.insert()
        members.insert()


class _Copies:
    """Rows of one table to be inserted, each a copy of a template's row, if it has one, with changes."""

    def __init__(self, connection: sqlite3.Connection, table: str, key: str) -> None:
        self._connection = connection
        self._table = table
        found = connection.execute(f"select * from {table}")
        self._columns = [column[0] for column in found.description]
        rows = [dict(zip(self._columns, row, strict=True)) for row in found]
        self._templates = {row[key]: row for row in rows}
        self._added: list[tuple[Any, ...]] = []

    def add(self, template: str, changes: dict[str, Any]) -> None:
        row = self._templates.get(template)
        if row is not None:
            self._added.append(tuple({**row, **changes}[column] for column in self._columns))

    def insert(self) -> None:
        marks = ", ".join("?" * len(self._columns))
        columns = ", ".join(self._columns)
        self._connection.executemany(f"insert into {self._table} ({columns}) values ({marks})", self._added)
