"""The process of `web_source.py`: serves one file at every path, until it is killed.

Arguments: the port, the file, after how many bytes of it an answer stops and waits (-1: none does), and what
it does then: `hold` (nothing more comes) or `drip` (fifty bytes a second).
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LONGEST_LIFE_S = 300.0
BYTES_A_SECOND = 50


def main(port: int, path: Path, hold_after: int, *, drips: bool) -> None:
    data = path.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if hold_after < 0:
                self.wfile.write(data)
                return
            self.wfile.write(data[:hold_after])
            if not drips:
                threading.Event().wait(LONGEST_LIFE_S)
            for start in range(hold_after, len(data)):
                self.wfile.write(data[start : start + 1])
                threading.Event().wait(1 / BYTES_A_SECOND)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    # A test that was cut off leaves nobody to kill it.
    threading.Timer(LONGEST_LIFE_S, server.shutdown).start()
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), drips=sys.argv[4] == "drip")
