"""Where log lines go: stderr, which may take nothing for a while.

A pipe whose reader hangs (journald, the program of a container, a stopped terminal) and a file on a disk that
hangs hold up whoever writes to them. So a process that serves hands its lines to a thread; the others, which
fork and may have none, look first whether there is room. What finds none is lost, counted, and told of.
"""

import os
import queue
import select
import stat
import threading
from collections.abc import Callable, Sequence
from functools import cache

#: Lines that wait for the output, bytes; further ones are lost.
MOST_WAITING = 1 << 20
#: How long a process without a thread for this waits for the output, and each at its end, seconds.
_PATIENCE_S = 1.0


class LogOutput:
    """Takes batches of lines. May be used in threads and in handlers of signals."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self._room = select.poll()
        self._room.register(fd, select.POLLOUT)
        #: A handler of a signal may come in between.
        self._lock = threading.RLock()
        self._batches: queue.SimpleQueue[Sequence[bytes] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._waiting = 0
        #: Lines since the last that was told of.
        self._lost = 0
        #: Whether the output took nothing when it was last tried, and whether it took a part of a line last.
        self._is_stuck = False
        self._is_cut = False
        #: Whether a thread hangs in it for good.
        self._is_given_up = False
        #: A line that says how many are missing before it.
        self.tell_lost: Callable[[int], bytes] | None = None
        #: Told of lines that are lost.
        self.count_lost: Callable[[int], None] = _count_nothing

    def forget_others(self) -> None:
        """In a process that was forked: the threads of the other one, which may have been at work, are not
        here."""
        self._lock = threading.RLock()

    def start(self) -> None:
        """From now on nobody waits for the output but a thread. For a process that forks no more."""
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # The machine has no room for one.
            return
        self._thread = thread

    def close(self) -> None:
        """Have the thread write what waits, for a while, and end it. Lines may follow all the same."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._batches.put(None)
        thread.join(_PATIENCE_S)
        self._is_given_up = thread.is_alive()

    def write(self, lines: Sequence[bytes]) -> None:
        """Whole lines. The thread is woken once for all of them: each time costs as much as several lines."""
        if not lines:
            return
        with self._lock:
            if self._is_given_up or self._waiting > MOST_WAITING:
                self._lose(len(lines))
                return
            if self._thread is not None:
                lines = [*self._take_lost(), *lines]
                self._waiting += sum(map(len, lines))
                self._batches.put(lines)
                return
        if self._has_room():
            self._write_now([*self._take_lost(), *lines], has_room=self._has_room)
        else:
            self._lose(len(lines))

    def _run(self) -> None:
        while (lines := self._batches.get()) is not None:
            self._write_now(lines, has_room=lambda: True)
            with self._lock:
                self._waiting -= sum(map(len, lines))

    def _write_now(self, lines: Sequence[bytes], has_room: Callable[[], bool]) -> None:
        text = b"".join([b"\n", *lines] if self._is_cut else lines)
        done = 0
        try:
            while done < len(text) and has_room():
                done += os.write(self._fd, text[done : self._end_of_piece(text, done)])
        except OSError:  # A full log disk stops the log, not the service.
            pass
        if done:
            self._is_cut = not text.endswith(b"\n", 0, done)
        if rest := text[done:].lstrip(b"\n"):
            self._lose(rest.count(b"\n"))

    def _end_of_piece(self, text: bytes, start: int) -> int:
        """Up to where to write at once: whole lines, as many as a pipe takes in one piece, so that those of
        several workers do not mix (pipe(7), PIPE_BUF). A file takes any number of them so."""
        end = start + select.PIPE_BUF
        if self._is_file or end >= len(text):
            return len(text)
        # A longer line goes in parts.
        last = text.rfind(b"\n", start, end)
        return end if last < 0 else last + 1

    def _has_room(self) -> bool:
        """Waits for room, unless there was none before."""
        patience_ms = 0 if self._is_stuck else _PATIENCE_S * 1000
        self._is_stuck = not self._room.poll(patience_ms)
        return not self._is_stuck

    def _lose(self, count: int) -> None:
        with self._lock:
            self._lost += count
        self.count_lost(count)

    def _take_lost(self) -> list[bytes]:
        with self._lock:
            lost, self._lost = self._lost, 0
        return [self.tell_lost(lost)] if lost and self.tell_lost is not None else []


@cache
def output_to(fd: int) -> LogOutput:
    """The one of this process that writes there."""
    output = LogOutput(fd)
    os.register_at_fork(after_in_child=output.forget_others)
    return output


def _count_nothing(_lines: int) -> None:
    """The default of `count_lost`."""
