"""`make demo`: publish, offer, accept, use, reject, withdraw; an offer with a message; a revoked version.

Each command is printed as it runs, in a process of its own. These are forks of one that has imported what the
client needs, which is most of what it takes (`tests/clients/console.py`). PYTHONPATH must name `tests`.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clients.console import Console, Ran

from demo.boot_image import find_boot_image

_BIN = Path(sys.executable).parent
_IS_TTY = sys.stdout.isatty()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="transom-demo-") as work:
        folder = Path(work)
        with _running_service(folder / "data") as clouds:
            environment = {"OS_CLIENT_CONFIG_FILE": str(clouds)}
            with (
                Console("openstack", "help image create", folder, environment) as openstack,
                Console("transom", "--cloud recipient share inbox", folder, environment) as transom,
            ):
                _Story(folder, environment, openstack, transom).tell()


class _Story:
    """Every step runs a real client and checks what it says."""

    def __init__(
        self, folder: Path, environment: dict[str, str], openstack: Console, transom: Console
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._clients = {"openstack --os-cloud": openstack, "transom --cloud": transom}

    def tell(self) -> None:
        image, disk_format, origin = find_boot_image(self._folder)
        size_kib = image.stat().st_size // 1024
        _say(f"The image: {image.name}, {size_kib} KiB, {disk_format}; {origin}.")

        _say("The publisher uploads it.")
        form = f"--disk-format {disk_format} --container-format bare --shared"
        self._openstack("publisher", f"image create {form} --file {image} rescue -f value -c id -c status")
        image_id = self._openstack("publisher", "image show rescue -f value -c id", show=False)

        _say("Nobody else sees it yet.")
        self._expect("recipient", "image list -f value -c Name", "")

        _say("The publisher offers it to the project `recipient`.")
        self._openstack("publisher", "image add project rescue recipient -f value -c status")

        _say("The recipient finds the offer among those that wait for an answer …")
        self._expect("recipient", "image list --shared --member-status pending -f value -c Name", "rescue")
        _say("… but not in its image list, where nobody can put anything without being asked.")
        self._expect("recipient", "image list -f value -c Name", "")

        _say("It accepts. Now the image is in its list, to boot from.")
        self._openstack("recipient", f"image set --accept {image_id}")
        self._expect("recipient", "image list -f value -c Name", "rescue")

        _say("It saves the image and verifies the hash that the service published.")
        self._openstack("recipient", "image save --file saved rescue")
        self._verify_with_sdk(image_id)

        _say("It changes its mind and rejects: the image leaves the list …")
        self._openstack("recipient", f"image set --reject {image_id}")
        self._expect("recipient", "image list -f value -c Name", "")
        _say("… and whoever kept its id can still use it (here with openstacksdk).")
        self._verify_with_sdk(image_id, download=True)

        _say("The publisher withdraws the offer: for the recipient the image is gone.")
        self._openstack("publisher", "image remove project rescue recipient")
        self._refused("recipient", f"image show {image_id}")

        self._tell_share_api(image, disk_format)

        _say("The publisher deletes it.")
        self._openstack("publisher", "image delete rescue")
        self._expect("publisher", "image list -f value -c Name", "")
        _say("That is the whole story. To see it in a browser: `make serve`, and the console that it names.")

    def _tell_share_api(self, file: Path, disk_format: str) -> None:
        """What other image services do not have."""
        _say("The same with more to say: an offer with a reason and an end.")
        self._transom(
            "publisher", "share offer rescue --to recipient --message 'Boots anything.' --expires-at 90d"
        )
        _say("The recipient sees who offers what, and why …")
        self._transom("recipient", "share inbox -c name -c from -c message -c expires_at")
        _say("… and accepts. Both sides see what happened so far.")
        self._transom("recipient", "share accept rescue")
        self._transom("publisher", "share history --image rescue -c time -c type -c by -c recipient")

        _say("Versions: who accepts a family has its current one, always.")
        self._transom("publisher", "family create boot -f value -c id")
        self._transom("publisher", "share offer --family boot --to recipient")
        self._transom("recipient", "share accept --family boot")
        self._transom("publisher", "family publish boot rescue -c number -c state")
        upload = f"image upload {file} --name rescue-2 --disk-format {disk_format} -f value -c id"
        self._transom("publisher", upload)
        self._transom("publisher", "family publish boot rescue-2 -c number -c state")
        current = "image list --property os_share_family=boot -f value -c name"
        self._found(self._transom("recipient", current), "rescue-2")

        _say("The new version has a hole: it is revoked, and the one before is current again.")
        self._transom("publisher", "family revoke boot 2 --reason CVE-2026-1234 --yes -c number -c state")
        self._found(self._transom("recipient", current), "rescue")
        _say("The recipient reads why.")
        self._transom("recipient", "family show boot --versions -c number -c image -c state -c revoke_reason")

    def _openstack(self, cloud: str, words: str, *, show: bool = True) -> str:
        return self._done(self._run("openstack --os-cloud", cloud, words, show=show), show=show)

    def _transom(self, cloud: str, words: str) -> str:
        return self._done(self._run("transom --cloud", cloud, words, show=True), show=True)

    def _done(self, done: Ran, *, show: bool) -> str:
        if done.status:
            sys.exit(f"that should have worked:\n{done.stdout}{done.stderr}")
        if show and done.stdout.strip():
            print(done.stdout.rstrip())
        return done.stdout.strip()

    def _expect(self, cloud: str, words: str, wanted: str) -> None:
        self._found(self._openstack(cloud, words), wanted)

    def _found(self, found: str, wanted: str) -> None:
        if found != wanted:
            sys.exit(f"expected {wanted!r}, found {found!r}")
        if not found:
            print("(nothing)")

    def _refused(self, cloud: str, words: str) -> None:
        done = self._run("openstack --os-cloud", cloud, words, show=True)
        if not done.status:
            sys.exit("that should have been refused")
        print(done.stderr.strip())

    def _run(self, client: str, cloud: str, words: str, *, show: bool) -> Ran:
        """`client`: its command, with the option that takes the cloud."""
        if show:
            _command(f"{client} {cloud} {words}")
        return self._clients[client].run(f"{client.split()[1]} {cloud} {words}")

    def _verify_with_sdk(self, image_id: str, *, download: bool = False) -> None:
        words = [sys.executable, "-m", "demo.verify", image_id, "again" if download else "saved"]
        _command(f"python -m demo.verify {image_id} {words[-1]}")
        environment = {**os.environ, **self._environment, "PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(words, env=environment, cwd=self._folder, timeout=120)
        if done.returncode:
            sys.exit("the data is not what was published")


@contextmanager
def _running_service(data: Path) -> Iterator[Path]:
    """A service of its own on a free port; gives the path of its clouds.yaml."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--data-dir", str(data), "serve", "--listen", f"127.0.0.1:{port}"]
    _command(f"transom {' '.join(words)} &")
    data.mkdir()
    with (data / "log").open("wb") as log:
        service = subprocess.Popen([str(_BIN / "transom"), *words], stderr=log, stdout=log, cwd=data)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/readyz", service)
        yield data / "clouds.yaml"
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)


def _wait_until_ready(url: str, service: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if service.poll() is not None:
            sys.exit("the service did not start")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    sys.exit("the service is not ready after 10 s")


def _say(text: str) -> None:
    print(f"\n\033[1m# {text}\033[0m" if _IS_TTY else f"\n# {text}", flush=True)


def _command(text: str) -> None:
    print(f"\033[36m$ {text}\033[0m" if _IS_TTY else f"$ {text}", flush=True)


main()
