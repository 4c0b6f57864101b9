"""Logs and metrics: lines on stderr, as JSON or for people; Prometheus counters over all worker processes.

Knows neither HTTP nor the database; `api/dispatch.py` tells it of each request.
"""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from transom.liveness import Liveness, is_abandoned
from transom.log_output import LogOutput, output_to
from transom.threads import Threads

_encode = msgspec.json.Encoder().encode
#: Upper bounds of the request time histogram, seconds.
BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
#: Those of the event loop's delays: its clock counts milliseconds.
_DELAYS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_ACCESS = "transom.access"
#: Of a request's method and path, characters that its line shows: a client sends as many as it likes.
_SHOWN_METHOD = 32
_SHOWN_PATH = 2_048
#: How long the line of a request waits for those of others, seconds.
_LINES_TOGETHER_S = 0.01
#: How long the text of /metrics is not made again, as a multiple of what it took.
_REST = 4
#: How the names of folders with counters begin.
_METRICS = "transom-metrics-"

#: (route, method, status, seconds) → None
ObserveRequest = Callable[[str, str, int, float], None]

#: (message, fields) of each line → None
WriteLines = Callable[[Iterable[tuple[str, dict[str, object]]]], None]


#: The fields of a line, in order → the line without its end.
FormatLine = Callable[[dict[str, Any]], bytes]


def _format_text(line: dict[str, Any]) -> bytes:
    """For people. What stands in a line may come from strangers: no control character reaches a terminal."""
    rest = dict(line)
    moment = datetime.fromisoformat(rest.pop("time")).astimezone()
    level, logger = rest.pop("level"), rest.pop("logger")
    exception = rest.pop("exception", None)
    if logger == _ACCESS:
        request = f"{rest.pop('status')} {rest.pop('method')} {rest.pop('path')} {rest.pop('ms')} ms"
        words = [request, *_name_fields(rest)]
    else:
        words = [f"{level} {rest.pop('message')}", *_name_fields({**rest, "logger": logger})]
    text = _escape(f"{moment:%Y-%m-%d %H:%M:%S} {' '.join(words)}")
    whole = "\n".join([text, *map(_escape, exception.splitlines())]) if exception else text
    return whole.encode(errors="backslashreplace")


