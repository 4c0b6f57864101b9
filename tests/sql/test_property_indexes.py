"""Indexes of properties: made when they are missing, and dropped when nobody wants them."""

import asyncio

import pytest

from transom.sql.db import Database
from transom.sql.property_indexes import make_property_indexes

from .databases import Tap, write_world

pytestmark = pytest.mark.anyio


async def test_indexes_are_made_once_and_dropped_when_others_are_wanted(db: Database) -> None:
    first = await make_property_indexes(db, ["os_distro", "hw:bus.x-1"], drops=False)
    again = await make_property_indexes(db, ["os_distro"], drops=False)
    dropped = await make_property_indexes(db, ["os_distro"], drops=True)
    rest = await make_property_indexes(db, [], drops=True)

    assert (len(first), again, len(dropped), len(rest)) == (8, [], 4, 4)
    assert {*dropped, *rest} == {*first}


async def test_processes_that_start_at_once_make_them_together(db: Database, neighbour: Database) -> None:
    await asyncio.gather(
        *(make_property_indexes(one, ["os_distro"], drops=False) for one in (db, neighbour, db))
    )

    assert await make_property_indexes(db, ["os_distro"], drops=True) == []
    await write_world(db, [], [])


async def test_a_start_without_properties_asks_the_database_nothing(db: Database) -> None:
    await make_property_indexes(db, ["os_distro"], drops=False)
    tap = Tap(db)

    assert await make_property_indexes(tap, [], drops=False) == []

    assert tap.asked == []
    assert len(await make_property_indexes(db, [], drops=True)) == 4
