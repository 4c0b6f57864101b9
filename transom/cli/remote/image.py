"""`transom image`: list, show, upload and download images over HTTP."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from transom.cli.numbers import COUNT
from transom.cli.remote.options import examples
from transom.cli.remote.output import format_options, print_one, print_rows
from transom.cli.remote.progress import transfer_bar
from transom.cli.remote.run import with_service

if TYPE_CHECKING:
    from transom.client.service import Service

_COLUMNS = ("id", "name", "status", "visibility", "size", "owner", "created_at")
#: Endings of files that say which format the data is of.
_FORMATS = {
    ".qcow2": "qcow2",
    ".raw": "raw",
    ".img": "raw",
    ".iso": "iso",
    ".vmdk": "vmdk",
    ".vhd": "vhd",
    ".vhdx": "vhdx",
    ".vdi": "vdi",
}
_STATUSES = ("pending", "accepted", "rejected", "all")


@click.group()
def image() -> None:
    """Images: list, show, upload, download."""


@image.command("list", epilog=examples("image list --property os_share_family=web -f json"))
@click.option("--name", help="Images of this name.")
@click.option("--visibility", type=click.Choice(["private", "shared", "community", "public", "all"]))
@click.option(
    "--offered", "status", type=click.Choice(_STATUSES), help="Images that others offered, by answer."
)
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="With this property.")
@click.option("--tag", "tags", multiple=True, help="With this tag; repeatable.")
@click.option("--hidden", is_flag=True, help="Hidden images instead of the others.")
@click.option("--limit", type=COUNT, help="Show at most this many.")
@format_options
@with_service
def list_images(
    service: "Service",
    name: str | None,
    visibility: str | None,
    status: str | None,
    properties: tuple[str, ...],
    tags: tuple[str, ...],
    hidden: bool,
    limit: int | None,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Images that you own, that are public, or that you accepted."""
    from transom.client import images

    filters: dict[str, Any] = _pairs(properties, "--property")
    if name is not None:
        filters["name"] = f"eq:{name}"
    if visibility is not None:
        filters["visibility"] = visibility
    if status is not None:
        filters.update(visibility="shared", member_status=status)
    if tags:
        filters["tag"] = list(tags)
    if hidden:
        filters["os_hidden"] = "true"
    print_rows(images.list_images(service, filters, limit), _COLUMNS, form, columns)


@image.command("show")
@click.argument("image_name", metavar="IMAGE")
@format_options
@with_service
def show_image(service: "Service", image_name: str, form: str, columns: tuple[str, ...]) -> None:
    """One image, by its id or name."""
    from transom.client.names import find_image

    print_one(find_image(service, image_name), form, columns)


@image.command("upload", epilog=examples("image upload web-1.qcow2 --name web-1 --property os_distro=debian"))
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="The file's name unless given.")
@click.option("--disk-format", help="Told by the file's ending unless given.")
@click.option("--container-format", default="bare", show_default=True)
@click.option("--min-disk", type=click.IntRange(min=0), help="GiB of disk that a server needs.")
@click.option("--min-ram", type=click.IntRange(min=0), help="MiB of memory that a server needs.")
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@click.option("--tag", "tags", multiple=True, help="Repeatable.")
@click.option("--store", help="The store that is to hold the data.")
@format_options
@with_service
def upload_image(
    service: "Service",
    path: Path,
    name: str | None,
    disk_format: str | None,
    container_format: str,
    min_disk: int | None,
    min_ram: int | None,
    properties: tuple[str, ...],
    tags: tuple[str, ...],
    store: str | None,
    form: str,
    columns: tuple[str, ...],
) -> None:
    """Make an image of a file.

    The service's hash of the data is compared with that of the file. If the upload fails, the
    image is deleted again.
    """
    from transom.client import images
    from transom.client.service import RefusedError

    wanted = disk_format or _FORMATS.get(path.suffix.lower())
    if wanted is None:
        raise click.UsageError(f"The ending of {path.name} tells no format: give --disk-format.")
    fields: dict[str, Any] = {
        **_pairs(properties, "--property"),
        "name": name or path.name,
        "disk_format": wanted,
        "container_format": container_format,
        **({"min_disk": min_disk} if min_disk is not None else {}),
        **({"min_ram": min_ram} if min_ram is not None else {}),
        **({"tags": list(tags)} if tags else {}),
    }
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        made = images.create_image(service, fields)
        try:
            with transfer_bar(path.name, size) as advance:
                done = images.upload(service, made["id"], source, size, advance, store)
        except BaseException:
            # Also when it is broken off: what has no data would be in the way of the next try.
            try:
                images.delete_image(service, made["id"])
            except RefusedError:
                click.echo(f"The image {made['id']} without data is left behind.", err=True)
            raise
    print_one(done, form, columns)


@image.command("download", epilog=examples("image download web-1 --file web-1.qcow2"))
@click.argument("image_name", metavar="IMAGE")
@click.option(
    "--file", "path", type=click.Path(path_type=Path, dir_okay=False), help="Named by the id unless given."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@with_service
def download_image(service: "Service", image_name: str, path: Path | None, force: bool) -> None:
    """Save the data of an image in a file.

    An interrupted download leaves what arrived in FILE.part, and the same command resumes it. The
    file gets its name when all data is there and its hash is right.
    """
    from transom.client import images
    from transom.client.names import find_image

    if path == Path("-"):
        raise click.UsageError("The data goes to a file, which gets its name once the hash is right.")
    found = find_image(service, image_name)
    target = path or _file_of(found)
    if target.exists() and not force:
        raise click.ClickException(f"{target} is there: --force replaces it.")
    with transfer_bar(target.name, found.get("size")) as advance:
        images.download(service, found, target, advance)
    algorithm = found.get("os_hash_algo")
    verified = f", {algorithm} verified" if algorithm else ""
    click.echo(f"{target}: {target.stat().st_size} bytes{verified}", err=True)


def _file_of(found: dict[str, Any]) -> Path:
    """The file of an image for which none was named: an id leads into no other folder."""
    from transom.client.names import is_uuid

    if not is_uuid(str(found["id"])):
        raise click.ClickException("The image's id is no name for a file: give --file.")
    return Path(found["id"])


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, Any]:
    pairs = dict(text.partition("=")[::2] for text in texts)
    if any("=" not in text for text in texts):
        raise click.UsageError(f"{option} must be NAME=VALUE.")
    return pairs
