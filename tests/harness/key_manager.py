"""A Barbican, and the catalog of a Keystone that names it, on the loopback address.

Barbican's API gives the payload of a secret only to who names the type that it was stored with. Start reading
at `KeyManager.secrets`.
"""

import json
from typing import Any

from harness.loopback import Handler, LoopbackServer


class KeyManager(LoopbackServer):
    """Serves `secrets` (id → type and payload) to the `tokens`. `is_broken`: whether it answers 500;
    `more_services`: how many others the catalog names."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = set(tokens)
        self.secrets: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []
        self.is_broken = False
        self.more_services = 0
        manager = self

        class KeyManagerHandler(Handler):
            def respond(self) -> None:
                manager.asked.append(self.path)
                if self.headers.get("X-Auth-Token") not in manager.tokens:
                    self.answer(401, b"")
                elif self.path == "/v3/auth/catalog":
                    self.answer(200, json.dumps({"catalog": manager.catalog()}).encode())
                elif manager.is_broken:
                    self.answer(500, b"")
                else:
                    self._answer_secret()

            def _answer_secret(self) -> None:
                parts = self.path.split("/")
                if parts[:4] != ["", "barbican", "v1", "secrets"] or parts[5:] != ["payload"]:
                    self.answer(404, b"")
                    return
                media_type, payload = manager.secrets.get(parts[4], ("", b""))
                if not media_type:
                    self.answer(404, b"")
                elif self.headers.get("Accept") != media_type:
                    self.answer(406, b"")
                else:
                    self.answer(200, payload, {"Content-Type": media_type})

        super().__init__(KeyManagerHandler)

    def catalog(self) -> list[dict[str, Any]]:
        url = f"{self.origin}/barbican"
        endpoints = [
            {"interface": "internal", "region": "RegionOne", "url": f"{self.origin}/internal"},
            {"interface": "public", "region": "RegionTwo", "url": f"{self.origin}/two"},
            {"interface": "public", "region": "RegionOne", "url": url},
        ]
        others = [{"type": f"other-{n}", "endpoints": []} for n in range(self.more_services)]
        return [*others, {"type": "image", "endpoints": []}, {"type": "key-manager", "endpoints": endpoints}]
