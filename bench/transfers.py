"""Image data: a large upload against hashing and writing it, a large download against nginx; and memory."""

import hashlib
import http.client
import mmap
import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from harness.ports import find_free_port
from harness.service import Service

from bench.figures import Figure, Line, at_least, at_most, compare, note_strangers
from bench.processes import MIB, BenchError, RssPeak, Watch, run_server, worker_of
from bench.scene import Scene, ask, headers_of, make_image, port_of, share_image

_BLOCK_BYTES = 1 << 20
_TIMEOUT_S = 120.0
#: A download takes a fraction of a second and varies much: a sample is several, and there are more samples.
_DOWNLOADS = 7
_REPEATS = 4
_PEAK_MIB = 120.0
#: Debian puts nginx where only root's PATH looks.
_NGINX = shutil.which(
    "nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
)
_NGINX_CONF = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access.log;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /blob {{ alias {file}; }}
  }}
}}
"""


def measure_upload(scene: Scene) -> list[Line]:
    """Upload of random bytes against the sum of hashing them twice (two threads) and writing them."""
    source = make_source(scene)
    uploads, baselines, hashings, writings, peaks, strangers = [], [], [], [], [], []
    with Service(scene.make_folder()) as service:
        for _ in range(max(scene.rounds - 1, 2)):
            os.sync()
            with Watch(service.pid) as baseline_watch:
                hashing_s, sha512 = _time_hashes(source)
                writing_s = _time_write(source, scene.folder / "written")
            os.sync()
            with RssPeak(worker_of(service.pid)) as memory, Watch(service.pid) as watch:
                upload_s, image_id = _upload(service, source)
            image = ask(service.client("publisher"), "GET", f"/v2/images/{image_id}").json()
            if image["os_hash_value"] != sha512:
                raise BenchError("the uploaded image's hash is not that of the file")
            ask(service.client("publisher"), "DELETE", f"/v2/images/{image_id}")
            uploads.append(scene.transfer_bytes / MIB / upload_s)
            baselines.append(scene.transfer_bytes / MIB / (hashing_s + writing_s))
            hashings.append(hashing_s)
            writings.append(writing_s)
            peaks.append(memory.peak_bytes / MIB)
            strangers += [baseline_watch.other_cores, watch.other_cores]
    parts = (
        f"medians: {statistics.median(hashings):.2f} s hashing, {statistics.median(writings):.2f} s writing"
    )
    return [
        compare(
            "upload",
            "MiB/s",
            Figure(tuple(uploads)),
            ("hash, then write", Figure(tuple(baselines))),
            at_least(0.85),
            [parts, *note_strangers(strangers)],
        ),
        memory_line("peak memory, upload", peaks),
    ]


def measure_download(scene: Scene) -> list[Line]:
    """Download against nginx with sendfile, of the very file that the service's store holds."""
    source = make_source(scene)
    folder = scene.make_folder()
    with Service(folder) as service:
        _, image_id = _upload(service, source)
        blob = _find_blob(service.data_dir, scene.transfer_bytes)
        path, headers = f"/v2/images/{image_id}/file", headers_of(service, "publisher")
        ours, theirs, peaks, strangers = [], [], [], []
        with _run_nginx(folder, blob) as nginx:
            for _ in range(_DOWNLOADS):
                if nginx is not None:
                    with Watch(nginx[0]) as watch:
                        theirs.append(download(nginx[1], "/blob", {}, scene.transfer_bytes))
                    strangers.append(watch.other_cores)
                with RssPeak(worker_of(service.pid)) as memory, Watch(service.pid) as watch:
                    ours.append(download(port_of(service), path, headers, scene.transfer_bytes))
                peaks.append(memory.peak_bytes / MIB)
                strangers.append(watch.other_cores)
    notes = note_strangers(strangers)
    return [
        _compare_with_nginx(Figure(tuple(ours)), theirs, notes),
        memory_line("peak memory, download", peaks),
    ]


def measure_counted_download(scene: Scene) -> Line:
    """Processor time of downloads by a recipient, whose use is counted, against its owner's, which is not."""
    with Service(scene.make_folder()) as service:
        _, image_id = _upload(service, make_source(scene))
        share_image(service, image_id, "accepted")
        spent: dict[str, list[float]] = {"publisher": [], "recipient": []}
        for _ in range(_DOWNLOADS):
            for account, found in spent.items():
                with Watch(service.pid) as watch:
                    path, headers = f"/v2/images/{image_id}/file", headers_of(service, account)
                    download(port_of(service), path, headers, scene.transfer_bytes)
                found.append(watch.cpu_s / _REPEATS / (scene.transfer_bytes / MIB) * 1024)
    return compare(
        "CPU of a download whose use is counted",
        "s/GiB",
        Figure(tuple(spent["recipient"])),
        ("its owner's, which is not", Figure(tuple(spent["publisher"]))),
        at_most(1.02),
    )


