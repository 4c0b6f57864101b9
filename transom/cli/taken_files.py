"""Copies of the operator's files, which are in force: made at the start of a process, and again on SIGHUP."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from transom.cli.failures import report_failures
from transom.config import Settings, SettingsError
from transom.config.copied_files import CopiedFiles
from transom.operator_files import check_files, name_files

_log = logging.getLogger(__name__)


class TakenFiles:
    """The copies."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """`folder`: for the copies, is made. Ends the command with an error if a file cannot be used."""
        folder.mkdir(mode=0o700)
        self._files = CopiedFiles(folder, name_files(settings))
        with report_failures(SettingsError):
            self._files.take(check_files)
        #: One entry for each request to copy them again.
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        #: Called, in a thread, after they were copied again.
        self.on_taken: Callable[[], object] = _do_nothing

    def name_copies(self, settings: Settings) -> Settings:
        """The settings with the copies in the place of the files."""
        return self._files.name_copies(settings)

    def take_again(self) -> None:
        """Have the files copied as they are now, by a thread: their disk may hang. Does not wait for it."""
        self._asked.put(None)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="operator files", daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:
                self._thread = None
                _log.error("the operator's files stay as they were: %s", error)

    def _run(self) -> None:
        while True:
            self._asked.get()
            # One copy serves all requests that were made before it begins.
            with suppress(queue.Empty):
                while True:
                    self._asked.get_nowait()
            try:
                self._files.take(check_files)
            except Exception as error:  # noqa: BLE001 (no room for copies, a mistake in a file, or of ours)
                _log.error("the operator's files stay as they were: %s", error)
            else:
                self.on_taken()
                _log.info("the operator's files were taken into force again")


def _do_nothing() -> None:
    """The default of `on_taken`."""
