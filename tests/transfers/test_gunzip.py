"""gzip data of any members, cut anywhere, is what was packed; what is no gzip data is refused."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transom.domain.errors import ContentRefusedError
from transom.transfers.gunzip import gunzip

MIB = 1 << 20
members = st.binary(max_size=400) | st.integers(0, 2 * MIB).map(bytes)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def unpack(chunks: list[bytes]) -> list[bytes]:
    async def give() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> list[bytes]:
        return [block async for block in gunzip(give())]

    return asyncio.run(collect())


@settings(max_examples=50)
@given(
    st.lists(st.tuples(members, st.integers(1, 9), st.integers(0, 700)), min_size=1, max_size=5),
    st.integers(20, 5000),
)
def test_members_with_zeros_between_are_unpacked_wherever_they_are_cut(
    packed: list[tuple[bytes, int, int]], chunk_size: int
) -> None:
    data = b"".join(gzip.compress(member, level) + bytes(zeros) for member, level, zeros in packed)

    blocks = unpack(cut(data, chunk_size))

    assert b"".join(blocks) == b"".join(member for member, _, _ in packed)
    assert all(0 < len(block) <= MIB for block in blocks)


@pytest.mark.parametrize("padding", [b"", b"\0"], ids=["side by side", "a zero between"])
@pytest.mark.parametrize("chunk_size", [MIB, 4097])
def test_very_many_small_members_are_unpacked(padding: bytes, chunk_size: int) -> None:
    numbers = [f"{number}\n".encode() for number in range(100_000)]
    data = b"".join(gzip.compress(number, 1) + padding for number in numbers)

    assert b"".join(unpack(cut(data, chunk_size))) == b"".join(numbers)


def test_members_without_a_byte_are_passed_over() -> None:
    assert unpack([gzip.compress(b"") * 100_000 + gzip.compress(b"end")]) == [b"end"]


@pytest.mark.parametrize("chunk_size", [1, 7, MIB])
@pytest.mark.parametrize("missing", [1, 8, 9, 20])
def test_data_that_is_cut_short_is_refused(missing: int, chunk_size: int) -> None:
    data = gzip.compress(b"whole") + gzip.compress(b"x" * 1000)

    with pytest.raises(ContentRefusedError, match="cut short"):
        unpack(cut(data[:-missing], chunk_size))


@pytest.mark.parametrize("chunk_size", [1, 7, MIB])
@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b" + b"x" * 100,
        gzip.compress(b"whole") + b"no gzip data",
        gzip.compress(b"x" * 1000)[:-5] + b"xxxxx",
    ],
    ids=["no member", "something behind", "another checksum"],
)
def test_damaged_data_is_refused(data: bytes, chunk_size: int) -> None:
    with pytest.raises(ContentRefusedError, match="damaged"):
        unpack(cut(data, chunk_size))
