"""Standard input, output and error, which the process that starts a command may have closed."""

import os
import sys


def open_missing() -> None:
    """Open the null device in the place of each that is closed. Otherwise the next file that is opened, such
    as the database, gets its number, and what is meant for standard output or error is written into it."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            # It gets the lowest number that is free, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", closefd=False))
