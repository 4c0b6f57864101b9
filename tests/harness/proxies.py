"""Real reverse proxies with TLS before a service, by the files of `deploy/`.

Only what belongs to a machine is changed in them: addresses, and where certificates are. It must not import
the service. Start reading at `start_nginx` and `start_haproxy`.
"""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from harness.child import Child
from harness.ports import find_free_port

_DEPLOY = Path(__file__).parents[2] / "deploy"
_READY_WITHIN_S = 20.0
#: Daemons are installed where a user's PATH may not lead.
_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"

_NGINX = """
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/transom.conf;
}}
"""


@contextmanager
def start_nginx(folder: Path, service_url: str, certificate: Path) -> Iterator[str]:
    """Its URL, without a path. folder: empty, for what it writes. certificate: of 127.0.0.1, with its key."""
    port = find_free_port()
    text = _change(
        (_DEPLOY / "nginx.conf").read_text(encoding="utf-8"),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/ssl/transom.pem": str(certificate),
            "/etc/ssl/private/transom.key": str(certificate),
            "127.0.0.1:9292": httpx.URL(service_url).netloc.decode(),
        },
    )
    (folder / "transom.conf").write_text(text, encoding="utf-8")
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder), encoding="utf-8")
    command = [_find("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with _run("nginx", command, folder, port, certificate) as url:
        yield url


@contextmanager
def start_haproxy(folder: Path, service_url: str, certificate: Path) -> Iterator[str]:
    """As `start_nginx`."""
    port = find_free_port()
    text = _change(
        (_DEPLOY / "haproxy.cfg").read_text(encoding="utf-8"),
        {
            "bind :443": f"bind 127.0.0.1:{port}",
            "/etc/ssl/private/transom-both.pem": str(certificate),
            "127.0.0.1:9292": httpx.URL(service_url).netloc.decode(),
        },
    )
    (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    command = [_find("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]
    with _run("haproxy", command, folder, port, certificate) as url:
        yield url


def is_installed(name: str) -> bool:
    return shutil.which(name, path=_PATH) is not None


def _find(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise FileNotFoundError(name)
    return found


def _change(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"the file has no {old!r} to change")
        text = text.replace(old, new)
    return text


@contextmanager
def _run(name: str, command: list[str], folder: Path, port: int, certificate: Path) -> Iterator[str]:
    url = f"https://127.0.0.1:{port}"
    context = ssl.create_default_context(cafile=str(certificate))

    def is_ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz", verify=context, timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    child = Child(name, folder / f"{name}.log", is_ready, _READY_WITHIN_S)
    child.start(command, folder)
    try:
        yield url
    finally:
        child.stop()
