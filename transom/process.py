"""The life of a worker process: it starts, again while the database is away, handles signals, and ends.

`transom serve` names `create_app` to the ASGI server. What the worker consists of is `assemble.py`'s to know.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Awaitable
from functools import partial

from transom.api.dispatch import answer_not_ready
from transom.api.http import Receive, Scope, Send
from transom.assemble import App, Worker
from transom.components import open_watch
from transom.config import read_settings
from transom.domain.errors import TransomError, describe
from transom.log_output import LogOutput
from transom.telemetry import set_up_logging

_log = logging.getLogger(__name__)

#: What tells a worker that a stop was asked and will come, soon or at once.
LEAVE = signal.SIGUSR1
#: What tells a worker that other files of the operator's are in force.
READ_FILES = signal.SIGHUP
#: Pause between two tries to start, seconds.
_RETRY_S = 2.0
#: Pause between two looks whether the parent is there, seconds.
_LOOK_S = 1.0
#: From the end of the start to when the server's loop surely runs again, seconds.
_DEAF_S = 0.2


def create_app() -> App:
    """The ASGI application of one worker. Its settings come from the environment the parent prepared."""
    settings = read_settings(os.environ, {}, os.devnull)
    log_output = set_up_logging(settings.log_level, settings.log_format)
    watch = open_watch(settings)
    worker = Worker(settings, watch)
    serve: App = partial(answer_not_ready, watch)

    async def start() -> None:
        nonlocal serve
        while True:
            try:
                serve = await worker.start()
            except TransomError as error:
                # A worker that replaces another one while the database is away waits for it here.
                _log.warning("not ready yet: %s", describe(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return

    def leave() -> None:
        worker.leave()
        watch.leave()

    async def live(receive: Receive, send: Send) -> None:
        await receive()
        log_output.start()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(LEAVE, leave)
        loop.add_signal_handler(READ_FILES, worker.read_files)
        watch.start()
        watching = asyncio.create_task(_end_with_parent(worker))
        starting = asyncio.create_task(start())
        await asyncio.wait([starting], timeout=_RETRY_S)
        exit_if_broken = partial(_exit_if_broken, log_output)
        exit_if_broken(starting)
        starting.add_done_callback(exit_if_broken)
        await send({"type": "lifespan.startup.complete"})
        asyncio.get_running_loop().call_later(_DEAF_S, _unblock_stops)
        await receive()
        watching.cancel()
        starting.cancel()
        watch.close()
        await worker.stop()
        log_output.close()
        await send({"type": "lifespan.shutdown.complete"})

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """HTTP and the lifespan protocol: the server is configured to send nothing else."""
        return live(receive, send) if scope["type"] == "lifespan" else serve(scope, receive, send)

    return app


def _unblock_stops() -> None:
    """Unblock the signals to stop, with which the process was forked blocked. Between its start and its
    service the server's loop stands still for a moment, and a signal that comes then would be lost."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})


def _exit_if_broken(log_output: LogOutput, starting: asyncio.Task[None]) -> None:
    """Leave the process if the start came to an end that no waiting will mend. The ASGI server would go on
    without it, and answer nothing right; a parent that sees a worker leave can start another, or give up."""
    if starting.done() and not starting.cancelled() and (error := starting.exception()) is not None:
        _log.critical("the worker cannot start", exc_info=error)
        log_output.close()
        os._exit(1)


async def _end_with_parent(worker: Worker) -> None:
    """A worker whose parent was killed would hold the port, and nobody would ever stop it. So it looks, and
    asks itself to stop as the parent would; again and again, for a signal that meets a loop at its very start
    is lost."""
    parent = multiprocessing.parent_process()
    while parent is not None:
        await asyncio.sleep(_LOOK_S)
        if os.getppid() != parent.pid:
            worker.leave()
            os.kill(os.getpid(), signal.SIGTERM)
