"""A program that forks `python -m transom …`: a process with its imports behind it.

`preloaded.py DESCRIPTOR MODULE…`: each connection to that socket is one process. It says in one line of JSON
what to run (arguments, folder, environment, and the files that are its three streams), and is told the
process's id in one line and its exit status in another. What is forked is as `subprocess.Popen` would make
it: it leads a session, and has nothing open but its streams. The program ends with its standard input.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import runpy
import selectors
import signal
import socket
import sys
from typing import Any


def main() -> None:
    descriptor, *modules = sys.argv[1:]
    for name in modules:
        __import__(name)
    # No fork looks for garbage in what was imported, not even when it ends.
    gc.freeze()
    call = _serve(int(descriptor))
    if call is not None:
        _become(call)


def _serve(descriptor: int) -> dict[str, Any] | None:
    """Returns in each process that is forked, with what that is to run; None when no more are wanted."""
    running: dict[int, socket.socket] = {}
    wake_to, wake_from = socket.socketpair()
    wake_to.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_to.fileno())
    with socket.socket(fileno=descriptor) as listener, selectors.DefaultSelector() as selector:
        for source in (listener, wake_from, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    return None
                if key.fileobj is wake_from:
                    wake_from.recv(4096)
                    _tell_ends(running)
                    continue
                connection, _ = listener.accept()
                with connection.makefile("r") as lines:
                    call: dict[str, Any] = json.loads(lines.readline())
                child = os.fork()
                if not child:
                    return call
                running[child] = connection
                connection.sendall(b"%d\n" % child)


def _tell_ends(running: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            # Whoever started it may have gone.
            with running.pop(child) as connection, contextlib.suppress(OSError):
                connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(call: dict[str, Any]) -> None:
    """The process that was asked for."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    writing = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    opened = [
        os.open(call["input"], os.O_RDONLY),
        os.open(call["output"], writing, 0o666),
        os.open(call["errors"], writing, 0o666),
    ]
    for target, source in enumerate(opened):
        os.dup2(source, target)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.path[0] = call["folder"]
    sys.argv = ["transom", *call["arguments"]]
    runpy.run_module("transom", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
