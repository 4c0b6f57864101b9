"""Each kind of job, and each way in which the right to it can end: then it publishes nothing more.

The right ends while the job is queued; while it waits for another worker, whose own died; and right before
each write that the job makes to an image.
"""

import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from domain.samples import ACTOR, OWNER, RECIPIENT, ROLES, STRANGER, image, member
from harness.file_server import FileServer
from harness.loopback import Handler, LoopbackServer
from harness.objects import OPEN_TO_ALL, Bucket
from harness.region import PASSWORD, PROJECT, REGION, USER, OtherRegion, peer_table
from harness.swift import ACCESS_KEY, SECRET_KEY, Swift

from transom.components import open_objects
from transom.domain.imports import begin
from transom.domain.job_inputs import (
    AddedLocation,
    Capture,
    Copy,
    Export,
    Import,
    NewImage,
    ObjectImport,
    RegionCopy,
)
from transom.domain.locations import hold
from transom.domain.model import Image, Job, JobInput, JobKind, JobStatus, Policy, Status, Visibility
from transom.domain.policy import DEFAULT_POLICY
from transom.domain.status import WITH_DATA
from transom.sql.db import Database
from transom.sql.deletion import delete_image
from transom.sql.images import find_image, update_image
from transom.sql.imports import start_import
from transom.sql.jobs import insert_job

from .databases import NOBODY, write_world
from .job_world import IMAGE_ID, STORES, World, always, look, nothing

pytestmark = pytest.mark.anyio

DATA = bytes(range(256)) * 1024
SOURCE_ID = "source"
#: Some other image service's image.
REMOTE_ID = "11111111-1111-4111-8111-111111111111"
JOB_ID = "job"


class Sources(NamedTuple):
    """The services beside this one: where the data is, of an import from the web and from another image
    service, which stands for Keystone and Nova as well; an object store, with an object; another region."""

    url: str
    service_url: str
    bucket: Bucket
    ref: str
    object_settings: dict[str, Any]
    region: OtherRegion
    peers_file: str


class OtherService(Handler):
    def respond(self) -> None:
        if self.path == f"/v2/images/{REMOTE_ID}/file":
            self.answer(200, DATA)
        elif self.path == "/v3/auth/catalog":
            url = f"http://{self.headers['Host']}/v2.1"
            compute = {
                "type": "compute",
                "endpoints": [{"interface": "public", "region": "RegionOne", "url": url}],
            }
            self.answer(200, json.dumps({"catalog": [compute]}).encode())
        elif self.path.endswith("/action"):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(202, json.dumps({"image_id": IMAGE_ID}).encode())
        else:
            self.answer(200, b'{"status": "active", "disk_format": "raw", "container_format": "bare"}')


