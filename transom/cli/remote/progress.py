"""A bar for what takes a while, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Task


@contextmanager
def transfer_bar(text: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; yields a function to call with the number of bytes moved."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        """In the unit of the sizes beside it; that of rich counts in thousands."""

        def render(self, task: "Task") -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed / (1 << 20):.1f} MiB/s" if speed is not None else "")

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=size)
        yield lambda count: progress.advance(task, count)
