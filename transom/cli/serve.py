"""`transom serve`: prepare once, then run the workers until told to stop."""

import asyncio
import ctypes
import dataclasses
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path

import click

from transom.api.heads import MOST_HEAD_BYTES
from transom.cli.descriptors import MOST_STREAMS, fit_to_descriptors, room_beside
from transom.cli.failures import make_folder, report_failures
from transom.cli.installation import reported_imports, require_installed
from transom.cli.signals import STOPS, ignore_all
from transom.cli.taken_files import TakenFiles
from transom.config import ENV_PREFIX, Settings, SettingsError, override
from transom.identity.served import announce
from transom.telemetry import runtime_folder, set_up_logging

_log = logging.getLogger(__name__)


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Address and port to serve on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to serve on, at the address that is set.")
@click.option("--workers", type=int, help="Worker processes.")
@click.pass_obj
def serve(settings: Settings, listen: str | None, port: int | None, workers: int | None) -> None:
    """Serve the image API and the built-in identity until SIGTERM or SIGINT."""
    if port is not None:
        if listen is not None:
            raise click.UsageError("Either --listen or --port, not both.")
        listen = f"{settings.listen.rpartition(':')[0]}:{port}"
    try:
        settings = override(settings, listen=listen, workers=workers)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    # What imports make stays: to look through it for garbage again and again is a sixth of the start's work.
    gc.disable()
    set_up_logging(settings.log_level, settings.log_format)
    require_installed()
    with runtime_folder() as folder, reported_imports(), ExitStack() as stack:
        stack.enter_context(_hold_address(settings))
        _require_free_port(settings)
        make_folder(settings)
        with report_failures():
            other = stack.enter_context(_announce(settings))
        if other is not None:
            _log.warning("%s serves the same data folder: clouds.yaml stays as it is for its clients", other)
        files = TakenFiles(settings, folder / "files")
        _run_prepare(settings, owns_clouds=other is None)
        settings = fit_to_descriptors(settings)
        _hand_down(files.name_copies(settings))
        if sys.stderr.isatty():
            click.echo(_greeting(settings, other), err=True)
        _run_workers(settings, files)


def _announce(settings: Settings) -> AbstractContextManager[str | None]:
    """See `transom.identity.served`; None with a Keystone, whose users are not in the data folder."""
    if settings.identity == "keystone":
        return nullcontext()
    return announce(settings.data_path, settings.advertised_url)


