"""Keys to S3 stores: of a profile in a shared credentials file, as AWS's own tools keep them.

    [north]
    aws_access_key_id = …
    aws_secret_access_key = …

Whatever is wrong with the file is told without a word of it: any line of it may be a secret.
"""

import configparser
import os
from dataclasses import dataclass, field
from pathlib import Path

_DEFAULT_FILE = "~/.aws/credentials"
_ACCESS_KEY, _SECRET_KEY, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What requests are signed with. `token`: what comes with keys lent for a time; None of others."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def credentials_file(named: str) -> str:
    """The file that is named, or the one where AWS's tools would look."""
    return named or os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or _DEFAULT_FILE


def read_profile(file: str, profile: str) -> Keys:
    """The profile's keys. ValueError with a text that names the file, and what is missing there."""
    # No interpolation: a secret may have a % in it. And no section whose values all others inherit.
    found = configparser.RawConfigParser(default_section="")
    try:
        found.read_string(Path(file).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except RuntimeError:  # `~` of a user without a home.
        raise ValueError(f"{file} cannot be read: there is no home folder") from None
    except (UnicodeDecodeError, configparser.Error) as error:
        raise ValueError(f"{file} is malformed: {type(error).__name__}{_line_of(error)}") from None
    if not found.has_section(profile):
        raise ValueError(f"{file} has no profile {profile!r}")
    values = {name: value.strip() for name, value in found.items(profile)}
    for name in (_ACCESS_KEY, _SECRET_KEY):
        if not values.get(name):
            raise ValueError(f"{file} has no {name} in its profile {profile!r}")
    return Keys(
        access_key=values[_ACCESS_KEY], secret_key=values[_SECRET_KEY], token=values.get(_TOKEN) or None
    )


def _line_of(error: Exception) -> str:
    """The line of the file that is wrong, as far as the parser tells it."""
    several = getattr(error, "errors", None)
    line = several[0][0] if several else getattr(error, "lineno", None)
    return f" in line {line}" if line is not None else ""
