"""The process above the workers: it replaces those that end, and stops all of them."""

import logging
import multiprocessing
import os
import time
from contextlib import suppress
from typing import Any

from granian.server.mp import MPServer

from transom.cli.signals import Wakeup
from transom.cli.taken_files import TakenFiles
from transom.process import LEAVE, READ_FILES

_log = logging.getLogger(__name__)

#: A worker that ended before it was so old has ended soon, seconds.
_SOON_S = 5.0
#: Pause before such a worker is replaced, and longest between two looks what there is to do, seconds.
_PAUSE_S = 1.0


class Supervisor(MPServer):
    """Granian's, but for four things: SIGHUP replaces no worker; a stop is announced to the workers before
    it begins; and neither a worker that is killed again and again nor one that cannot be replaced for a while
    takes another one along."""

    def __init__(self, *args: Any, stop_delay_s: float, files: TakenFiles, **options: Any) -> None:
        """`stop_delay_s`: from the announcement of a stop to its beginning. `files` are taken again on
        SIGHUP. The rest: as of `MPServer`."""
        super().__init__(*args, **options)
        # Granian's is an Event, which its handlers of signals set.
        self.main_loop_interrupt = Wakeup()  # type: ignore[assignment] # has all that is asked of an Event
        self._stop_delay_s = stop_delay_s
        self._files = files
        self._must_take_files = self._are_files_new = False
        files.on_taken = self._note_files

    def signal_handler_reload(self, *_signal: object) -> None:
        """On SIGHUP. The workers go on: to replace them would end long transfers. The main loop does it: to
        start a thread takes locks that this thread may hold."""
        self._must_take_files = True
        self.main_loop_interrupt.set()

    def _note_files(self) -> None:
        """Called in a thread. The main loop, which alone starts workers, tells them to read the files."""
        self._are_files_new = True
        self.main_loop_interrupt.set()

    def shutdown(self, exit_code: int = 0) -> None:
        """Tell the workers that a stop was asked, so that whoever waits for events is answered, and stop them
        later; a second signal ends the delay."""
        if self.interrupt_signal:
            signal_workers(LEAVE)
            if self._stop_delay_s:
                self.main_loop_interrupt.clear()
                self.main_loop_interrupt.wait(self._stop_delay_s)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _serve_loop(self, *spawn: Any) -> None:
        """Replace workers that end until a stop is asked, or until no worker can start: one that ended by
        itself soon after its start did so again, and none serves beside it.

        Granian's loop ends the service as soon as a worker ended twice within seconds, though it was killed
        for want of memory and others serve on.
        """
        failed: set[int] = set()
        missing: list[int] = []
        while not self.interrupt_signal:
            # With a limit: Python handles signals in this thread only, and one that the system gave to
            # another thread does not wake it.
            self.main_loop_interrupt.wait(_PAUSE_S)
            self.main_loop_interrupt.clear()
            if self._must_take_files:
                self._must_take_files = False
                self._files.take_again()
            if self._are_files_new:
                self._are_files_new = False
                signal_workers(READ_FILES)
            ended = self._take_ended()
            soon = {idx for idx in ended if self._age_s(idx) < _SOON_S}
            # Others were ended by a signal (negative), which says nothing about the next start.
            unable = {idx for idx in soon if self.wrks[idx].inner.exitcode >= 0}
            if unable & failed and not self._serves():
                _log.critical("no worker can start")
                self.interrupt_children += ended  # Which makes the exit status 1.
                return
            failed = failed - set(ended) | unable
            if soon:
                self.main_loop_interrupt.wait(_PAUSE_S)
            if not self.interrupt_signal:
                missing = [idx for idx in missing + ended if not self._replace(idx, *spawn)]

    def _replace(self, idx: int, target: Any, callback_loader: Any) -> bool:
        """Start a worker in the place of one that ended. False when the machine has no room for it now: no
        memory, process, thread or descriptor. The others serve on meanwhile."""
        worker: Any = self._spawn_worker(idx=idx, target=target, callback_loader=callback_loader)
        try:
            worker.start()
        except (OSError, RuntimeError) as error:
            _log.error("worker-%d cannot be replaced now: %s", idx + 1, error)
            if worker.inner.pid is not None:  # Nobody would watch over it.
                worker.kill()
                worker.join()
            return False
        self.wrks[idx] = worker
        return True

    def _take_ended(self) -> list[int]:
        """The workers that ended, by their places; threads of Granian's add others meanwhile."""
        return [self.interrupt_children.pop() for _ in range(len(self.interrupt_children))]

    def _age_s(self, idx: int) -> float:
        return float(time.monotonic() - self.wrks[idx].birth)

    def _serves(self) -> bool:
        """Whether a worker lives that did not end soon."""
        return any(one.inner.is_alive() and self._age_s(one.idx) >= _SOON_S for one in self.wrks)


def signal_workers(number: int) -> None:
    """Send all workers the signal. One that ends meanwhile is passed over: a thread of Granian's waits for
    each, after which there is no such process."""
    for child in multiprocessing.active_children():
        with suppress(ProcessLookupError):
            os.kill(child.pid or 0, number)
