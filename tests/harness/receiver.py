"""A receiver of webhooks on this machine: it verifies, and keeps what it is sent."""

from __future__ import annotations

import json
import queue
import threading
from typing import Any

from standardwebhooks import Webhook

from harness.loopback import Handler, LoopbackServer


class Received:
    """One request. `events`: those of its body."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        found = json.loads(body)
        self.events: list[dict[str, Any]] = found if isinstance(found, list) else [found]

    def verify(self, secret: str) -> None:
        """WebhookVerificationError unless it was signed with the secret just now."""
        Webhook(secret).verify(self.body, self.headers)


class Receiver(LoopbackServer):
    """Answers with `status`, and the headers `more`, each of which can be changed at any time; holds each
    request up while `may_answer` is not set."""

    def __init__(self) -> None:
        self.status = 200
        self.more: dict[str, str] = {}
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._received: queue.Queue[Received] = queue.Queue()
        receiver = self

        class Receiving(Handler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = receiver.status
                receiver._received.put(Received(headers, body))
                receiver.may_answer.wait(30)
                self.answer(status, b"what nobody is shown", receiver.more)

        super().__init__(Receiving)

    def take(self, seconds: float = 30) -> Received:
        """The next request, in the order in which they came."""
        return self._received.get(timeout=seconds)

    @property
    def is_empty(self) -> bool:
        return self._received.empty()
