"""Run a command in which the kernel ends every process that asks for a socket other than a local one.

`python -m tests.no_network COMMAND ...`: the filter holds for the command and all that it starts, in whatever language.
It is written here again, apart from the sandbox of the worker, so that the one does not vouch for the other.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

#: (audit architecture, number of socket(2)), from the kernel's linux/audit.h and unistd.h.
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000
_AF_UNIX = 1
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER_MODE = 38, 22, 2


def available() -> bool:
    """Whether this kernel and machine can do it."""
    return sys.platform == "linux" and platform.machine() in _MACHINES and os.path.exists("/proc/sys/kernel/seccomp")


def _program() -> bytes:
    architecture, socket = _MACHINES[platform.machine()]
    steps = [
        (_LOAD, 0, 0, 4),  # architecture
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),  # number of the call
        (_EQUAL, 0, 3, socket),
        (_LOAD, 0, 0, 16),  # its first argument: the family
        (_EQUAL, 1, 0, _AF_UNIX),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def forbid() -> None:
    """Apply the filter to this process and its children. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(_program())
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", (len(code) - 1) // 8, ctypes.addressof(code)))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER_MODE, program, 0, 0):
        raise OSError(ctypes.get_errno(), "the filter could not be applied")


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
