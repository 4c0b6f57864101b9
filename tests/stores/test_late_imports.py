"""Nobody waits until a worker has loaded a library that only another one's request needs."""

import json
import subprocess
import sys

import pytest

#: Each ends with an error of ours: nothing listens on port 9.
_CALLS = {
    "what a user names": """
from transom.domain.outbound import HookRules
from transom.outbound import Poster
rules = HookRules(schemes=frozenset({"http"}), hosts=frozenset({"127.0.0.1"}))
call = Poster(rules, 30).post("http://127.0.0.1:9/", b"", {})
""",
    "a service of the cloud": """
from transom.identity.catalog import ask
call = ask("GET", "http://127.0.0.1:9/", "", {}, "away")
""",
}
_WATCHED = """
import asyncio, json, sys, threading
from transom.domain.errors import TransomError

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            print(json.dumps(threading.current_thread() is threading.main_thread()))

{call}
sys.meta_path.insert(0, Watch())
try:
    asyncio.run(call)
except TransomError:
    sys.exit(0)
sys.exit("it was reached")
"""


@pytest.mark.parametrize("kind", _CALLS)
def test_a_large_library_is_imported_beside_the_event_loop(kind: str) -> None:
    command = [sys.executable, "-c", _WATCHED.replace("{call}", _CALLS[kind])]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    is_in_loop = [json.loads(line) for line in done.stdout.splitlines()]
    assert is_in_loop == [False]
