"""What waits for the writer: statements that belong together, or a script, and who asked for them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from transom.sql.db import TENANT, Script, Statement
from transom.sql.sqlite.connection import renamed


class Unit:
    """Statements that belong together, or a script, and the future that waits for the outcome: the rows of
    each statement (None: a guard failed), or what the script returned."""

    __slots__ = (
        "error",
        "future",
        "is_second_try",
        "make_script",
        "makes_others_wait",
        "outcome",
        "removes",
        "statements",
        "tenant",
    )

    def __init__(
        self,
        future: asyncio.Future[Any],
        statements: Sequence[Statement] = (),
        make_script: Callable[[], Script[Any]] | None = None,
    ) -> None:
        self.future = future
        self.statements = statements
        self.make_script = make_script
        self.outcome: Any = None
        self.error: Exception | None = None
        self.is_second_try = False
        #: Whether it may be long: then it has a transaction of its own, beside the event loop.
        self.makes_others_wait = make_script is not None
        self.tenant = TENANT.get()
        #: Whether it has removed a row, or failed when it was about to; None before it has run.
        self.removes: bool | None = None

    def forget(self) -> None:
        """What it did was taken back, and it is to run again."""
        self.outcome = self.error = self.removes = None

    def appends_events(self) -> bool:
        return any(statement.appends_events for statement in self.statements)

    @property
    def is_light(self) -> bool:
        """Whether it changes something by its last statement alone, whose events may stand before it."""
        return not self.makes_others_wait and all(one.is_event for one in self.statements[:-1])

    def inserts(self) -> bool:
        """Rows that are no events."""
        return any(one.verb == "insert" and not one.is_event for one in self.statements)

    def takes_away(self) -> bool:
        """Before it has run: whether it may. Of a script that shows when it has."""
        if any(statement.frees_room for statement in self.statements):
            return True
        if self.removes is not None:
            return self.removes
        return any(statement.verb == "delete" for statement in self.statements)


def is_gone(unit: Unit) -> bool:
    """Whether nobody waits for it any more, before it has begun."""
    return unit.future.cancelled()


def settle(unit: Unit) -> None:
    if unit.future.cancelled():
        return
    if unit.error is not None:
        told = renamed(unit.error)
        if told is not unit.error:
            told.__cause__ = unit.error
        unit.future.set_exception(told)
    else:
        unit.future.set_result(unit.outcome)
