"""`transom metadefs`: whole catalogues of metadata definitions in and out, while the service runs or not.

A file is one namespace with what it holds, in the form of the files that Glance brings (its `etc/metadefs`).
Works on the database itself and needs no token, as `glance-manage db load_metadefs` does.
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from transom.cli.failures import report_failures, require_folder
from transom.cli.spelling import spell_lines, spell_out
from transom.clock import now_us
from transom.config import Settings
from transom.domain.errors import InvalidError
from transom.domain.metadefs import Item, Kind, Namespace, NamespaceQuery, Present, of_kind, parse_namespace
from transom.sql.connect import open_database
from transom.sql.db import Database
from transom.sql.metadefs import delete_namespaces, list_items, list_namespaces, load_namespace

_Result = TypeVar("_Result")

#: Whose a namespace is when its file does not say. No project has that id: unless it is public, only admins
#: see the namespace.
_OWNER = "admin"
#: Namespaces that are read at once for an export.
_PAGE = 100


@click.group()
def metadefs() -> None:
    """Load, export and delete metadata definitions."""


@metadefs.command("load")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--merge", is_flag=True, help="Add to existing namespaces what they lack.")
@click.option("--prefer-new", is_flag=True, help="With --merge: the file's values replace existing ones.")
@click.option("--overwrite", is_flag=True, help="With --merge: replace existing namespaces.")
@click.pass_obj
def load_catalogue(settings: Settings, path: Path, merge: bool, prefer_new: bool, overwrite: bool) -> None:
    """Load PATH, a JSON file or a folder of them. Without --merge, existing ones are not changed.

    Each namespace is loaded whole or not at all. Exit status 1 when a file could not be loaded.
    """
    present = _present(merge=merge, prefer_new=prefer_new, overwrite=overwrite)
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    if not files:
        raise click.ClickException(f"There are no .json files in {path}.")
    failed = _run(settings, lambda db: _load_files(db, files, present))
    if failed:
        raise click.ClickException(f"{failed} of {len(files)} files could not be loaded.")


def _present(*, merge: bool, prefer_new: bool, overwrite: bool) -> Present:
    if (prefer_new or overwrite) and not merge:
        raise click.UsageError("--prefer-new and --overwrite go with --merge.")
    if prefer_new and overwrite:
        raise click.UsageError("Either --prefer-new or --overwrite, not both.")
    if not merge:
        return Present.KEEP
    return Present.PREFER_NEW if prefer_new else Present.OVERWRITE if overwrite else Present.MERGE


async def _load_files(db: Database, files: list[Path], present: Present) -> int:
    """How many of them could not be loaded."""
    failed = 0
    for file in files:
        try:
            namespace, items = _read_file(file)
            is_changed = await _load(db, namespace, items, present)
        except (InvalidError, OSError) as error:
            failed += 1
            click.echo(spell_lines(f"{file}: {error}"), err=True)
        else:
            did = "loaded" if is_changed else "is there already"
            click.echo(f"{spell_out(namespace.namespace)}: {did}")
    return failed


def _read_file(file: Path) -> tuple[Namespace, list[Item]]:
    try:
        body = msgspec.json.decode(file.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"not JSON: {error}") from None
    return parse_namespace(body, namespace_id=str(uuid.uuid4()), owner=_OWNER, now=now_us())


async def _load(db: Database, namespace: Namespace, items: list[Item], present: Present) -> bool:
    return await db.run(lambda: load_namespace(namespace, items, present))


@metadefs.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def export_catalogue(settings: Settings, folder: Path) -> None:
    """Write every namespace into FOLDER, one file each, in the form that `load` reads."""
    with report_failures():
        folder.mkdir(parents=True, exist_ok=True)
    count = _run(settings, lambda db: _export(db, folder))
    click.echo(f"{count} namespaces written to {folder}")


async def _export(db: Database, folder: Path) -> int:
    names: set[str] = set()
    query = NamespaceQuery(sort_key="namespace", descending=False, limit=_PAGE)
    after: Namespace | None = None
    while page := await list_namespaces(db, query, None, after):
        for namespace in page:
            _found, items = await list_items(db, namespace.namespace, *Kind)
            text = msgspec.json.format(msgspec.json.encode(_file_body(namespace, items)), indent=4)
            (folder / _file_name(namespace.namespace, names)).write_bytes(text + b"\n")
        after = page[-1]
    return len(names)


def _file_body(namespace: Namespace, items: list[Item]) -> dict[str, Any]:
    own = {
        "namespace": namespace.namespace,
        "display_name": namespace.display_name,
        "description": namespace.description,
        "visibility": namespace.visibility,
        "protected": namespace.protected,
        "owner": namespace.owner,
    }
    return {
        **{key: value for key, value in own.items() if value is not None},
        "resource_type_associations": _named(items, Kind.RESOURCE_TYPE),
        "properties": {item.name: item.body for item in of_kind(items, Kind.PROPERTY)},
        "objects": _named(items, Kind.OBJECT),
        "tags": _named(items, Kind.TAG),
    }


def _named(items: list[Item], kind: Kind) -> list[dict[str, Any]]:
    return [{"name": item.name, **item.body} for item in of_kind(items, kind)]


def _file_name(namespace: str, taken: set[str]) -> str:
    """One that every file system takes, and that none of the `taken` is; it is taken then."""
    plain = re.sub(r"[^0-9A-Za-z_-]+", "-", namespace).strip("-").lower() or "namespace"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}-{number}"
    taken.add(name)
    return f"{name}.json"


@metadefs.command("unload")
@click.confirmation_option(prompt="Delete every namespace, protected ones and those that users made too?")
@click.pass_obj
def unload_catalogue(settings: Settings) -> None:
    """Delete every namespace with what it holds. Resource types stay."""
    count = _run(settings, delete_namespaces)
    click.echo(f"{count} namespaces deleted")


def _run(settings: Settings, act: Callable[[Database], Awaitable[_Result]]) -> _Result:
    """What `act` returns, given the database; what went wrong becomes a line for people and exit status 1."""

    async def open_and_act() -> _Result:
        db = await open_database(settings.database_url, 1)
        try:
            return await act(db)
        finally:
            await db.close()

    if settings.database_url.startswith("sqlite:"):
        require_folder(settings)
    with report_failures():
        return asyncio.run(open_and_act())
