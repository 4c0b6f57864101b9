"""Whether everything that the service imports is installed, asked before it starts.

Much is imported only when something needs it. Without this check an incomplete installation would start, and
fail at the first upload.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

import click

#: Package, by the name it is imported by → what needs it. A test compares the names with the source code.
PACKAGES = {
    "aiohttp": "Keystone, and what is fetched from other servers",
    "argon2": "passwords",
    "asyncpg": "PostgreSQL",
    "click": "the command line",
    "cryptography": "the inspection of uploads, through oslo.utils, and signed images",
    "granian": "HTTP",
    "http_sf": "digests in the headers of uploads",
    "jinja2": "the console",
    "jwt": "tokens of the built-in identity",
    "markupsafe": "the console",
    "msgspec": "JSON",
    "obstore": "S3 stores",
    "oslo_policy": "policy files",
    "oslo_utils": "the inspection of uploads",
    "prometheus_client": "metrics",
    "standardwebhooks": "signatures of webhooks",
    "uvloop": "the event loop, through granian",
    "yaml": "accounts and metadata definitions",
    "yarl": "what is fetched from other servers",
}
_ADVICE = "Install Transom and requirements/run.lock of the same release again."


def require_installed() -> None:
    """Raises ClickException that names the packages which are missing. It imports none of them, so that a
    worker holds only what it needs in memory."""
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        named = ", ".join(f"{name} ({PACKAGES[name]})" for name in missing)
        raise click.ClickException(f"the installation is incomplete, it lacks: {named}. {_ADVICE}")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ImportError:
        return False


@contextmanager
def reported_imports() -> Iterator[None]:
    """A package that is there and cannot be imported (one that it needs is missing, or a shared library) ends
    the command with a message that names it."""
    try:
        yield
    except ImportError as error:
        raise click.ClickException(f"the installation is broken: {error}. {_ADVICE}") from error
