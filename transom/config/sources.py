"""Settings as they are given: in a file, in the environment, by flags."""

import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transom.config.checks import check
from transom.config.settings import Settings, SettingsError, secrets

ENV_PREFIX = "TRANSOM_"
#: Settings file in the working directory; TRANSOM_CONFIG or --config name another.
DEFAULT_FILE = "transom.toml"


def read_settings(environ: Mapping[str, str], flags: Mapping[str, Any], file: str | None = None) -> Settings:
    """The settings in force. `flags`: name → value, None meaning that the flag was not given.

    Raises SettingsError for a key that is not a setting, a value of the wrong type, or a value out of range.
    """
    named = file or environ.get(ENV_PREFIX + "CONFIG")
    values = _from_file(Path(named or DEFAULT_FILE), must_exist=named is not None)
    values |= _from_environ(environ)
    values |= {name: value for name, value in flags.items() if value is not None}
    settings = Settings(**values)
    check(settings)
    return settings


def override(settings: Settings, **flags: Any) -> Settings:
    """The settings with a verb's own flags on top; None: the flag was not given."""
    changed = dataclasses.replace(settings, **{name: v for name, v in flags.items() if v is not None})
    check(changed)
    return changed


def _from_file(path: Path, must_exist: bool) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"{path}: no such settings file") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from None
    for name, value in found.items():
        _require_known(name, str(path))
        if type(value) is not _TYPES[name]:
            raise SettingsError(f"{path}: {name} must be {_IN_TOML[_TYPES[name]]}")
    return _read_secrets(found)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for key, text in environ.items():
        if key.startswith(ENV_PREFIX) and key != ENV_PREFIX + "CONFIG":
            name = key[len(ENV_PREFIX) :].lower()
            _require_known(name, key)
            values[name] = _PARSERS[_TYPES[name]](key, text)
    return _read_secrets(values)


def _read_secrets(values: dict[str, Any]) -> dict[str, Any]:
    """What one source gives, with the content of files in the place of their names. A source that gives both
    is refused: to prefer one of them would leave an old secret in force in silence."""
    read = {name: value for name, value in values.items() if name not in _SECRET_FILES}
    for name in values.keys() & _SECRET_FILES.keys():
        secret = _SECRET_FILES[name]
        if secret in read:
            raise SettingsError(f"{secret} and {name} are both given: one must go")
        read[secret] = _read_secret(name, Path(values[name]))
    return read


def _read_secret(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{name}: {path}: {error.strerror}") from None
    except ValueError:
        # The name has a zero in it, or the content is no text; neither error may show what is in the file.
        raise SettingsError(f"{name}: {str(path)!r} is not the name of a text file") from None
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise SettingsError(f"{name}: {path} is empty")
    return value


def _require_known(name: str, where: str) -> None:
    if name not in _TYPES:
        close = difflib.get_close_matches(name.lower(), _TYPES, n=1)
        hint = f". Did you mean {close[0]!r}?" if close else ""
        raise SettingsError(f"{where}: there is no setting {name!r}{hint}")


def _parse_int(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{key} must be a whole number, not {text!r}") from None


def _parse_bool(key: str, text: str) -> bool:
    try:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
    except KeyError:
        raise SettingsError(f"{key} must be true or false, not {text!r}") from None


def _parse_str(_key: str, text: str) -> str:
    return text


#: What a value is called to whoever wrote one of another type into the file.
_IN_TOML = {
    int: "a whole number, without quotes",
    bool: "true or false, without quotes",
    str: "a text in quotes",
}
_PARSERS: dict[type, Callable[[str, str], Any]] = {int: _parse_int, bool: _parse_bool, str: _parse_str}
#: The settings that name the file of a secret → the secret.
_SECRET_FILES = {f"{name}_file": name for name in secrets()}
_TYPES: dict[str, type] = {f.name: type(f.default) for f in dataclasses.fields(Settings)} | dict.fromkeys(
    _SECRET_FILES, str
)
