"""Figures, the lines they are held against, and the table. Knows nothing of what is measured."""

import dataclasses
import statistics
from collections.abc import Sequence

#: How a note begins that makes the figures of its line worth nothing.
WRONG = "WRONG: "
#: Samples further apart than this (largest / smallest) make a figure doubtful.
NOISY_SPREAD = 1.5
#: Processor cores that strangers may use during a sample before we mention it.
NOISY_CORES = 0.3


@dataclasses.dataclass(frozen=True)
class Figure:
    """The samples of one quantity, one for each round, all in the same unit."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def is_noisy(self) -> bool:
        return max(self.samples) > NOISY_SPREAD * min(self.samples)

    def __str__(self) -> str:
        low, middle, high = (_short(value) for value in (min(self.samples), self.median, max(self.samples)))
        return f"{low} / {middle} / {high}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bound:
    """What a line must meet. `dream`: what we would like, None if that is all."""

    limit: float
    is_upper: bool
    dream: float | None = None

    def __str__(self) -> str:
        dream = "" if self.dream is None else f" (dream {_short(self.dream)})"
        return f"{'<=' if self.is_upper else '>='} {_short(self.limit)}{dream}"

    def is_met_by(self, value: float) -> bool:
        return value <= self.limit if self.is_upper else value >= self.limit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table.

    against: what `measured` is divided by, and its figure; None when the bound is for the figure itself.
    value: what the bound is for; None when it could not be measured, and then a note says why.
    """

    name: str
    unit: str
    measured: Figure | None
    bound: Bound
    value: float | None
    against: tuple[str, Figure] | None = None
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What makes the line doubtful."""
        found = []
        named = [("measured", self.measured), *([self.against] if self.against else [])]
        for name, figure in named:
            if figure is not None and figure.is_noisy:
                found.append(f"doubtful: {name} varies by more than {NOISY_SPREAD:g} between rounds")
        return found


def at_most(limit: float, dream: float | None = None) -> Bound:
    return Bound(limit=limit, is_upper=True, dream=dream)


def at_least(limit: float, dream: float | None = None) -> Bound:
    return Bound(limit=limit, is_upper=False, dream=dream)


def compare(
    name: str,
    unit: str,
    measured: Figure,
    against: tuple[str, Figure],
    bound: Bound,
    notes: Sequence[str] = (),
) -> Line:
    """The line whose bound is for the ratio of two medians."""
    return Line(
        name=name,
        unit=unit,
        measured=measured,
        bound=bound,
        value=measured.median / against[1].median,
        against=against,
        notes=tuple(notes),
    )


def note_strangers(other_cores: Sequence[float]) -> list[str]:
    """A note when other processes took much of the machine while samples were taken."""
    busiest = max(other_cores, default=0.0)
    if busiest <= NOISY_CORES:
        return []
    return [
        f"other processes used {statistics.median(other_cores):.1f} cores (median), {busiest:.1f} at most"
    ]


def render(lines: Sequence[Line]) -> str:
    """The table, with the notes (-) and warnings (!) below it."""
    heading = ("", "min / median / max", "against (min / median / max)", "ratio", "line", "")
    rows = [heading, *(_cells(line) for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    remarks = [f"- {line.name}: {note}" for line in lines for note in line.notes]
    remarks += [f"! {line.name}: {warning}" for line in lines for warning in line.warnings]
    return "\n".join(row.rstrip() for row in [*table, *([""] if remarks else []), *remarks])


def render_markdown(lines: Sequence[Line]) -> str:
    """The same table for a document."""
    rows = [("", "measured", "against", "ratio", "line", ""), ("---",) * 6, *map(_cells, lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    measured = "n/a" if line.measured is None else f"{line.measured} {line.unit}"
    against = "" if line.against is None else f"{line.against[0]}: {line.against[1]}"
    ratio = "" if line.against is None or line.value is None else f"{line.value:.2f}"
    return line.name, measured, against, ratio, str(line.bound), _judge(line)


def _judge(line: Line) -> str:
    if any(note.startswith(WRONG) for note in line.notes):
        return "WRONG"
    if line.value is None:
        return "n/a"
    return "met" if line.bound.is_met_by(line.value) else "NOT MET"


def _short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