@pytest.fixture(scope="module")
def sources(files: FileServer, swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    folder, bucket = tmp_path_factory.mktemp("services"), Bucket(swift)
    buckets, peers = folder / "buckets.toml", folder / "peers.toml"
    buckets.write_text(OPEN_TO_ALL)
    object_settings: dict[str, Any] = {
        "object_store_endpoint": swift.endpoint,
        "object_store_mode": "service",
        "object_store_access_key": ACCESS_KEY,
        "object_store_secret_key": SECRET_KEY,
        "object_store_buckets_file": str(buckets),
    }
    with LoopbackServer(OtherService) as other, OtherRegion() as region:
        peers.write_text(peer_table(REGION, f"{region.origin}/v3", USER, PASSWORD, PROJECT, REGION))
        ref = bucket.put("in.raw", DATA)
        yield Sources(files.offer(DATA), other.origin, bucket, ref, object_settings, region, str(peers))


@pytest.fixture
async def world(db: Database, tmp_path: Path, sources: Sources) -> AsyncIterator[World]:
    made = World(db, tmp_path, public_endpoint=sources.service_url)
    yield made
    made.liveness.close()


# ---- the kinds of jobs


async def _chunks() -> AsyncIterator[bytes]:
    yield DATA


def _job(kind: str, given: JobInput, project: str = OWNER) -> Job:
    return Job(
        id=JOB_ID,
        kind=kind,
        project_id=project,
        status=JobStatus.INIT,
        input=given,
        failures=(),
        begin_at=1,
        end_at=None,
        image_id=IMAGE_ID
        if kind not in (JobKind.COPY, JobKind.COPY_TO_REGION, JobKind.CAPTURE_SERVER)
        else None,
        user_id="user",
    )


async def _start(world: World, kind: str, given: JobInput, *, credential: str | None = None) -> None:
    seen = await look(world.db)
    assert seen is not None
    job = _job(kind, given)
    if isinstance(given, Import):
        new = begin(seen, JOB_ID, given.backend)
    else:
        new = hold(seen, JOB_ID, waits=isinstance(given, AddedLocation) and bool(given.validation_data))
    new = msgspec.structs.replace(new, updated_at=seen.updated_at + 1)
    assert await start_import(world.db, seen, new, job, credential, -1)


def _import(method: str, role: str = "member", **arguments: str) -> Import:
    asked = {"method": {"name": method, **arguments}}
    return Import(image_id=IMAGE_ID, import_req=asked, backend=STORES, roles=tuple(ROLES[role]))


async def _direct(world: World, _sources: Sources) -> None:
    transfer = world.transfer()
    await transfer.uploads.stage(image(), _chunks(), len(DATA))
    await transfer.close()
    await _start(world, JobKind.IMPORT, _import("glance-direct"))


async def _web(world: World, sources: Sources) -> None:
    await _start(world, JobKind.IMPORT, _import("web-download", uri=sources.url))


async def _glance(world: World, _sources: Sources) -> None:
    given = _import("glance-download", glance_region="RegionOne", glance_image_id=REMOTE_ID)
    await _start(world, JobKind.IMPORT, given, credential="token")


async def _copy_to_store(world: World, _sources: Sources) -> None:
    await _fill(world, image())
    given = _import("copy-image", "admin")
    await _start(world, JobKind.IMPORT, msgspec.structs.replace(given, backend=("slow",)))


async def _new_image(world: World, sources: Sources) -> None:
    given = NewImage(
        import_req={"method": {"name": "web-download", "uri": sources.url}},
        backend=("fast",),
        roles=tuple(ROLES["admin"]),
        import_from=sources.url,
        import_from_format="raw",
        image_properties={},
    )
    await _start(world, JobKind.IMPORT_NEW, given)


async def _location(world: World, sources: Sources, said: dict[str, str] | None = None) -> None:
    given = AddedLocation(
        image_id=IMAGE_ID,
        loc_url=sources.url,
        store="web",
        validation_data=said or {},
        roles=tuple(ROLES["member"]),
    )
    await _start(world, JobKind.ADD_LOCATION, given)


async def _checked_location(world: World, sources: Sources) -> None:
    said = {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(DATA).hexdigest()}
    await _location(world, sources, said)


async def _make_source(world: World, *others: Image) -> Image:
    """The owner's image, which its recipient has accepted."""
    source = image(id=SOURCE_ID)
    offered = msgspec.structs.replace(member(RECIPIENT, "accepted"), image_id=SOURCE_ID)
    await write_world(world.db, [source, *others], [offered])
    return await _fill(world, source)


async def _copy(world: World, _sources: Sources) -> None:
    """Of the owner's image, by its recipient."""
    filled = await _make_source(world, image(owner=RECIPIENT, visibility=Visibility.PRIVATE))
    given = Copy(
        image_id=IMAGE_ID,
        name="copy",
        source_id=SOURCE_ID,
        size=len(DATA),
        checksum=filled.checksum,
        roles=tuple(ROLES["member"]),
    )
    await world.db.transact(insert_job(_job(JobKind.COPY, given, RECIPIENT)))


async def _copy_to_region(world: World, sources: Sources) -> None:
    """Likewise."""
    sources.region.images.clear()
    world.settings = dataclasses.replace(world.settings, peers_file=sources.peers_file)
    filled = await _make_source(world)
    given = RegionCopy(
        image_id=REMOTE_ID,
        name="copy",
        source_id=SOURCE_ID,
        size=len(DATA),
        checksum=filled.checksum,
        region=REGION,
        project_name=PROJECT,
        roles=tuple(ROLES["member"]),
    )
    await world.db.transact(insert_job(_job(JobKind.COPY_TO_REGION, given, RECIPIENT)))


def _use_objects(world: World, sources: Sources) -> None:
    world.settings = dataclasses.replace(world.settings, **sources.object_settings)
    world.objects = open_objects(world.settings, None)


def _of_object(kind: JobKind) -> Callable[[World, Sources], Awaitable[None]]:
    async def begin_import(world: World, sources: Sources) -> None:
        _use_objects(world, sources)
        given = ObjectImport(
            image_id=IMAGE_ID,
            name="made",
            import_req={"method": {"name": "s3-download", "uri": sources.ref}},
            backend=("fast",),
            most_bytes=len(DATA),
            finds_format=kind != JobKind.REGISTER_OBJECT,
            roles=tuple(ROLES["member"]),
        )
        await _start(world, kind, given)

    return begin_import


async def _export(world: World, sources: Sources) -> None:
    _use_objects(world, sources)
    sources.bucket.delete("out.raw")
    filled = await _fill(world, image())
    given = Export(
        image_id=IMAGE_ID,
        name="made",
        target=sources.bucket.ref("out.raw"),
        file_format=None,
        checksum=filled.checksum,
        roles=tuple(ROLES["member"]),
    )
    await world.db.transact(insert_job(_job(JobKind.EXPORT, given)))


async def _capture(world: World, sources: Sources) -> None:
    """Nova has made the image, and uploaded its data, by the time that it answers."""
    keystone: dict[str, Any] = {"identity": "keystone", "keystone_auth_url": sources.service_url}
    world.settings = dataclasses.replace(world.settings, **keystone)
    await _fill(world, image())
    given = Capture(server_id="server", name="made", roles=tuple(ROLES["member"]))
    await world.db.transact(insert_job(_job(JobKind.CAPTURE_SERVER, given), "token"))


async def _fill(world: World, empty: Image) -> Image:
    """The image with its data."""
    transfer = world.transfer()
    await transfer.uploads.receive(empty, _chunks(), len(DATA))
    await transfer.close()
    filled = (await find_image(world.db, empty.id, NOBODY)).image
    assert filled is not None
    return filled


Outcome = tuple[bool, int]


async def _of_image(world: World, _sources: Sources) -> Outcome:
    """Whether the image can be used, and how many copies of the data it has."""
    found = await look(world.db)
    return (found.status in WITH_DATA, len(found.locations)) if found is not None else (False, 0)


async def _of_target(_world: World, sources: Sources) -> Outcome:
    """Whether the object is there."""
    return sources.bucket.get("out.raw") is not None, 0


async def _of_region(_world: World, sources: Sources) -> Outcome:
    """Whether an image can be used there."""
    return any(found["status"] == "active" for found in sources.region.images.values()), 0


class Kind(NamedTuple):
    """`begin` writes the job; `rule`: the policy without which its tenant has no right to it; `outcome`: what
    it has published."""

    begin: Callable[[World, Sources], Awaitable[None]]
    rule: str
    outcome: Callable[[World, Sources], Awaitable[Outcome]] = _of_image


KINDS = {
    "glance-direct": Kind(_direct, "modify_image"),
    "web-download": Kind(_web, "modify_image"),
    "glance-download": Kind(_glance, "modify_image"),
    "copy-image": Kind(_copy_to_store, "copy_image"),
    "task": Kind(_new_image, "tasks_api_access"),
    "location": Kind(_location, "add_image_location"),
    "checked location": Kind(_checked_location, "add_image_location"),
    "copy": Kind(_copy, "download_image"),
    "region": Kind(_copy_to_region, "download_image", _of_region),
    "object": Kind(_of_object(JobKind.IMPORT_OBJECT), "add_image"),
    "data object": Kind(_of_object(JobKind.IMPORT_DATA_OBJECT), "add_image"),
    "registered object": Kind(_of_object(JobKind.REGISTER_OBJECT), "modify_image"),
    "export": Kind(_export, "modify_image", _of_target),
    "server": Kind(_capture, "add_image"),
}
#: What they publish is no image of this service.
PUBLISH_ELSEWHERE = ("region", "export")


# ---- the ways in which a right ends


async def _change(db: Database, image_id: str, **changes: Any) -> None:
    while (seen := (await find_image(db, image_id, NOBODY)).image) is not None:
        if await update_image(
            db, seen, msgspec.structs.replace(seen, **changes, updated_at=seen.updated_at + 1), ACTOR
        ):
            return


async def _delete(db: Database, image_id: str = IMAGE_ID) -> None:
    while (seen := (await find_image(db, image_id, NOBODY)).image) is not None:
        if await delete_image(db, seen, seen.updated_at + 1, ACTOR):
            return


async def _change_owner(db: Database) -> None:
    await _change(db, IMAGE_ID, owner=STRANGER, visibility=Visibility.PRIVATE)


async def _withdraw(db: Database) -> None:
    await db.write("delete from member where image_id = $1", SOURCE_ID)


async def _reject(db: Database) -> None:
    await db.write("update member set status = 'rejected' where image_id = $1", SOURCE_ID)


async def _hide(db: Database) -> None:
    await _change(db, SOURCE_ID, visibility=Visibility.PRIVATE)


async def _deactivate(db: Database, image_id: str) -> None:
    seen = (await find_image(db, image_id, NOBODY)).image
    if seen is not None and seen.status == Status.ACTIVE:
        await _change(db, image_id, status=Status.DEACTIVATED)


async def _encrypt(db: Database) -> None:
    await _change(db, SOURCE_ID, properties={"__system__cmkid": "key"})


WAYS: dict[str, Callable[[Database], Awaitable[None]]] = {
    "deleted": _delete,
    "owner changed": _change_owner,
    "deactivated": lambda db: _deactivate(db, IMAGE_ID),
    "source deleted": lambda db: _delete(db, SOURCE_ID),
    "source deactivated": lambda db: _deactivate(db, SOURCE_ID),
    "source encrypted": _encrypt,
    "withdrawn": _withdraw,
    "rejected": _reject,
    "hidden": _hide,
}
#: Those of an admin's jobs in whose way a new owner does not stand, those of an image that is in use.
ENDS = [
    *((kind, "deleted") for kind in KINDS if kind != "region"),
    *((kind, "owner changed") for kind in KINDS if kind not in ("copy-image", "task", "region")),
    ("copy-image", "deactivated"),
    ("export", "deactivated"),
    *(
        (kind, way)
        for kind in ("copy", "region")
        for way in WAYS
        if way not in ("deleted", "owner changed", "deactivated")
    ),
]


async def _die(db: Database) -> None:
    """The worker that had the job is gone, and its lease over."""
    await db.write("update job set holder = 'dead', held_until = 1, attempts = 1, status = 'RUNNING'")


async def _begin(world: World, work: str, sources: Sources) -> None:
    await world.clear()
    await write_world(world.db, [image()], [])
    await KINDS[work].begin(world, sources)


@pytest.mark.parametrize("work", KINDS)
async def test_a_job_whose_right_goes_on_does_what_it_is_to_do(
    world: World, sources: Sources, work: str
) -> None:
    await _begin(world, work, sources)

    _writes, status = await world.run(JOB_ID, roles_of=always(ROLES["admin"]))

    assert (status, (await KINDS[work].outcome(world, sources))[0]) == (JobStatus.SUCCESS, True)


@pytest.mark.parametrize("prepare", [nothing, _die], ids=["queued", "taken over"])
@pytest.mark.parametrize(("work", "way"), ENDS)
async def test_a_job_whose_right_ended_before_it_runs_gives_no_data(
    world: World, sources: Sources, work: str, way: str, prepare: Callable[..., Awaitable[None]]
) -> None:
    await _begin(world, work, sources)
    if prepare is _die:
        await _die(world.db)
    outcome = KINDS[work].outcome
    before = await outcome(world, sources)
    await WAYS[way](world.db)

    _writes, status = await world.run(JOB_ID)

    left = await outcome(world, sources)
    assert (status, left) == (JobStatus.FAIL, before if way != "deleted" else (False, 0))


@pytest.mark.parametrize("work", KINDS)
async def test_a_job_that_the_policy_of_now_forbids_gives_no_data(
    world: World, sources: Sources, work: str
) -> None:
    rules = {**DEFAULT_POLICY.rules, KINDS[work].rule: lambda _caller, _target: False}
    await _begin(world, work, sources)
    before = await KINDS[work].outcome(world, sources)

    _writes, status = await world.run(JOB_ID, policy=Policy(rules=rules))

    assert (status, await KINDS[work].outcome(world, sources)) == (JobStatus.FAIL, before)


@pytest.mark.parametrize("left", [frozenset(), ROLES["reader"]], ids=["user removed", "role taken away"])
@pytest.mark.parametrize("work", KINDS)
async def test_a_job_of_who_has_lost_the_role_gives_no_data(
    world: World, sources: Sources, work: str, left: frozenset[str]
) -> None:
    await _begin(world, work, sources)
    before = await KINDS[work].outcome(world, sources)

    _writes, status = await world.run(JOB_ID, roles_of=always(left))

    assert (status, await KINDS[work].outcome(world, sources)) == (JobStatus.FAIL, before)


@pytest.mark.parametrize(("work", "way"), [end for end in ENDS if end[0] not in PUBLISH_ELSEWHERE])
async def test_a_job_whose_right_ends_before_a_write_publishes_nothing_after_it(
    world: World, sources: Sources, work: str, way: str
) -> None:
    await _begin(world, work, sources)
    writes, _status = await world.run(JOB_ID)
    # The last write of a copy publishes it, and a right that ends behind the look before that ends with it.
    numbers = range(1, writes if work == "copy" else writes + 1)

    for number in numbers:
        seen: Outcome = (False, 0)

        async def end_right() -> None:
            nonlocal seen
            seen = await _of_image(world, sources)
            await WAYS[way](world.db)

        await _begin(world, work, sources)
        await world.run(JOB_ID, number, end_right)

        found = await _of_image(world, sources)
        assert found <= seen, f"{work}: {way} before write {number}"
        assert found[1] <= seen[1], f"{work}: {way} before write {number}"
