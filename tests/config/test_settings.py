"""Settings: where they come from, which source wins, and that nothing misspelt does nothing."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transom.config import Settings, SettingsError, describe, override, read_settings

HELP = [(name, help_text) for name, _, help_text in describe()]
NAMES = [name for name, _, _ in describe()]
#: A region, as each of the three sources gives it.
IN_FILE, IN_ENVIRON, AS_FLAG = ("file", "environ", "flag")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: no `transom.toml` of somebody else."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- what there is


@pytest.mark.parametrize(("name", "default", "help_text"), describe(), ids=NAMES)
def test_every_setting_has_a_default_of_a_plain_type_and_a_help_text(
    name: str, default: object, help_text: str
) -> None:
    assert type(default) in (int, bool, str)
    assert help_text.endswith(".")
    assert name == name.lower()


def test_the_defaults_alone_are_valid() -> None:
    assert read_settings({}, {}) == Settings()


@pytest.mark.parametrize(
    ("name", "unit"), [(name, name.rpartition("_")[2]) for name in NAMES if name.endswith(("_s", "_bytes"))]
)
def test_a_setting_whose_name_ends_in_a_unit_is_a_number(name: str, unit: str) -> None:
    assert type(getattr(Settings(), name)) is int
    assert unit in ("s", "bytes")


# ---- which source wins


@pytest.mark.parametrize(
    ("file", "environ", "flag", "wins"),
    [
        (None, None, None, "RegionOne"),
        (IN_FILE, None, None, IN_FILE),
        (None, IN_ENVIRON, None, IN_ENVIRON),
        (None, None, AS_FLAG, AS_FLAG),
        (IN_FILE, IN_ENVIRON, None, IN_ENVIRON),
        (IN_FILE, None, AS_FLAG, AS_FLAG),
        (None, IN_ENVIRON, AS_FLAG, AS_FLAG),
        (IN_FILE, IN_ENVIRON, AS_FLAG, AS_FLAG),
        (IN_FILE, "", None, ""),
        (IN_FILE, None, "", ""),
    ],
)
def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    file: str | None, environ: str | None, flag: str | None, wins: str
) -> None:
    Path("transom.toml").write_text(f'region = "{file}"' if file is not None else "")
    environment = {"TRANSOM_REGION": environ} if environ is not None else {}

    found = read_settings(environment, {"region": flag})

    assert found.region == wins


_numbers = st.none() | st.integers(1, 99)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.dictionaries(st.sampled_from(["workers", "database_pool", "api_limit_max"]), _numbers),
    environ=st.dictionaries(st.sampled_from(["workers", "database_pool", "api_limit_max"]), _numbers),
    flags=st.dictionaries(st.sampled_from(["workers", "database_pool", "api_limit_max"]), _numbers),
)
def test_each_setting_takes_the_last_source_that_gives_it(
    file: dict[str, int | None], environ: dict[str, int | None], flags: dict[str, int | None]
) -> None:
    in_file, in_environ, as_flags = (
        {name: value for name, value in source.items() if value is not None}
        for source in (file, environ, flags)
    )
    Path("transom.toml").write_text("\n".join(f"{name} = {value}" for name, value in in_file.items()))

    found = read_settings(
        {f"TRANSOM_{name.upper()}": str(value) for name, value in in_environ.items()}, flags
    )

    wanted: dict[str, Any] = {**in_file, **in_environ, **as_flags}
    assert found == Settings(**wanted)


def test_a_verbs_own_flag_wins_over_all() -> None:
    found = override(read_settings({"TRANSOM_WORKERS": "2"}, {}), workers=3, listen=None)

    assert (found.workers, found.listen) == (3, Settings().listen)


# ---- the file


def test_the_file_of_the_flag_wins_over_the_one_the_environment_names() -> None:
    Path("one.toml").write_text('region = "one"')
    Path("two.toml").write_text('region = "two"')

    named = read_settings({"TRANSOM_CONFIG": "one.toml"}, {})
    flagged = read_settings({"TRANSOM_CONFIG": "one.toml"}, {}, "two.toml")

    assert (named.region, flagged.region) == ("one", "two")


@pytest.mark.parametrize("environ", [{}, {"TRANSOM_CONFIG": "absent.toml"}])
def test_a_named_file_that_is_not_there_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"absent\.toml: no such settings file"):
        read_settings(environ, {}, None if environ else "absent.toml")


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("workers = ", "transom.toml"),
        ("\xff\x00", "transom.toml"),
        ("no_such = 1", "there is no setting 'no_such'"),
        ('Workers = "2"', r"there is no setting 'Workers'\. Did you mean 'workers'\?"),
        ("imagesize_cap = 1", r"there is no setting 'imagesize_cap'\. Did you mean 'image_size_cap'\?"),
        ("[server]\nworkers = 2", "there is no setting 'server'"),
        ('workers = "2"', "workers must be a whole number, without quotes"),
        ("workers = true", "workers must be a whole number, without quotes"),
        ("workers = 2.0", "workers must be a whole number, without quotes"),
        ("access_log = 1", "access_log must be true or false, without quotes"),
        ("region = 1", "region must be a text in quotes"),
    ],
)
def test_a_file_with_anything_wrong_in_it_is_an_error_that_names_it(text: str, refusal: str) -> None:
    Path("transom.toml").write_text(text, encoding="latin-1")

    with pytest.raises(SettingsError, match=refusal) as raised:
        read_settings({}, {})

    assert "transom.toml" in str(raised.value)


def test_a_folder_in_place_of_the_file_is_an_error() -> None:
    Path("folder.toml").mkdir()

    with pytest.raises(SettingsError, match=r"folder\.toml"):
        read_settings({}, {}, "folder.toml")


# ---- the environment


@pytest.mark.parametrize("name", ["TRANSOM_NO_SUCH", "TRANSOM_", "TRANSOM_WORKER"])
def test_a_variable_that_is_no_setting_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: "1"}, {})


def test_a_variable_of_somebody_else_is_left_alone() -> None:
    assert read_settings({"PATH": "x", "OS_REGION": "y", "transom_workers": "9"}, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("TRUE", True),
        ("1", True),
        ("yes", True),
        ("false", False),
        ("False", False),
        ("0", False),
        ("no", False),
    ],
)
def test_a_switch_is_told_in_words_or_digits(text: str, value: bool) -> None:
    assert read_settings({"TRANSOM_METRICS": text}, {}).metrics is value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRANSOM_METRICS", "on"),
        ("TRANSOM_METRICS", ""),
        ("TRANSOM_METRICS", "2"),
        ("TRANSOM_WORKERS", ""),
        ("TRANSOM_WORKERS", "two"),
        ("TRANSOM_WORKERS", "1.5"),
    ],
)
def test_a_variable_of_the_wrong_type_is_an_error_that_names_it(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({name: text}, {})


@pytest.mark.parametrize(("name", "default", "_help"), describe(), ids=NAMES)
def test_every_setting_can_be_handed_down_through_the_environment(
    name: str, default: object, _help: str
) -> None:
    """As `transom serve` does for its workers."""
    found = read_settings({f"TRANSOM_{name.upper()}": str(default)}, {}, os.devnull)

    assert found == Settings()


# ---- values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", -1),
        ("database_pool", 0),
        ("stop_timeout_s", 0),
        ("token_lifetime_s", 0),
        ("limit_param_default", 0),
        ("api_limit_max", 0),
        ("image_size_cap", -1),
        ("user_storage_quota", -1),
        ("upload_memory_bytes", (40 << 20) - 1),
        ("json_body_limit", 0),
        ("upload_lease_s", 2),
        ("scrub_pace_bytes_s", -1),
        ("scrub_pause_h", -1),
        ("max_request_id_length", 0),
        ("identity", "ldap"),
        ("log_level", "loud"),
        ("hashing_algorithm", "crc32"),
        ("listen", ""),
        ("listen", "9292"),
        ("listen", ":9292"),
        ("listen", "localhost:"),
        ("listen", "localhost:http"),
        ("listen", "localhost:65536"),
        ("listen", "localhost:-1"),
        ("listen", "localhost:²"),
        ("indexed_properties", "os_distro,it's"),
        ("indexed_properties", 'hw"disk'),
        ("stores", "fast"),
        ("stores", "fast=file://fast"),
        ("stores", "web=http://"),
        ("default_store", "fast"),
        ("database", "mysql://host/db"),
        ("database", "transom.db"),
        ("database", "postgresql://[host/db"),
        ("public_endpoint", "images.example.org"),
        ("public_endpoint", "ftp://images.example.org"),
        ("public_endpoint", "http://[images"),
        ("public_endpoint", 'http://images", realm="x'),
        ("trusted_proxies", "nginx"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "10.0.0.0/8, *"),
        ("allowed_networks", "10.0.0.1/8"),
        ("disallowed_networks", "example.org"),
        ("keep_alive_s", 0),
        ("cors_max_age_s", -1),
        ("cors_allowed_origins", "https://horizon.example/"),
        ("cors_allowed_origins", "horizon.example"),
        ("cors_allowed_origins", "https://Horizon.example"),
        ("cors_allowed_origins", "https://a.example https://b.example"),
    ],
)
def test_a_value_that_a_setting_cannot_have_is_an_error_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({}, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stores", "fast=file:///srv/fast?weight=1, slow=file:///srv/slow"),
        ("default_store", "local"),
        ("image_member_quota", -1),
        ("image_property_quota", 0),
        ("image_size_cap", 0),
        ("listen", "[::1]:9292"),
        ("listen", "0.0.0.0:0"),
        ("database", "postgres://host/db"),
        ("database", "sqlite:////var/lib/transom.db"),
        ("public_endpoint", "https://images.example.org/glance"),
        ("cors_allowed_origins", "https://horizon.example, http://[::1]:8080, *, null"),
        ("trusted_proxies", "10.0.0.0/8, 192.0.2.7, fd00::/8"),
    ],
)
def test_a_value_that_a_setting_can_have_is_taken(name: str, value: Any) -> None:
    assert getattr(read_settings({}, {name: value}), name) == value


@given(
    name=st.sampled_from(
        ["listen", "database", "public_endpoint", "trusted_proxies", "identity", "workers", "metrics"]
    ),
    text=st.text(),
)
def test_no_text_whatever_makes_reading_a_setting_fail_otherwise(name: str, text: str) -> None:
    with contextlib.suppress(SettingsError):
        read_settings({f"TRANSOM_{name.upper()}": text}, {}, os.devnull)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:9292", "127.0.0.1", 9292), ("[::1]:80", "::1", 80), ("images:0", "images", 0)],
)
def test_the_address_to_listen_on_has_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    found = read_settings({}, {"listen": listen})

    assert (found.host, found.port) == (host, port)


def test_the_database_lies_in_the_data_folder_unless_told(tmp_path: Path) -> None:
    found = read_settings({}, {"data_dir": "here"})

    assert found.database_url == f"sqlite:///{tmp_path / 'here' / 'transom.db'}"


#: What has no default.
KEYSTONE = {
    "keystone_auth_url": "https://keystone.example/v3",
    "keystone_username": "transom",
    "keystone_password": "secret",
    "keystone_project_name": "service",
}


@pytest.mark.parametrize("identity", re.findall(r"builtin|keystone", dict(HELP)["identity"]))
def test_an_identity_that_the_help_text_names_can_be_chosen(identity: str) -> None:
    assert read_settings({}, {**KEYSTONE, "identity": identity}).identity == identity


@pytest.mark.parametrize("database", ["mysql://root:secret@host/db", "x://:secret@[", "secret"])
def test_what_is_wrong_with_a_database_is_told_without_its_password(database: str) -> None:
    with pytest.raises(SettingsError, match="database must start with") as raised:
        read_settings({}, {"database": database})

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["s3_access_key", "s3_secret_key"])
def test_one_of_a_pair_of_keys_is_an_error_that_does_not_show_it(name: str) -> None:
    with pytest.raises(SettingsError, match="s3_access_key and s3_secret_key") as raised:
        read_settings({}, {name: "the key"})

    assert "the key" not in str(raised.value)


@pytest.mark.parametrize("name", sorted(KEYSTONE))
def test_keystone_cannot_be_chosen_without_what_it_needs(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_settings({}, {**KEYSTONE, "identity": "keystone", name: ""})


def test_the_catalog_of_a_keystone_is_not_ours_to_change() -> None:
    with pytest.raises(SettingsError, match="catalog_ims_endpoint is for the built-in catalog"):
        read_settings({}, {**KEYSTONE, "identity": "keystone", "catalog_ims_endpoint": True})


@pytest.mark.parametrize(
    "url",
    ["ftp://keystone/v3", "keystone:5000", 'http://k/"v3', "http://k/\nv3", "http://[/v3", "http://u:p@k/v3"],
)
def test_the_url_of_keystone_must_be_one_that_clients_can_be_told(url: str) -> None:
    with pytest.raises(SettingsError, match="keystone_auth_url"):
        read_settings({}, {**KEYSTONE, "identity": "keystone", "keystone_auth_url": url})


def test_limits_of_keystone_are_refused_without_a_keystone() -> None:
    with pytest.raises(SettingsError, match="use_keystone_limits needs identity to be keystone"):
        read_settings({}, {"use_keystone_limits": True})


def test_certificates_of_barbican_need_keystone() -> None:
    with pytest.raises(SettingsError, match="image_signature_barbican needs identity to be keystone"):
        read_settings({}, {"image_signature_barbican": True})
    assert read_settings({}, {**KEYSTONE, "identity": "keystone", "image_signature_barbican": True})


@pytest.mark.parametrize(
    ("name", "value"),
    [("image_count_quota", 0), ("user_storage_quota", 1)],
)
def test_limits_of_keystone_do_not_go_with_settings_that_they_make_void(name: str, value: object) -> None:
    given = {**KEYSTONE, "identity": "keystone", "use_keystone_limits": True, name: value}

    with pytest.raises(SettingsError, match=name):
        read_settings({}, given)
