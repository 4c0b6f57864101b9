"""An S3 service that means harm, or is broken: what it says is never more than it may be."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from harness.loopback import Handler, LoopbackServer

from transom.domain.errors import UnavailableError
from transom.domain.stores import StoreInfo, StoreKind
from transom.stores import s3_uploads
from transom.stores.s3 import S3Store
from transom.stores.s3_credentials import Keys
from transom.stores.s3_uploads import Bucket, RefusedError, abort_uploads

KEY = "image-blob"
DATA = bytes(range(200))


class Liar(LoopbackServer):
    """`lie`: what it does."""

    def __init__(self) -> None:
        self.lie = ""
        self.ended = threading.Event()
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

    def _error_with_200(self) -> None:
        self.answer(200, b"<Error><Code>InternalError</Code></Error>")


@pytest.fixture
def liar() -> Iterator[Liar]:
    with Liar() as liar:
        yield liar
        liar.ended.set()


@pytest.mark.parametrize("lie", ["endless_list", "dripping_list"])
def test_a_list_of_uploads_is_not_read_for_ever(
    liar: Liar, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    monkeypatch.setattr(s3_uploads, "_ANSWER_S", 1)
    liar.lie = lie

    with pytest.raises((RefusedError, OSError)):
        abort_uploads(Bucket(liar.origin, "/bucket", "us-east-1", "key", "secret"), KEY)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "lie", ["longer_part", "whole_for_a_part", "other_part", "shorter_part", "error_with_200"]
)
async def test_no_other_bytes_are_passed_off_as_those_that_were_asked_for(liar: Liar, lie: str) -> None:
    liar.lie = lie
    options = {"endpoint": liar.origin, "region": "us-east-1"}
    info = StoreInfo(id="cold", kind=StoreKind.S3, address="bucket", options=options)
    store = S3Store(info, Keys(access_key="key", secret_key="secret"))
    got = b""

    with suppress(UnavailableError):
        async for chunk in store.get(KEY, 0, 100):
            got += chunk
        got += b", and that is all"

    assert DATA[:99].startswith(got)
