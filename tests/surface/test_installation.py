"""`requirements/run.lock` alone installs all that `transom/` imports, and it imports public names only. The
verbs for users need `requirements/client.lock` alone.

The tests run among many more packages than an installation has, so an import that works here proves nothing.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from transom.cli.installation import PACKAGES

from .sources import imports, parse

ROOT = Path(__file__).parents[2]
#: The verbs for users, and what they stand on.
_REMOTE = (ROOT / "transom" / "client", ROOT / "transom" / "cli" / "remote")
ALL_SOURCES = sorted((ROOT / "transom").rglob("*.py"))
#: Commands of python-openstackclient, which alone imports them.
_PLUGIN = ROOT / "transom" / "client" / "osc"
PLUGIN_SOURCES = [source for source in ALL_SOURCES if _PLUGIN in source.parents]
REMOTE_SOURCES = [
    source
    for source in ALL_SOURCES
    if source not in PLUGIN_SOURCES and any(folder in source.parents for folder in _REMOTE)
]
SOURCES = [source for source in ALL_SOURCES if source not in [*REMOTE_SOURCES, *PLUGIN_SOURCES]]
#: Imported by other packages, which leave them out where they are not told to install them.
BY_OTHERS = {"uvloop"}
#: An attribute whose name looks private and is not: the standard library documents it.
DOCUMENTED = {"os._exit"}


def _is_foreign(module: str) -> bool:
    return module.partition(".")[0] not in {*sys.stdlib_module_names, "transom"}


def _foreign(sources: list[Path]) -> set[tuple[str, str | None]]:
    """(module, name) of what they import of other packages. Not asked for while tests are collected: it takes
    seconds."""
    return {(module, name) for source in sources for module, name in imports(source) if _is_foreign(module)}


def _packages(sources: list[Path]) -> set[str]:
    """The names of the other packages that they import."""
    return {module.partition(".")[0] for module, _ in _foreign(sources)}


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions that bring a package, by its name in an import."""
    return packages_distributions()


def _locked(name: str) -> set[str]:
    """The distributions that the lock installs here."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    requirements = [Requirement(line) for line in re.findall(r"^[a-z0-9].*?(?=\s*\\?$)", text, re.MULTILINE)]
    return {
        canonicalize_name(one.name) for one in requirements if one.marker is None or one.marker.evaluate()
    }


def _declared(extra: str | None) -> set[str]:
    """The dependencies, with those of an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize(
    ("sources", "extra"),
    [(SOURCES, None), (REMOTE_SOURCES, "client"), (PLUGIN_SOURCES, "openstack")],
    ids=["server", "client", "openstack"],
)
def test_every_package_that_is_imported_is_a_dependency(sources: list[Path], extra: str | None) -> None:
    declared = _declared(extra)

    missing = {
        package
        for package in _packages(sources)
        if not declared & {canonicalize_name(one) for one in _distributions().get(package, [])}
    }

    assert missing == set()


def test_nothing_is_imported_by_a_private_name() -> None:
    """Private names change without notice, in any release."""
    parts = {(module, name): (*module.split("."), name or "") for module, name in _foreign(ALL_SOURCES)}

    assert len(parts) > 100
    assert {key for key, words in parts.items() if any(word.startswith("_") for word in words)} == set()


def test_no_private_attribute_of_a_foreign_module_is_used() -> None:
    used = {
        f"{node.value.id}.{node.attr}"
        for source in ALL_SOURCES
        for node in ast.walk(parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.attr.startswith("_") and not node.attr.startswith("__")
        if node.value.id in {name or module for module, name in imports(source) if "transom" not in module}
    }

    assert used - DOCUMENTED == set()


#: Imports what it is told to, in an interpreter that has only the packages named first.
_IMPORT_ALL = """
import importlib, importlib.abc, importlib.machinery, json, sys

hidden, wanted = json.load(sys.stdin)

class Seen(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in hidden:
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)

    def find_distributions(self, *context):
        return importlib.machinery.PathFinder.find_distributions(*context)

finder = importlib.machinery.PathFinder
sys.meta_path[:] = [Seen() if one is finder else one for one in sys.meta_path]
failed = {}
for name in wanted:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
print(json.dumps(failed))
"""


@pytest.mark.parametrize(
    ("lock", "sources", "others"),
    [
        ("run", SOURCES, BY_OTHERS),
        ("client", REMOTE_SOURCES, {"transom.cli"}),
    ],
    ids=["server", "client"],
)
def test_every_import_works_where_only_the_locked_packages_are_installed(
    lock: str, sources: list[Path], others: set[str]
) -> None:
    """Those inside functions, too, and what they import in turn."""
    locked = _locked(lock)
    hidden = [
        package
        for package, found in _distributions().items()
        if not locked & {canonicalize_name(one) for one in found} and package not in ("transom", "")
    ]
    own = [".".join(source.relative_to(ROOT).with_suffix("").parts) for source in sources]
    wanted = [name.removesuffix(".__init__") for name in own if not name.endswith("__main__")]
    wanted += sorted({module for module, _ in _foreign(sources)} | others)

    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL],
        input=json.dumps([hidden, wanted]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=ROOT,
    )

    assert "openstack" in hidden, "the tests' own clients must be hidden"
    assert json.loads(done.stdout) == {}


def test_the_start_looks_for_every_package_that_is_imported() -> None:
    """A new dependency is added to the table there."""
    assert set(PACKAGES) == _packages(SOURCES) | BY_OTHERS


@pytest.mark.parametrize("verb", ["serve", "work"])
@pytest.mark.parametrize("package", ["cryptography", "aiohttp", "obstore"])
def test_a_package_that_is_missing_stops_the_start_and_is_named(
    tmp_path: Path, package: str, verb: str
) -> None:
    """None of these is imported before something needs it: an upload, an import from the web, an S3 store."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, sys\n"
        "class Hidden(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.partition('.')[0] == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "transom", "--data-dir", str(tmp_path / "data"), verb],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert re.search(rf"^Error: .*\b{package}\b.*run\.lock", done.stderr, re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["inbox", "offer web --to them --expires-at 90d"])
def test_a_verb_for_users_says_what_it_needs_where_only_the_server_is_installed(
    tmp_path: Path, words: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['keystoneauth1'] = None\n")

    done = subprocess.run(
        [sys.executable, "-m", "transom", "share", *words.split()],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert re.search(r"^Error: .*\bkeystoneauth1\b.*client\.lock", done.stderr), done.stderr


def test_the_locks_of_server_and_client_can_be_installed_together() -> None:
    """`pip install -r run.lock -r client.lock` refuses two versions of one package."""
    pinned = [
        dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", (ROOT / "requirements" / lock).read_text(), re.M))
        for lock in ("run.lock", "client.lock")
    ]
    server, client = pinned

    assert client.keys() & server.keys()
    assert {name for name in client.keys() & server.keys() if client[name] != server[name]} == set()