def _require_free_port(settings: Settings) -> None:
    """Granian shares a port that another server holds, in silence; a plain bind does not."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise _cannot_listen(settings, error) from None


def _hold_address(settings: Settings) -> AbstractContextManager[object]:
    """Held by one service at a time, from here to its end: until workers listen, nothing else tells a service
    that another one starts for the same address. Its name is in Linux's abstract namespace, so that a killed
    service leaves nothing behind."""
    if sys.platform != "linux" or not settings.port:
        return nullcontext()
    hold = socket.socket(socket.AF_UNIX)
    try:
        hold.bind(f"\0transom {settings.listen}")
    except OSError as error:
        hold.close()
        raise _cannot_listen(settings, error) from None
    return hold


def _cannot_listen(settings: Settings, error: OSError) -> click.ClickException:
    return click.ClickException(f"cannot listen on {settings.listen}: {error.strerror}")


def _run_prepare(settings: Settings, *, owns_clouds: bool) -> None:
    """Meanwhile a thread imports what workers need besides. They inherit it, and a package that cannot be
    imported stops the start instead of the first request that needs it."""
    with ThreadPoolExecutor(1) as beside:
        imports = beside.submit(_import_for_workers, settings)
        _prepare(settings, owns_clouds)
        imports.result()


def _import_for_workers(settings: Settings) -> None:
    """Third-party packages only: a package that two threads import at once may be found half imported."""
    # aiohttp reads the certificates of the system twice while it is imported, without the interpreter lock.
    for_identity = {"keystone": "aiohttp", "builtin": "jwt"}
    for_uploads = "oslo_utils.imageutils.format_inspector"
    for_all = ("granian", "prometheus_client.multiprocess", for_uploads)
    for name in (for_identity[settings.identity], *for_all):
        importlib.import_module(name)


def _prepare(settings: Settings, owns_clouds: bool) -> None:
    from transom.components import PreparationError
    from transom.prepare import prepare

    gc.freeze()
    gc.enable()
    with report_failures(PreparationError):
        asyncio.run(prepare(settings, owns_clouds=owns_clouds))


def _hand_down(settings: Settings) -> None:
    """Workers read their settings from the environment: give them exactly ours."""
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        del os.environ[name]
    for field in dataclasses.fields(settings):
        os.environ[ENV_PREFIX + field.name.upper()] = str(getattr(settings, field.name))
    os.environ[ENV_PREFIX + "DATA_DIR"] = str(settings.data_path)


def _greeting(settings: Settings, other: str | None) -> str:
    """`other`: the URL of the service to which clouds.yaml leads, None: to this one."""
    if settings.identity == "keystone":
        users = f"the users of {settings.keystone_auth_url}"
        return f"\n  Transom serves http://{settings.listen} to {users}\n{_console_line(settings)}"
    clouds = settings.data_path / "clouds.yaml"
    shown = Path(os.path.relpath(clouds)) if clouds.is_relative_to(Path.cwd()) else clouds
    if other is not None:
        return f"\n  Transom serves http://{settings.listen}; {shown} leads to {other}, which runs too.\n"
    return (
        f"\n  Transom serves http://{settings.listen}\n\n"
        f"{_console_line(settings)}"
        f"  export OS_CLIENT_CONFIG_FILE={shown}\n"
        "  openstack --os-cloud publisher image list\n"
    )


def _console_line(settings: Settings) -> str:
    return f"  Console: {settings.advertised_url}/console\n" if settings.has_console else ""


def _run_workers(settings: Settings, files: TakenFiles) -> None:
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings, HTTP2Settings
    from granian.log import LogLevels

    from transom.cli.supervisor import Supervisor
    from transom.process import LEAVE, READ_FILES

    _keep_signals_over_forks()
    # Until a worker listens to it.
    signal.signal(LEAVE, signal.SIG_IGN)
    signal.signal(READ_FILES, signal.SIG_IGN)
    _free_memory()
    # What workers inherit need not be looked at in them, nor be copied for that.
    gc.freeze()
    # One configuration for every logger: Granian's own handlers would write a second format.
    plain = {"version": 1, "disable_existing_loggers": False, "formatters": {}, "handlers": {}, "loggers": {}}
    supervisor = Supervisor(
        "transom.process:create_app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.auto if settings.http2 else HTTPModes.http1,
        websockets=False,
        # More wait in the kernel until there is room; nothing is accepted that could not be served.
        backpressure=settings.max_connections + room_beside(settings.max_connections),
        # The server has one time-out for both: the head of a request, and the pause before it.
        http1_settings=HTTP1Settings(header_read_timeout=settings.keep_alive_s * 1000),
        http2_settings=HTTP2Settings(max_concurrent_streams=MOST_STREAMS, max_headers_size=MOST_HEAD_BYTES),
        log_level=LogLevels(settings.log_level),
        log_dictconfig=plain,
        workers_kill_timeout=settings.stop_timeout_s,
        factory=True,
        process_name=None,
        stop_delay_s=settings.stop_delay_s,
        files=files,
    )
    try:
        supervisor.serve()
    finally:
        ignore_all()


def _free_memory() -> None:
    """Give back what the start took and needs no more. A worker would inherit it, and what it puts there it
    would hold beside the parent's."""
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # Only glibc keeps so much, and has it.
        libc.malloc_trim(0)


def _keep_signals_over_forks() -> None:
    """A worker has the handlers of its parent until it sets its own: a stop that came in between would be
    taken by the wrong handler and lost. So signals are blocked until the child has its own (`process.py`)."""

    def forget_handlers() -> None:
        for stop in STOPS:
            signal.signal(stop, signal.SIG_DFL)
        # A worker that starts after the signal reads the files as they are then.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, STOPS),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS),
        after_in_child=forget_handlers,
    )
