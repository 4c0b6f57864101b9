"""Run the steps of the Containerfile where there is no container engine, with this machine as the base image.

A stage's root is an overlay over this machine's, in memory and in a mount namespace of its own; nothing of it
is left. A new environment is filled before pip installs into it. Start reading at `build` and `program`.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from installed.wheel import FILL, ROOT

_NEW_ENVIRONMENT = re.compile(r"python3 -m venv (\S+)")


class Step(NamedTuple):
    word: str
    rest: str


def read_stages() -> list[list[Step]]:
    """The steps of each stage, without its FROM."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    stages: list[list[Step]] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        else:
            stages[-1].append(Step(word, rest))
    return stages


def value_of(word: str, stage: list[Step]) -> str:
    (rest,) = (step.rest for step in stage if step.word == word)
    return rest


def build(folder: Path) -> Path:
    """Run the first stage; returns a copy of what the second one takes from it."""
    first, second = read_stages()
    (copied,) = (step.rest.split()[1] for step in second if step.rest.startswith("--from=build "))
    built = folder / "built"
    built.mkdir()
    script = [*_open_root(folder), *_run_steps(first, built)]
    script.append(f'cp -a "$root{copied}" {shlex.quote(str(built))}/')
    _write(folder / "build.sh", script)
    subprocess.run(["unshare", "-m", "sh", str(folder / "build.sh")], check=True, cwd=ROOT, timeout=500)
    return built


def program(folder: Path, built: Path, volume: Path, address: str) -> tuple[str, ...]:
    """The command that runs the second stage's steps, and then its program with a read-only root.

    volume: the folder that holds the container's data. address: what its health check asks.
    `folder/healthy` is written when that said so.
    """
    stage = read_stages()[1]
    user, place = value_of("USER", stage), value_of("VOLUME", stage)
    environment = " ".join(
        shlex.quote(pair) for pair in value_of("ENV", stage).split() if not pair.startswith("TRANSOM_LISTEN=")
    )
    inside = f'chroot --userspec={user} "$root" env HOME=/ {environment}'
    check = json.loads(re.sub(r"^.*? CMD ", "", value_of("HEALTHCHECK", stage)))
    check[-1] = check[-1].replace("127.0.0.1:9292", address)
    script = [
        *_open_root(folder),
        *_run_steps(stage, built),
        f'chown {user} {shlex.quote(str(volume))}; mount --bind {shlex.quote(str(volume))} "$root{place}"',
        'mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"',
        'mount -o remount,ro "$root"',
        f"( until {inside} {shlex.join(check)} 2>/dev/null; do sleep 0.2; done",
        f"  touch {shlex.quote(str(folder / 'healthy'))} ) &",
        f'exec {inside} {shlex.join(json.loads(value_of("ENTRYPOINT", stage)))} "$@"',
    ]
    _write(folder / "run.sh", script)
    return ("unshare", "-m", "sh", str(folder / "run.sh"))


def _open_root(folder: Path) -> list[str]:
    python = Path(sys.base_prefix) / "bin"
    work = shlex.quote(str(folder / "work"))
    readable = " ".join(shlex.quote(f"$root{parent}") for parent in list(python.parents)[:-1])
    return [
        "set -eu",
        f"mkdir -p {work}; mount -t tmpfs tmpfs {work}; cd {work}; mkdir upper work root",
        f"root={work}/root",
        'mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work "$root"',
        'mount --rbind /dev "$root/dev"; mount --rbind /proc "$root/proc"',
        # The Python of a base image can be read by everybody.
        f"chmod o+rx {readable}".replace("'$root", '"$root"\''),
        f"export PATH={shlex.quote(str(python))}:/usr/bin:/bin:/usr/sbin:/sbin",
    ]


def _run_steps(stage: list[Step], built: Path) -> list[str]:
    """RUN, COPY and WORKDIR as commands of a shell. The other steps say how the program is run."""
    commands, here = [], "/"
    for step in stage:
        if step.word == "WORKDIR":
            here = step.rest
            commands.append(f'mkdir -p "$root{here}"')
        elif step.word == "RUN":
            commands.append(_run(f"cd {here}; {step.rest}"))
            if environment := _NEW_ENVIRONMENT.fullmatch(step.rest):
                commands.append(_run(f"cd {here}; {FILL} {environment[1]}/bin/python || true"))
        elif step.word == "COPY" and step.rest.startswith("--from=build "):
            source, target = step.rest.split()[1:]
            commands.append(f'cp -a {shlex.quote(str(built))}/{Path(source).name} "$root{target}"')
        elif step.word == "COPY":
            *sources, target = step.rest.split()
            files = " ".join(shlex.quote(str(ROOT / source)) for source in sources)
            commands.append(f'cp -r {files} "$root{here}/{target.removeprefix("./")}"')
    return commands


def _run(command: str) -> str:
    return f'chroot "$root" sh -euc {shlex.quote(command)}'


def _write(path: Path, script: list[str]) -> None:
    path.write_text("\n".join(script) + "\n", encoding="utf-8")
