"""An S3 service that means harm, or is broken: what it says is never more than it may be."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
from harness.loopback import Handler, LoopbackServer

from transom.domain.errors import UnavailableError
from transom.domain.stores import StoreInfo, StoreKind
from transom.stores import s3_bucket, s3_requests
from transom.stores.s3 import S3Store
from transom.stores.s3_credentials import Keys
from transom.stores.s3_requests import Bucket, RefusedError, abort_uploads

KEY = "image-blob"
DATA = bytes(range(200))
MIB = 1 << 20
_BEGUN = (
    b"<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key><UploadId>1</UploadId>"
    b"</InitiateMultipartUploadResult>"
)
_COMPLETED = (
    b"<CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>key</Key><ETag>whole</ETag>"
    b"</CompleteMultipartUploadResult>"
)
_COPIED = (
    b"<CopyObjectResult><ETag>copy</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    b"</CopyObjectResult>"
)


class Liar(LoopbackServer):
    """`lie`: what it does."""

    def __init__(self) -> None:
        self.lie = ""
        self.ended = threading.Event()
        self.removed: list[str] = []
        liar = self

        class OfLiar(_Lying):
            site = liar

        super().__init__(OfLiar)


class _Lying(Handler):
    site: Liar

    def respond(self) -> None:
        with suppress(OSError):
            getattr(self, f"_{self.site.lie}")()
        self.close_connection = True

    def _endless_list(self) -> None:
        self._begin()
        for _ in range(1000):
            self.wfile.write(b"<Upload>" * 8192)

    def _list_in_circles(self) -> None:
        self.answer(200, b"<NextContinuationToken>again</NextContinuationToken>")

    def _dripping_list(self) -> None:
        self._begin()
        while not self.site.ended.wait(0.05):
            self.wfile.write(b" ")

    def _begin(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _longer_part(self) -> None:
        self._begin(206, Content_Range=f"bytes 0-99/{len(DATA)}", ETag='"e"')
        self.wfile.write(DATA)

    def _whole_for_a_part(self) -> None:
        self.answer(200, DATA, {"ETag": '"e"'})

    def _other_part(self) -> None:
        self.answer(206, DATA[50:150], {"Content-Range": f"bytes 50-149/{len(DATA)}", "ETag": '"e"'})

    def _shorter_part(self) -> None:
        self._begin(206, Content_Range=f"bytes 0-99/{len(DATA)}", ETag='"e"')
        self.wfile.write(DATA[:50])

    def _dripping_part(self) -> None:
        """A byte now and then: never silent, and never done."""
        self._begin(206, Content_Range=f"bytes 0-99/{len(DATA)}", Content_Length="100", ETag='"e"')
        for number in range(99):
            self.wfile.write(DATA[number : number + 1])
            if self.site.ended.wait(0.05):
                return
        self.site.ended.wait(60)

    def _error_with_200(self) -> None:
        self._read_body()
        self.answer(200, b"<Error><Code>InternalError</Code></Error>")

    def _error_with_200_at_the_end(self) -> None:
        """Of an upload in parts."""
        self._read_body()
        if self.command == "POST" and "uploads" in self.path:
            self.answer(200, _BEGUN)
        elif self.command == "PUT":
            self.answer(200, b"", {"ETag": '"part"'})
        elif self.command == "POST":
            self.answer(200, b"<Error><Code>InternalError</Code></Error>")
        else:
            self.answer(204, b"")

    def _lost_object(self) -> None:
        self._say_it_is_stored()

    def _lost_part(self) -> None:
        """The object is there, and shorter than what was sent."""
        self._say_it_is_stored(str(5 * MIB))

    def _lost_copy(self) -> None:
        is_copy = "aside" in self.path
        if self.command == "HEAD":
            headers = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Content-Length": "0"}
            self.answer(404 if is_copy else 200, b"", headers)
        elif self.command == "PUT":
            self.answer(200, _COPIED)
        else:
            self.site.removed.append(self.path)
            self.answer(200, b"")

    def _say_it_is_stored(self, size: str | None = None) -> None:
        self._read_body()
        if self.command == "HEAD":
            headers = {"ETag": '"e"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            self.answer(
                *((404, b"") if size is None else (200, b"")), headers | {"Content-Length": size or "0"}
            )
        elif self.command == "POST":
            self.answer(200, _BEGUN if "uploads" in self.path else _COMPLETED)
        else:
            self.answer(200, b"", {"ETag": '"part"'})

    def _read_body(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))


@pytest.fixture
def liar() -> Iterator[Liar]:
    with Liar() as liar:
        yield liar
        liar.ended.set()


@pytest.mark.parametrize("lie", ["endless_list", "dripping_list"])
def test_a_list_of_uploads_is_not_read_for_ever(
    liar: Liar, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    monkeypatch.setattr(s3_requests, "_ANSWER_S", 1)
    liar.lie = lie

    with pytest.raises((RefusedError, OSError)):
        abort_uploads(Bucket(liar.origin, "/bucket", "us-east-1", "key", "secret"), KEY)


@pytest.mark.anyio
async def test_a_list_of_objects_that_goes_in_circles_ends(liar: Liar) -> None:
    liar.lie = "list_in_circles"

    with pytest.raises(UnavailableError):
        _ = [blob async for blob in open_store(liar).list_blobs()]


def open_store(liar: Liar) -> S3Store:
    options = {"endpoint": liar.origin, "region": "us-east-1", "part_size_mib": "5", "retry_s": "1"}
    info = StoreInfo(id="cold", kind=StoreKind.S3, address="bucket", options=options)
    return S3Store(info, Keys(access_key="key", secret_key="secret"))


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(MIB)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("lie", "count"),
    [
        ("error_with_200", 1),
        ("error_with_200_at_the_end", 11),
        ("lost_object", 1),
        ("lost_object", 11),
        ("lost_part", 1),
        ("lost_part", 11),
    ],
)
async def test_a_blob_that_the_service_did_not_take_is_not_taken_for_stored(
    liar: Liar, lie: str, count: int
) -> None:
    liar.lie = lie

    with pytest.raises(UnavailableError):
        await open_store(liar).put(KEY, chunks(count))


@pytest.mark.anyio
async def test_a_blob_that_drips_is_given_up(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would hold the place of a job for ever."""
    monkeypatch.setattr(s3_bucket, "_PIECE_S", 1)
    liar.lie = "dripping_part"

    with pytest.raises(UnavailableError):
        [chunk async for chunk in open_store(liar).get(KEY, 0, 100)]


@pytest.mark.anyio
async def test_what_is_moved_stays_until_the_service_has_the_copy(liar: Liar) -> None:
    liar.lie = "lost_copy"

    with pytest.raises(UnavailableError):
        await open_store(liar).set_aside(KEY)

    assert liar.removed == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    "lie", ["longer_part", "whole_for_a_part", "other_part", "shorter_part", "error_with_200"]
)
async def test_no_other_bytes_are_passed_off_as_those_that_were_asked_for(liar: Liar, lie: str) -> None:
    liar.lie = lie
    store, got = open_store(liar), b""

    with suppress(UnavailableError):
        async for chunk in store.get(KEY, 0, 100):
            got += chunk
        got += b", and that is all"

    assert DATA[:99].startswith(got)
