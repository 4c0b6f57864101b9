"""`transom work`: run jobs in a process of its own, as many of them as wanted on as many machines."""

import asyncio
import logging
import signal
from functools import partial

import click

from transom.cli.failures import make_folder, report_failures
from transom.cli.installation import reported_imports, require_installed
from transom.cli.signals import STOPS, ignore_all
from transom.cli.taken_files import TakenFiles
from transom.config import Settings
from transom.telemetry import runtime_folder, set_up_logging

_log = logging.getLogger(__name__)


@click.command()
@click.pass_obj
def work(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT; other workers then continue them."""
    require_installed()
    log_output = set_up_logging(settings.log_level, settings.log_format)
    with reported_imports():
        # The parsers of image formats, which every import needs.
        import transom.data.inspection  # noqa: F401
        from transom.components import PreparationError

    make_folder(settings)
    log_output.start()
    try:
        with runtime_folder() as folder, report_failures(PreparationError):
            asyncio.run(_run(settings, TakenFiles(settings, folder / "files")))
    finally:
        log_output.close()


async def _run(settings: Settings, files: TakenFiles) -> None:
    from transom.assemble import run_worker
    from transom.operator_files import Reloads

    loop = asyncio.get_running_loop()

    reloads = Reloads()
    files.on_taken = partial(loop.call_soon_threadsafe, reloads.say)
    loop.add_signal_handler(signal.SIGHUP, files.take_again)
    working = asyncio.create_task(run_worker(files.name_copies(settings), reloads))

    def end(*_signal: object) -> None:
        # Once: another one would break off what puts the jobs back. A handler of the loop's could not be
        # replaced without a moment in which a signal ends the process.
        ignore_all()
        loop.call_soon_threadsafe(working.cancel)

    for stop in STOPS:
        signal.signal(stop, end)
    _log.info("working")
    try:
        await working
    except asyncio.CancelledError:
        _log.info("stopped")