def make_source(scene: Scene) -> Path:
    """The file of random bytes that is moved, made once."""
    path = scene.folder / "source"
    if not path.exists():
        with path.open("wb") as file:
            for _ in range(scene.transfer_bytes // _BLOCK_BYTES):
                file.write(os.urandom(_BLOCK_BYTES))
    return path


def _compare_with_nginx(ours: Figure, theirs: list[float], notes: list[str]) -> Line:
    if not theirs:
        return Line(
            name="download",
            unit="MiB/s",
            measured=ours,
            bound=at_least(0.8),
            value=None,
            notes=("there is no nginx to compare with: on Debian, apt-get install nginx-light",),
        )
    return compare("download", "MiB/s", ours, ("nginx", Figure(tuple(theirs))), at_least(0.8), notes)


def memory_line(name: str, peaks_mib: list[float]) -> Line:
    """The most that a worker took."""
    return Line(
        name=name,
        unit="MiB",
        measured=Figure(tuple(peaks_mib)),
        bound=at_most(_PEAK_MIB),
        value=max(peaks_mib),
    )


def _time_hashes(source: Path) -> tuple[float, str]:
    """(seconds for md5 and sha512 of the file, each in a thread; the sha512)."""
    hashes = [hashlib.md5(usedforsecurity=False), hashlib.sha512()]
    with (
        source.open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped,
        memoryview(mapped) as content,
    ):
        threads = [threading.Thread(target=_hash_all, args=(one, content)) for one in hashes]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        elapsed_s = time.perf_counter() - began
    return elapsed_s, hashes[1].hexdigest()


def _hash_all(digest: "hashlib._Hash", content: memoryview) -> None:
    for start in range(0, len(content), _BLOCK_BYTES):
        digest.update(content[start : start + _BLOCK_BYTES])


def _time_write(source: Path, copy: Path) -> float:
    """Seconds to write the file's bytes to another file and to the disk."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        began = time.perf_counter()
        with memoryview(mapped) as content, copy.open("wb", buffering=0) as written:
            for start in range(0, len(content), _BLOCK_BYTES):
                written.write(content[start : start + _BLOCK_BYTES])
            os.fsync(written.fileno())
        elapsed_s = time.perf_counter() - began
    copy.unlink()
    return elapsed_s


def _upload(service: Service, source: Path) -> tuple[float, str]:
    """(seconds, the image's id)."""
    image_id = make_image(service, "publisher")
    path = f"/v2/images/{image_id}/file"
    return upload(port_of(service), path, headers_of(service, "publisher"), source), image_id


def upload(port: int, path: str, headers: dict[str, str], source: Path) -> float:
    """Seconds until the upload is answered; the file goes out by sendfile, as from a frugal client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    with source.open("rb") as file:
        began = time.perf_counter()
        connection.putrequest("PUT", path)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(source.stat().st_size))
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.sock.sendfile(file)
        answer = connection.getresponse()
        elapsed_s = time.perf_counter() - began
    text = answer.read()
    connection.close()
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise BenchError(f"upload: {answer.status} {text!r}")
    return elapsed_s


def download(port: int, path: str, headers: dict[str, str], size: int, times: int = _REPEATS) -> float:
    """MiB/s at which the body arrives, again and again, at a client that throws it away."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    block = bytearray(_BLOCK_BYTES)
    began = time.perf_counter()
    for _ in range(times):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        received = 0
        while count := answer.readinto(block):
            received += count
        if answer.status != HTTPStatus.OK or received != size:
            raise BenchError(f"download of {path}: {answer.status}, {received} of {size} bytes")
    elapsed_s = time.perf_counter() - began
    connection.close()
    return times * size / MIB / elapsed_s


def _find_blob(data_dir: Path, size: int) -> Path:
    return next(path for path in data_dir.rglob("*") if path.is_file() and path.stat().st_size == size)


@contextmanager
def _run_nginx(folder: Path, file: Path) -> Iterator[tuple[int, int] | None]:
    """(process id, port) of an nginx that serves the file at /blob; None when there is no nginx."""
    if _NGINX is None:
        yield None
        return
    port = find_free_port()
    # Its worker would become another user, who may not read our files.
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONF.format(user=user, folder=folder, port=port, file=file))
    log = folder / "nginx.log"
    with run_server([_NGINX, "-e", str(log), "-p", str(folder), "-c", str(config)], port, log) as pid:
        yield pid, port
