"""The worker's filter of system calls: a list of what may be called, everything else fails with EPERM.

Applied once the libraries are imported and before the model's file is opened, to all threads at once. What it stops:
new processes and programs, sockets of any kind, other processes (signals, ptrace, their memory), changes of owners,
modes and times of files (which Landlock doesn't bound), namespaces and mounts, kernel interfaces with a history
(io_uring, bpf, userfaultfd, perf, keyrings), and any call newer than the list.

Executable memory stays allowed: oneDNN compiles its kernels while it computes. It gives nothing that the filter would
not see: what such memory runs has to ask the kernel, too.
"""

from __future__ import annotations

import ctypes
import errno
import os

from auditkit.models.worker import syscalls
from auditkit.models.worker.bpf import (
    ARCHITECTURE,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    KILL_PROCESS,
    LOAD,
    MAX_INSTRUCTIONS,
    NUMBER,
    RETURN,
    Argument,
    Instruction,
    allow_numbers,
    allow_where,
    answer,
    errno_action,
)

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: On x86-64, numbers from here on are those of the x32 ABI, a second door to the same calls.
_X32 = 0x40000000
_DENIED = errno_action(errno.EPERM)
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_CLONE_THREAD = 0x00010000
#: New namespaces, CLONE_PTRACE, CLONE_VFORK: never.
_CLONE_JUDGED = _CLONE_THREAD | 0x7E020000 | 0x00002000 | 0x00004000
#: PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_SET_VMA.
_PRCTL = (3, 15, 16, 21, 23, 39, 0x53564D41)
#: TCGETS (is it a terminal?), TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
#: Duplicates, flags, locks, the size of a pipe, seals that are there. Not: who gets signals of a descriptor.
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032, 1034)
#: O_ACCMODE, O_CREAT, O_TRUNC, and the bit that tells O_TMPFILE from O_DIRECTORY.
_WRITE_FLAGS = 0o3 | 0o100 | 0o1000 | 0o20000000


def build(machine: str, pid: int, *, writes: bool, gpu: bool) -> list[Instruction]:
    """The filter for a machine and the process `pid`. `writes`: files may be opened for writing (Landlock says which);
    otherwise none may. `gpu`: the driver of a GPU may be spoken to."""
    always = syscalls.numbers(syscalls.ALWAYS, machine)
    argued = _argued(pid)
    if gpu:
        always |= syscalls.numbers(syscalls.PINNING, machine)
        always["ioctl"] = syscalls.numbers(syscalls.ARGUED, machine)["ioctl"]
        del argued["ioctl"]
    if writes:
        always |= syscalls.numbers(syscalls.WRITING, machine)
        for name in ("open", "openat"):
            del argued[name]
            always |= {k: v for k, v in syscalls.numbers(syscalls.ARGUED, machine).items() if k == name}
    program = [
        Instruction(LOAD, ARCHITECTURE),
        Instruction(JUMP_EQUAL, _ARCHITECTURES[machine], 1),
        Instruction(RETURN, KILL_PROCESS),
        Instruction(LOAD, NUMBER),
    ]
    if machine == "x86_64":
        program += [Instruction(JUMP_AT_LEAST, _X32, 0, 1), Instruction(RETURN, _DENIED)]
    program += allow_numbers(always.values())
    for name, number in syscalls.numbers(syscalls.ARGUED, machine).items():
        if name in argued:
            program += allow_where(number, argued[name], _DENIED)
    program += answer(syscalls.numbers(syscalls.ABSENT, machine).values(), errno_action(errno.ENOSYS))
    program += [
        Instruction(JUMP_AT_LEAST, syscalls.NEWER, 0, 1),
        Instruction(RETURN, errno_action(errno.ENOSYS)),
        Instruction(RETURN, _DENIED),
    ]
    if len(program) > MAX_INSTRUCTIONS:
        raise AssertionError("the filter is too long for the kernel")
    return program


def _argued(pid: int) -> dict[str, tuple[Argument, ...]]:
    """Which arguments the calls of `syscalls.ARGUED` may have."""
    reading = (0,)
    return {
        "open": (Argument(1, reading, _WRITE_FLAGS),),
        "openat": (Argument(2, reading, _WRITE_FLAGS),),
        "clone": (Argument(0, (_CLONE_THREAD,), _CLONE_JUDGED),),
        "kill": (Argument(0, (pid,)),),
        "tgkill": (Argument(0, (pid,)),),
        "prctl": (Argument(0, _PRCTL),),
        "ioctl": (Argument(1, _IOCTL),),
        "fcntl": (Argument(1, _FCNTL),),
        "prlimit64": (Argument(0, (0, pid)), Argument(2, (0,), wide=True)),
        "sched_setaffinity": (Argument(0, (0, pid)),),
        "sendto": (Argument(4, (0,), wide=True),),
    }


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def apply(*, writes: bool, gpu: bool) -> None:
    """Apply the filter to all threads of this process, for good. Needs `no_new_privs`.

    Raises `OSError`: the machine is not known here, or its kernel has no seccomp filters.
    """
    machine = syscalls.machine()
    if machine is None:
        raise OSError(errno.ENOSYS, "no list of system calls for this machine")
    program = build(machine, os.getpid(), writes=writes, gpu=gpu)
    packed = b"".join(instruction.pack() for instruction in program)
    described = _Program(len(program), packed)
    call = ctypes.CDLL(None, use_errno=True).syscall
    number = syscalls.seccomp_number(machine)
    result = call(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(described))
    if result != 0:
        # A positive answer is the thread that could not be brought under it.
        code = ctypes.get_errno() if result < 0 else errno.EBUSY
        raise OSError(code, os.strerror(code))
