"""Images from objects and back: the whole way against the slower of its two halves, and memory.

The S3 service is the tests' own (Swift, see `make swift`), which takes much more of the processor than the
service that is measured; it is in each of the halves that it is compared with, too.
"""

import time
from pathlib import Path

import obstore
from harness.objects import ACTION, OPEN_TO_ALL, object_settings, system_image
from harness.service import Service
from harness.swift import ACCESS_KEY, SECRET_KEY, UPLOADS, Swift
from obstore.store import S3Store

from bench.figures import Figure, Line, at_least, compare, note_strangers
from bench.processes import MIB, BenchError, RssPeak, Watch, worker_of
from bench.scene import Scene, ask, headers_of, make_image, port_of
from bench.transfers import download, make_source, memory_line, upload

_PATIENCE_S = 600.0
_POLL_S = 0.02
_PART_BYTES = 8 * MIB


def measure_objects(scene: Scene) -> list[Line]:
    """Import of random bytes into a file store, and export from there."""
    folder, source = scene.make_folder(), make_source(scene)
    swift_folder = scene.make_folder()
    rates: dict[str, list[float]] = {
        name: [] for name in ("read", "upload", "import", "write", "download", "export")
    }
    peaks: list[float] = []
    strangers: list[float] = []
    with Swift(swift_folder) as swift:
        settings = object_settings(swift.endpoint, folder, OPEN_TO_ALL)
        store = S3Store(
            UPLOADS,
            endpoint=swift.endpoint,
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            client_options={"allow_http": True, "timeout": "600s"},
        )
        with Service(folder, None, settings) as service:
            for number in range(max(scene.rounds - 1, 2)):
                with Watch(service.pid) as watch, RssPeak(worker_of(service.pid)) as memory:
                    _measure_round(scene, service, store, source, number, rates)
                peaks.append(memory.peak_bytes / MIB)
                strangers.append(watch.other_cores)
    return [
        _line("import of an object", rates["import"], rates["read"], rates["upload"], strangers),
        _line("export to an object", rates["export"], rates["write"], rates["download"], strangers),
        memory_line("peak memory, objects", peaks),
    ]


def _line(
    name: str, whole: list[float], one: list[float], other: list[float], strangers: list[float]
) -> Line:
    halves = [Figure(tuple(one)), Figure(tuple(other))]
    slower = min(halves, key=lambda half: half.median)
    against = ("slower of its halves", slower)
    return compare(name, "MiB/s", Figure(tuple(whole)), against, at_least(0.8), note_strangers(strangers))


def _measure_round(
    scene: Scene, service: Service, store: S3Store, source: Path, number: int, rates: dict[str, list[float]]
) -> None:
    """One sample of each rate. What was made goes again."""
    client, mib = service.client("publisher"), scene.transfer_bytes / MIB

    def took(name: str, began: float) -> None:
        rates[name].append(mib / (time.perf_counter() - began))

    began = time.perf_counter()
    obstore.put(store, f"{number}/in", source, chunk_size=_PART_BYTES)
    took("write", began)
    began = time.perf_counter()
    received = sum(len(chunk) for chunk in obstore.get(store, f"{number}/in").stream(_PART_BYTES))
    took("read", began)
    if received != scene.transfer_bytes:
        raise BenchError(f"the object has {received} bytes")
    uploaded, headers = make_image(service, "publisher"), headers_of(service, "publisher")
    rates["upload"].append(mib / upload(port_of(service), f"/v2/images/{uploaded}/file", headers, source))
    began = time.perf_counter()
    image_id = _run(service, ACTION, system_image(f"{UPLOADS}:{number}/in"))
    took("import", began)
    path = f"/v2/images/{image_id}/file"
    rates["download"].append(download(port_of(service), path, headers, scene.transfer_bytes, times=1))
    began = time.perf_counter()
    given = {"bucket_url": f"{UPLOADS}:{number}/out", "is_quick_export": True}
    _run(service, f"/v1/cloudimages/{image_id}/file", given)
    took("export", began)
    for one in (uploaded, image_id):
        ask(client, "DELETE", f"/v2/images/{one}")
    for key in ("in", "out"):
        obstore.delete(store, f"{number}/{key}")


def _run(service: Service, path: str, given: dict[str, object]) -> str:
    """The image of the job, once that is over."""
    client = service.client("publisher")
    job_id = ask(client, "POST", path, json=given).json()["job_id"]
    deadline = time.monotonic() + _PATIENCE_S
    while (job := ask(client, "GET", f"/v1/cloudimages/job/{job_id}").json())["status"] in (
        "INIT",
        "RUNNING",
    ):
        if time.monotonic() > deadline:
            raise BenchError(f"{path}: not over after {_PATIENCE_S:.0f} s")
        time.sleep(_POLL_S)
    if job["status"] != "SUCCESS":
        raise BenchError(f"{path}: {job}")
    return str(job["entities"]["image_id"])
