"""Input and outputs that whoever started the command has closed."""

import os
import sys


def open_missing() -> None:
    """Open them for nothing. Else the next file that is opened, as a database, got the number of one of them,
    and what is written there by that number."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", closefd=False))
