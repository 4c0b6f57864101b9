"""Every command of docs/deploying.md, in its order, on this Debian: in an overlay of it, which then is gone.

Three commands are replaced. `apt-get install` only looks whether the packages are there, `systemctl` starts
and stops what the unit says (no systemd runs in the overlay), and `curl` is told to use no proxy. A new
environment is filled before pip installs into it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from installed.wheel import FILL, ROOT, build_wheel

PAGE = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
#: From here on nothing is fetched, and the ports that are taken must be nobody else's.
SPLIT = "## The database"
NEEDED = ("unshare", "dpkg", "pg_ctlcluster", "nginx", "openssl", "runuser", "curl", "ip")

_REPLACED = r"""
set -euo pipefail
apt-get() {
    [ "$1" = update ] || dpkg --status "${@:3}" > /dev/null
}
systemctl() {
    case "$*" in
    "enable --now transom" | "start transom") start ;;
    "stop transom") stop ;;
    "reload nginx") nginx -s reload 2> /dev/null || nginx ;;
    daemon-reload) ;;
    *) echo "systemctl $* is not replaced"; exit 1 ;;
    esac
}
python3() {
    command python3 "$@"
    [ "$1 $2" != "-m venv" ] || $FILL "$3/bin/python" || true
}
curl() {
    command curl --silent --noproxy '*' "$@"
}
start() {
    install -d -o transom -m 700 /var/lib/transom
    install -D -m 400 -o transom /etc/transom/database /run/credentials/database
    cd /var/lib/transom
    TRANSOM_DATA_DIR=/var/lib/transom TRANSOM_DATABASE_FILE=/run/credentials/database \
        setpriv --reuid transom --regid transom --init-groups \
        $(sed -n 's/^ExecStart=//p' /etc/systemd/system/transom.service) 2> /tmp/transom.log &
    service=$!
    cd "$OLDPWD"
    for _ in $(seq 150); do
        ! curl --fail --output /dev/null http://127.0.0.1:9292/readyz || return 0
        sleep 0.2
    done
    cat /tmp/transom.log
    exit 1
}
stop() {
    kill -TERM "$service"
    wait "$service"
}
"""
_BEFORE_THE_DATABASE = """
ip link set lo up
echo "127.0.0.1 images.example.org" >> /etc/hosts
install -d -o postgres /run/postgresql
pg_ctlcluster "$(ls /etc/postgresql)" main start
end() {
    nginx -s stop 2> /dev/null || true
    pg_ctlcluster "$(ls /etc/postgresql)" main stop || true
    kill "$service" 2> /dev/null || true
}
trap end EXIT
"""
_AT_THE_END = """
export OS_CLIENT_CONFIG_FILE=/var/lib/transom/clouds.yaml OS_CACERT=/etc/ssl/transom.pem no_proxy='*'
"$OPENSTACK" --os-cloud publisher image create --disk-format raw --container-format bare \
    --file /usr/bin/openssl -f value -c status x
stop
echo "the page is true"
"""


def _has_all() -> bool:
    return os.geteuid() == 0 and all(map(shutil.which, NEEDED)) and Path("/etc/postgresql").exists()


@pytest.mark.skipif(not _has_all(), reason=f"it takes root, a Debian and {', '.join(NEEDED)}")
def test_the_commands_lead_to_a_service_behind_tls(tmp_path: Path) -> None:
    build_wheel(tmp_path)
    for file in ("requirements/run.lock", "deploy/transom.service", "transom.example.toml"):
        shutil.copy(ROOT / file, tmp_path)
    before, after = (
        re.findall(r"^```sh\n(.*?)^```", part, re.MULTILINE | re.DOTALL) for part in PAGE.split(SPLIT)
    )
    (tmp_path / "fetching.sh").write_text("\n".join([_REPLACED, *before, "export name"]))
    (tmp_path / "serving.sh").write_text(
        "\n".join([_REPLACED, before[0], _BEFORE_THE_DATABASE, *after, _AT_THE_END])
    )
    script = """
        set -eu
        mkdir work && mount -t tmpfs tmpfs work && cd work && mkdir upper work root
        mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
        mount --rbind /dev root/dev && mount --rbind /proc root/proc
        chroot root bash -c "cd '$1' && bash fetching.sh"
        exec unshare -n chroot root bash -c "cd '$1' && bash serving.sh"
    """

    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path)],
        cwd=tmp_path,
        # A Debian's own Python, whatever runs the tests.
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("OS_", "TRANSOM_"))},
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "FILL": FILL,
            "OPENSTACK": str(Path(sys.executable).parent / "openstack"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
    assert done.stdout.splitlines()[-2:] == ["active", "the page is true"], done.stdout[-4000:]
