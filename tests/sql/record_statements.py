"""`python -m sql.record_statements` with PYTHONPATH=tests: record the statements of the release being made.

A worker of it goes on serving while the next release's first worker migrates the database, so each of these
must still run then (`test_upgrade.py`). `docs/releasing.md` says when to record them anew.
"""

import json
from pathlib import Path

#: Statements that the service has, by name: (SQL, values that it can be run with).
RECORD = Path(__file__).parent / "released_statements.json"


def main() -> None:
    from sql.test_statements import STATEMENTS, VALUES

    record = {name: [sql, VALUES[name]] for name, sql in sorted(STATEMENTS.items())}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
