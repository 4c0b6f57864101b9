"""The interface of both databases: `sqlite/` and `postgresql.py` implement it.

Statements are written once, in the subset that both speak and in PostgreSQL's words, with `$1`, `$2` … for
values. Rows come back as sequences in the order of the statement's columns. A driver's own errors never leave
those modules: a database that cannot answer is `UnavailableError`, one with no room left `StoreFullError`.
"""

from collections.abc import Awaitable, Callable, Generator, Hashable, Sequence
from contextvars import Context, ContextVar, copy_context
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

Row = Sequence[Any]
Result = TypeVar("Result")


#: On whose behalf the database is asked: the project whose request, job or webhook the task at hand serves
#: (the user, where there is no project), None: the service itself. Those that wait for the database are
#: served in turn by it.
TENANT: ContextVar[str | None] = ContextVar("tenant", default=None)
#: The refusal of a request that has waited for the database too long.
TOO_MANY = "Too many requests wait for the database."


def context_of(tenant: str | None) -> Context:
    """The context of a new task that works on the tenant's behalf. Without one a task works on behalf of whom
    the task that starts it does."""
    context = copy_context()
    context.run(TENANT.set, tenant)
    return context


class EventInsert(NamedTuple):
    """An `insert into outbox` that reads the rows which a statement returns, as `changed` with these columns;
    it has `$n` of its own. It says `join changed on`, where it joins them with one thing, or `from changed`:
    on SQLite their values take their place, row by row."""

    sql: str
    values: tuple[Any, ...]
    columns: tuple[str, ...]


class Statement(NamedTuple):
    """A statement's text and the values of its `$n`. `required`: a guard, it must return a row. `is_lock`: it
    only takes a lock; SQLite, which has one writer, skips it and returns no rows. `frees_room`: it
    prepares a deletion or ends the use of data, and goes on when the disk is full. `events`: events made of
    the returned rows, inserted atomically with the statement and without a further round trip. `key`: the
    columns of its table's key, which are its first values, of one that makes or changes the row of this key
    and returns columns of it: SQLite then needs no RETURNING.
    """

    sql: str
    values: tuple[Any, ...]
    required: bool = False
    is_lock: bool = False
    frees_room: bool = False
    events: tuple[EventInsert, ...] = ()
    key: tuple[str, ...] = ()

    @property
    def verb(self) -> str:
        """Its first six letters."""
        return self.sql.lstrip()[:6]

    @property
    def is_event(self) -> bool:
        """Whether it changes nothing else."""
        return self.sql.lstrip().startswith("insert into outbox")

    @property
    def appends_events(self) -> bool:
        return bool(self.events) or self.is_event


#: A transaction that decides as it goes: it yields statements, is sent the rows of each, and returns.
Script = Generator[Statement, list[Row], Result]

#: What a script yields between two long pieces of its own work: nothing is asked, and where it runs on the
#: event loop, others go on first.
PAUSE = Statement("", (), is_lock=True)
#: Rows of a piece.
_ROWS_AT_ONCE = 2000


def read_each(rows: list[Row], read: Callable[[Row], Result]) -> Script[list[Result]]:
    """What `read` makes of each row, in pieces. A part of a script."""
    found: list[Result] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        if start:
            yield PAUSE
        found += map(read, rows[start : start + _ROWS_AT_ONCE])
    return found


class Arm(NamedTuple):
    """A select without its end, and the order in which an index has its rows."""

    sql: str
    order: str


class SqlDialect(Hashable, Protocol):
    """What the two databases spell differently. `returns_joined`: whether an update returns columns of what
    it is joined with."""

    returns_joined: bool

    def json_has_element(self, column: str, value: str) -> str:
        """True when the JSON array in `column` holds the string `value`."""
        ...

    def json_has_pair(self, column: str, key: str, value: str) -> str:
        """True when the JSON object in `column` has the string `value` under `key`."""
        ...

    def json_text(self, column: str, key: str) -> str:
        """The string under a key that is spelt out, as an index may have it; null where there is none."""
        ...

    def json_has_key(self, column: str, key: str) -> str:
        """True when the JSON object in `column` has anything under `key`."""
        ...

    def merge(self, arms: Sequence[Arm], keys: Sequence[str], order: str, limit: str) -> str:
        """The first rows of all arms together, each once, of which no more are read than it takes. `keys`:
        columns in which no two different rows are alike, and which the `order` is made of."""
        ...