def _name_fields(fields: dict[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in fields.items() if value is not None]


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _format_json(line: dict[str, Any]) -> bytes:
    """For programs; people look at it on terminals, too, some of which obey the control characters that JSON
    leaves as they are, and some programs end lines at others than a line feed."""
    text = _encode(line)
    if text.isascii() and b"\x7f" not in text:
        return text
    return "".join(
        character if character.isprintable() else _escape_in_json(character) for character in text.decode()
    ).encode()


def _escape_in_json(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def choose_format(log_format: str) -> FormatLine:
    """log_format: `json`, `text`, or `auto`: text where a terminal shows it."""
    is_text = sys.stderr.isatty() if log_format == "auto" else log_format == "text"
    return _format_text if is_text else _format_json


class _LineFormatter(logging.Formatter):
    def __init__(self, format_line: FormatLine) -> None:
        super().__init__()
        self._format_line = format_line

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return self._format_line(line).decode()


class _LineHandler(logging.Handler):
    def __init__(self, output: LogOutput) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.write([self.format(record).encode(errors="backslashreplace") + b"\n"])
        except Exception:  # noqa: BLE001 (a line that cannot be made stops nobody)
            self.handleError(record)


def set_up_logging(level: str, log_format: str) -> LogOutput:
    """All loggers of the process write lines to stderr, from `level` on. Returns what takes them there."""
    output = output_to(sys.stderr.fileno())
    format_line = choose_format(log_format)

    def tell_lost(count: int) -> bytes:
        message = f"{count} lines of the log were lost: its output took no more"
        head = {"time": _timestamp(time.time()), "level": "warning", "logger": __name__}
        return format_line(head | {"message": message, "lost": count}) + b"\n"

    output.tell_lost = tell_lost
    handler = _LineHandler(output)
    handler.setFormatter(_LineFormatter(format_line))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    return output


class _Lines:
    """Lines on stderr, written past `logging`, whose record and formatter cost ten times the line."""

    def __init__(self, log_format: str) -> None:
        self._format_line = choose_format(log_format)
        self._output = output_to(sys.stderr.fileno())

    def write(self, lines: Iterable[dict[str, Any]]) -> None:
        self._output.write([self._format_line(line) + b"\n" for line in lines])


def open_lines(logger: str, log_format: str) -> WriteLines:
    """Writes frequent lines: those of a logger at level info. Writes none where that level is off."""
    if not logging.getLogger(logger).isEnabledFor(logging.INFO):
        return lambda _lines: None
    lines = _Lines(log_format)

    def write(told: Iterable[tuple[str, dict[str, object]]]) -> None:
        head = {"time": _timestamp(time.time()), "level": "info", "logger": logger}
        lines.write(head | {"message": message} | fields for message, fields in told)

    return write


class RequestLog:
    """One line a request. Those of a moment are written together: each write gives Python's lock away, and
    costs as much as several lines."""

    def __init__(self, log_format: str) -> None:
        self._lines = _Lines(log_format)
        self._waiting: list[dict[str, Any]] = []
        self._is_closed = False

    def write(
        self,
        method: str,
        path: str,
        status: int,
        seconds: float,
        request_id: str,
        client: str,
        user_id: str | None,
        project_id: str | None,
    ) -> None:
        line = {
            "time": _timestamp(time.time()),
            "level": "info",
            "logger": _ACCESS,
            "method": method[:_SHOWN_METHOD],
            "path": path[:_SHOWN_PATH],
            "status": status,
            "ms": round(seconds * 1e6) / 1000,
            "request_id": request_id,
            "client": client,
            "user_id": user_id,
            "project_id": project_id,
        }
        if not self._waiting and not self._is_closed:
            asyncio.get_running_loop().call_later(_LINES_TOGETHER_S, self._flush)
        self._waiting.append(line)
        if self._is_closed:
            self._flush()

    def close(self) -> None:
        """Write what waits, and from now on each line at once: the event loop may end before a timer."""
        self._is_closed = True
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._lines.write(waiting)


def _timestamp(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second_text(whole)}.{int((seconds - whole) * 1000):03d}Z"


_last_second: tuple[int, str] = (0, "")


def _second_text(whole: int) -> str:
    # strftime costs more than the rest of a line, and neighbouring lines share their second.
    global _last_second
    if _last_second[0] != whole:
        _last_second = (whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)))
    return _last_second[1]


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """A folder that all processes of the service share as long as it runs: for the counters of the workers,
    and what else ends with it.

    In memory where there is such a place: a counter is a mapped file, and one that the disk has no room for
    would kill the process that counts. prometheus-client reads the variable when it is first imported, so
    this runs before, in the parent.
    """
    memory = Path("/dev/shm")  # noqa: S108 (the folder in it is made anew, for this user only)
    place = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    _remove_abandoned(Path(place or tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_METRICS, dir=place) as folder:
        # Workers inherit the lock: the folder is in use for as long as one of them lives.
        ours = Liveness(Path(folder))
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        try:
            yield Path(folder)
        finally:
            ours.close()


def _remove_abandoned(place: Path) -> None:
    """What services that were killed have left in memory."""
    for folder in place.glob(_METRICS + "*"):
        if is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def open_gauge(name: str, text: str) -> Callable[[float], None]:
    """Sets a number that /metrics shows under this name, as the worker says that set it last."""
    from prometheus_client import CollectorRegistry, Gauge

    return Gauge(name, text, registry=CollectorRegistry(), multiprocess_mode="mostrecent").set


def open_gauges(name: str, text: str, label: str) -> Callable[[str, float], None]:
    """As `open_gauge`, a number for each value of the label."""
    from prometheus_client import CollectorRegistry, Gauge

    gauge = Gauge(name, text, [label], registry=CollectorRegistry(), multiprocess_mode="mostrecent")

    def set_number(value: str, number: float) -> None:
        gauge.labels(value).set(number)

    return set_number


def open_metrics() -> tuple[ObserveRequest, Callable[[str], None], Callable[[], bytes]]:
    """(observe, count_login, render): count a request of this worker; a login by its outcome; the text of
    /metrics over all workers."""
    from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

    # One histogram is count and times in one: its `_count` says how many requests there were.
    seconds = Histogram(
        "transom_request_seconds",
        "Time to answer a request, by route, method and status",
        ["route", "method", "status"],
        buckets=BUCKETS_S,
        registry=CollectorRegistry(),
    )
    # `.labels()` costs more than observing: keep the children that were asked for, their number is bounded.
    children: dict[tuple[str, str, int], Callable[[float], None]] = {}

    def observe(route: str, method: str, status: int, elapsed_s: float) -> None:
        key = (route, method, status)
        child = children.get(key)
        if child is None:
            child = children[key] = seconds.labels(route, method, str(status)).observe
        child(elapsed_s)

    # Not by name or address: those are for the log, since whoever guesses can make up as many as it likes.
    logins = Counter(
        "transom_logins",
        "Logins to the built-in identity, by outcome",
        ["outcome"],
        registry=CollectorRegistry(),
    )

    def count_login(outcome: str) -> None:
        logins.labels(outcome).inc()

    def render() -> bytes:
        collected = CollectorRegistry()
        multiprocess.MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
        return generate_latest(collected)

    return observe, count_login, render


def open_loop_delay() -> Callable[[float], None]:
    """Observes by how many seconds this worker's event loop came round late."""
    from prometheus_client import CollectorRegistry, Histogram

    return Histogram(
        "transom_event_loop_delay_seconds",
        "By how much later than asked a worker's event loop comes round, looked at a few times a second",
        buckets=_DELAYS_S,
        registry=CollectorRegistry(),
    ).observe


def watch_lost_lines() -> None:
    """Count lines of the log that this worker cannot write."""
    from prometheus_client import CollectorRegistry, Counter

    lost = Counter(
        "transom_log_lines_lost",
        "Lines of the log that were lost because its output took no more",
        registry=CollectorRegistry(),
    )
    output_to(sys.stderr.fileno()).count_lost = lost.inc


def open_closings() -> Callable[[str], None]:
    """Counts a connection that was closed by this worker, by the reason."""
    from prometheus_client import CollectorRegistry, Counter

    closings = Counter(
        "transom_connections_closed",
        "Connections closed because a client stalled or there were too many, by reason",
        ["reason"],
        registry=CollectorRegistry(),
    )

    def count_closed(reason: str) -> None:
        closings.labels(reason).inc()

    return count_closed


class Scrapes:
    """Makes the text of /metrics for whoever asks, which anybody may: in a thread, one at a time, once for
    all who ask before it is begun, and with a rest after each, so that they take a part of a core together.

    `make`: the text, of the numbers as they are; it waits for nothing that may hang. `look`: sees before it
    what numbers there are. `spent`: what a thread has computed so far, seconds.
    """

    def __init__(
        self,
        make: Callable[[], bytes],
        spent: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        look: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._make = make
        self._look = look
        self._spent = spent
        self._sleep = sleep
        self._threads = Threads("metrics", 1)
        self._is_making = asyncio.Lock()
        self._rests_until = 0.0
        #: The one that has not begun.
        self._next: asyncio.Task[bytes] | None = None

    async def render(self) -> bytes:
        if self._next is None:
            self._next = asyncio.create_task(self._render_in_turn())
        # A request that is cancelled does not cancel the text for the others.
        return await asyncio.shield(self._next)

    async def _render_in_turn(self) -> bytes:
        clock = asyncio.get_running_loop().time
        async with self._is_making:
            if (rest_s := self._rests_until - clock()) > 0:
                await self._sleep(rest_s)
            self._next = None
            if self._look is not None:
                await self._look()
            text, spent_s = await self._threads.run(self._make_counted)
            self._rests_until = clock() + spent_s * _REST
        return text

    def _make_counted(self) -> tuple[bytes, float]:
        before = self._spent()
        text = self._make()
        return text, self._spent() - before
