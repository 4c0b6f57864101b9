"""What Linux tells of a connection by its descriptor, and how to end one (tcp(7), TCP_INFO; tty_ioctl(4)).

The descriptors are the HTTP server's, which may close one at any moment: each look works on what is there,
and nothing is closed but a duplicate.
"""

import fcntl
import os
import socket
import struct
import termios
from typing import NamedTuple

#: Of `struct tcp_info` (linux/tcp.h): bytes_acked and bytes_received.
_COUNTERS = struct.Struct("=QQ")
_COUNTERS_AT = 120
_TCP_INFO_BYTES = _COUNTERS_AT + _COUNTERS.size
_INT = struct.Struct("i")
#: SO_LINGER: on, for 0 seconds: what was not taken is thrown away.
_NO_LINGER = struct.pack("ii", 1, 0)


class Sample(NamedTuple):
    """What the kernel tells. `received`, `acked`: bytes since the start; `unread`: came and wait for the
    server; `unsent`: the client has not taken them yet."""

    received: int
    acked: int
    unread: int
    unsent: int


def read_sample(fd: int) -> Sample | None:
    """None for a descriptor that was closed meanwhile."""
    try:
        own = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
    except OSError:
        return None
    try:
        info = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        acked, received = _COUNTERS.unpack_from(info, _COUNTERS_AT)
        return Sample(received, acked, _ask(fd, termios.FIONREAD), _ask(fd, termios.TIOCOUTQ))
    except (OSError, struct.error):
        return None
    finally:
        own.detach()


def _ask(fd: int, request: int) -> int:
    answer: int = _INT.unpack(fcntl.ioctl(fd, request, bytes(_INT.size)))[0]
    return answer


def close_socket(fd: int, inode: int, *, forget: bool) -> bool:
    """End the connection of the descriptor; whether it was still that socket. `forget`: throw away what the
    client does not take."""
    try:
        # A duplicate is the same socket, and the server cannot close it in the midst of this.
        with socket.socket(fileno=os.dup(fd)) as own:
            if os.fstat(own.fileno()).st_ino != inode:
                return False
            if forget:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            own.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    return True
