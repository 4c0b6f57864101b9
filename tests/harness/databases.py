"""Over which databases a test with the shared `service` runs: over both, unless it is marked by this."""

import pytest

#: For what is refused by its form, before any database is asked.
over_one_database = pytest.mark.parametrize("service", ["sqlite"], indirect=True)
