"""Landlock: which files the worker may open, by the kernel, for this thread and every later one, for good.

Source: the kernel's `Documentation/userspace-api/landlock.rst` and `include/uapi/linux/landlock.h`. Every right that
the running version knows is handled, so that what is not granted is denied: from ABI 2 moving files between
directories, from 3 truncating, from 4 TCP, from 5 device controls, from 6 abstract sockets and signals to processes
outside. It doesn't bound `stat` (which files exist, how large they are), nor modes, owners and times of files: seccomp
refuses those that change something.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from auditkit.models.worker.syscalls import LANDLOCK_ADD, LANDLOCK_CREATE, LANDLOCK_RESTRICT

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << n for n in range(6))
MAKE_DIR, MAKE_REG = 1 << 7, 1 << 8
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15

READ = READ_FILE | READ_DIR
#: No links, pipes, sockets or devices are made there, and nothing is run.
OWN = READ | WRITE_FILE | TRUNCATE | MAKE_DIR | MAKE_REG | REMOVE_DIR | REMOVE_FILE
DEVICE = READ_FILE | READ_DIR | WRITE_FILE | IOCTL_DEV

_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_KNOWN_FS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _SCOPES = 0b11, 0b11
_GET_VERSION, _PATH_BENEATH = 1, 1


@dataclass(frozen=True)
class Grant:
    """A file, or a directory with all beneath it, and what may be done there."""

    path: str
    rights: int = READ


def abi() -> int:
    """The version of Landlock that this kernel runs; 0 where there is none, or it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(LANDLOCK_CREATE, None, 0, _GET_VERSION))


def handled(version: int) -> tuple[int, int, int]:
    """What that version can deny: file rights, network rights, scopes."""
    return _KNOWN_FS[min(version, 5)], _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0


def restrict(grants: Iterable[Grant]) -> int:
    """Deny this thread, and all that it starts, everything but `grants`. Paths that are absent are left out.

    The version that did it. Needs `no_new_privs`. Raises `OSError`: no Landlock here, or it refused.
    """
    version = abi()
    if version == 0:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    files, network, scopes = handled(version)
    fields = (files, network, scopes)[: 1 if version < 4 else 2 if version < 6 else 3]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _checked(LANDLOCK_CREATE, attributes, len(attributes), 0)
    try:
        for grant in grants:
            _add(ruleset, grant, files)
        _checked(LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _add(ruleset: int, grant: Grant, known: int) -> None:
    try:
        descriptor = os.open(grant.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        rights = grant.rights & known & (known if directory else _FOR_FILES)
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(LANDLOCK_ADD, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def _checked(*arguments: int | bytes) -> int:
    result = _call(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _call(*arguments: int | bytes | None) -> int:
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return int(function(*words))
