"""All settings go to what reads them or puts a process together; all else gets the few that it needs."""

import typing
from pathlib import Path

import pytest

from transom.api import options as api_options
from transom.config import Settings
from transom.transfers.options import ImportOptions, PluginOptions

from .sources import PACKAGE, imports

#: Below `transom/`; its top-level modules assemble (`assemble.py`, `components.py`, …).
READERS = ("config/", "cli/")
#: Made by `select`.
SELECTED = (
    api_options.AccountOptions,
    api_options.BodyLimits,
    api_options.CorsOptions,
    api_options.ImageOptions,
    api_options.ImsLimits,
    api_options.ListOptions,
    api_options.ShareLimits,
    api_options.Site,
    api_options.TaskOptions,
    ImportOptions,
    PluginOptions,
)


def _takes_all(source: Path) -> bool:
    return any(name == "Settings" and module.startswith("transom.config") for module, name in imports(source))


def test_only_what_assembles_is_handed_all_settings() -> None:
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if _takes_all(path)}

    assert {name for name in found if "/" in name and not name.startswith(READERS)} == set()
    assert {"assemble.py", "components.py"} <= found


@pytest.mark.parametrize("kind", SELECTED, ids=lambda kind: kind.__name__)
def test_a_record_of_settings_has_them_under_their_own_names_and_types(kind: type) -> None:
    types = typing.get_type_hints(Settings)
    for name, annotation in typing.get_type_hints(kind).items():
        reading = getattr(Settings, name, None)
        if isinstance(reading, property):
            found = typing.get_type_hints(reading.fget)["return"]
        else:
            found = types[name]
        assert found == annotation, name