class Place(NamedTuple):
    """Where a database lives. `id`: no copy of the database has the same, unless a whole disk or server was
    copied. `file`: that of an embedded database."""

    id: str
    file: Path | None = None


class Database(Protocol):
    """Reads see every write that was answered before. A write is durable when its call returns."""

    @property
    def dialect(self) -> SqlDialect: ...

    async def read(self, sql: str, *values: Any) -> list[Row]:
        """Run a statement that an index makes short, whatever the size of the tables."""
        ...

    async def scan(self, sql: str, *values: Any) -> list[Row]:
        """Run a reading statement that may take long, without holding up other requests.

        Only some run at once, and of these only a part for one TENANT: one with many statements makes itself
        wait, not others (`fair_semaphore.py`). Returns in a turn of that TENANT, as of `take_turn`.
        """
        ...

    async def take_turn(self) -> None:
        """Return when the TENANT may begin a long piece of work on what it has read."""
        ...

    def use_turns(self, take: Callable[[str], Awaitable[None]]) -> None:
        """From now on turns are taken by `take`."""
        ...

    async def write(self, sql: str, *values: Any) -> list[Row]:
        """Run one statement that changes rows, whole or not at all; its RETURNING rows."""
        ...

    async def transact(self, *statements: Statement) -> list[list[Row]] | None:
        """Run the statements in one transaction, all or none; the rows of each.

        None when a required statement returned no row: then nothing was changed.
        """
        ...

    async def run(self, make_script: Callable[[], Script[Result]]) -> Result:
        """Run a script in one transaction, beside the event loop as far as the database can; what it returns.

        An error that it raises takes everything back. It may be made and run again when it met others half
        way, so it has no effects but its statements. Scripts that lock several rows of a table do so by
        `for update` in the order of their keys, images before members: so they cannot deadlock.
        """
        ...

    def on_events(self, wake: Callable[[], None]) -> None:
        """From now on call `wake` after each commit of this process that may have appended events."""
        ...

    async def require_writable(self) -> None:
        """Raise UnavailableError unless the database takes writes now; within a few seconds."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the last write found no room on a disk that only the database sees."""
        ...

    def now_us(self) -> int:
        """The time by the database's clock, microseconds since the epoch. To be asked by way of
        `transom.clock`."""
        ...

    async def read_clock(self) -> float:
        """Ask the database for its time, for `now_us` to go by from now on; how many seconds it is ahead of
        this machine's clock, negative: behind it."""
        ...

    async def find_place(self) -> Place:
        """Where the database that answers now lives."""
        ...

    async def close(self) -> None: ...


#: How a migration is known that is run in pieces, and which images the next one is about, given the last id
#: of the one before. Where several write at once the images are locked, so that none changes meanwhile; in
#: SQLite a piece is one statement.
IN_PIECES = "$1"
NEXT_PIECE = "select id from image where id > $1 order by id limit 1000 for share"


class SchemaHistory(Protocol):
    """What `migrate.py` asks of a database."""

    async def run_script(self, script: str, version: int) -> bool:
        """Apply `script` and record `version` in one transaction, under a lock against other migrators.

        A script with the places `$1` and `$2` is one statement about the images whose ids are past the first
        and up to the second: it is run for some after the others, so that nobody waits for all of them. When
        it was cut short, it is run for all of them again.

        False, and nothing done, when `version` or a later one is recorded already.
        """
        ...

    async def schema_version(self) -> int:
        """The last recorded version; 0 for an empty database."""
        ...

    async def list_indexes(self) -> list[str]:
        """The names of all indexes."""
        ...

    async def change_indexes(self, script: str) -> None:
        """Run a script that makes indexes that are missing, or drops some, beside readers and writers where
        the database can."""
        ...
