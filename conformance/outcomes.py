"""Turn the stream of results that Tempest writes (subunit, on standard input) into a line of JSON a test.

This runs in Tempest's environment, which alone has the libraries, and is started as a file: it must import
nothing of ours.
"""

import json
import sys
from typing import Any

import subunit
import testtools

#: Statuses that are no result: a test that is known of, or has begun.
_OPEN = frozenset({"exists", "inprogress"})
#: What is no result at all but was printed between results gets this for its name.
_NOISE = "(output)"


def main() -> None:
    sink = testtools.StreamToDict(write_outcome)
    sink.startTestRun()
    subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name=_NOISE).run(sink)
    sink.stopTestRun()


def write_outcome(test: dict[str, Any]) -> None:
    if test["status"] in _OPEN:
        return
    details = {name: content.as_text() for name, content in test["details"].items()}
    if test["id"] == _NOISE:
        sys.stderr.write("".join(details.values()))
        return
    detail = details.get("reason") or "\n".join(
        text for name, text in details.items() if name.startswith("traceback")
    )
    outcome = {"test": test["id"], "status": test["status"], "detail": detail}
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
