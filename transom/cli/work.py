"""`transom work`: run jobs in a process of its own, as many of them as wanted on as many machines."""

import asyncio
import logging
import signal

import click

from transom.config import Settings
from transom.domain.errors import TransomError
from transom.telemetry import set_up_logging

_log = logging.getLogger(__name__)


@click.command()
@click.pass_obj
def work(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT; what is under way then goes on in another worker."""
    from transom.app import PreparationError

    set_up_logging(settings.log_level)
    try:
        settings.data_path.mkdir(parents=True, exist_ok=True)
        asyncio.run(_run(settings))
    except (TransomError, PreparationError) as error:
        raise click.ClickException(f"{error} {error.__cause__ or ''}".strip()) from None
    except OSError as error:
        raise click.ClickException(f"cannot use {settings.data_path}: {error}") from None


async def _run(settings: Settings) -> None:
    from transom.app import run_worker

    working = asyncio.create_task(run_worker(settings))
    loop = asyncio.get_running_loop()
    for stop in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stop, working.cancel)
    _log.info("working")
    try:
        await working
    except asyncio.CancelledError:
        _log.info("stopped")
