"""Over which databases a test with the shared `service` runs: over both, unless it is marked by this."""

import pytest

#: For what is refused by its form, before any database is asked.
over_one_database = pytest.mark.parametrize("service", ["sqlite"], indirect=True)


def over_one(fixture: str) -> pytest.MarkDecorator:
    """The same of a service by this fixture, for what another server does: a refusal, an absence."""
    return pytest.mark.parametrize(fixture, ["sqlite"], indirect=True)
