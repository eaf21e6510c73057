"""The filter of system calls, run by a machine of the tests' own for every number of both architectures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auditkit.models.worker import syscalls
from auditkit.models.worker.seccomp import build

from .bpf_machine import run

ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
PID = 4321
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
#: What a model must not do, by name.
FORBIDDEN = re.findall(
    r"\w+",
    """
socket socketpair connect bind listen accept accept4 sendmsg sendmmsg recvmmsg shutdown setsockopt
fork vfork execve execveat ptrace process_vm_readv process_vm_writev process_madvise process_mrelease
pidfd_open pidfd_getfd pidfd_send_signal tkill rt_sigqueueinfo rt_tgsigqueueinfo kcmp
io_uring_setup io_uring_enter io_uring_register io_setup io_submit bpf userfaultfd perf_event_open add_key request_key
keyctl mount umount2 pivot_root move_mount open_tree fsopen fsmount fsconfig mount_setattr unshare setns chroot
personality memfd_create memfd_secret seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
chmod fchmod fchmodat chown fchown lchown fchownat utime utimes utimensat futimesat setxattr fsetxattr lsetxattr
removexattr link linkat symlink symlinkat mknod mknodat truncate name_to_handle_at open_by_handle_at
fanotify_init inotify_init1 setuid setgid setgroups setreuid setresuid setfsuid capset setsid setpgid
setrlimit setpriority sched_setscheduler sched_setparam sched_setattr ioprio_set migrate_pages move_pages
init_module finit_module delete_module kexec_load reboot swapon acct settimeofday clock_settime adjtimex sethostname
shmget shmat msgget semget mq_open vmsplice splice tee quotactl syslog iopl ioperm modify_ldt uselib lookup_dcookie
mlockall pkey_alloc remap_file_pages timerfd_create signalfd4 vhangup nfsservctl
""",
)


def packed(machine: str, **options: bool) -> bytes:
    wanted = {"writes": True, "gpu": False, **options}
    return b"".join(instruction.pack() for instruction in build(machine, PID, **wanted))


def action(machine: str, number: int, *arguments: int, **options: bool) -> int:
    return run(packed(machine, **options), number, ARCHITECTURE[machine], arguments)


def from_header(machine: str) -> dict[str, int]:
    path = HEADERS[machine]
    if not path.exists():
        pytest.skip(f"no {path} here (linux-libc-dev)")
    lines = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", path.read_text(), re.M)
    # The generic header names a few calls of 64-bit machines by those of 32-bit ones.
    other = {"fcntl64": "fcntl", "statfs64": "statfs", "fstatfs64": "fstatfs", "ftruncate64": "ftruncate",
             "sendfile64": "sendfile", "mmap2": "mmap", "fadvise64_64": "fadvise64", "fstatat": "newfstatat",
             "llseek": "lseek", "fstatat64": "newfstatat"}  # fmt: skip
    return {other.get(name, name): int(number) for name, number in lines}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_numbers_are_the_kernels(machine):
    known = from_header(machine)
    for table in (syscalls.ALWAYS, syscalls.WRITING, syscalls.ARGUED, syscalls.ABSENT, syscalls.PINNING):
        for name, number in syscalls.numbers(table, machine).items():
            assert known.get(name, number) == number, name
            assert name in known or number > 450, name
    if machine == "x86_64":
        assert known["seccomp"] == syscalls.seccomp_number(machine)
    assert (known["landlock_create_ruleset"], known["landlock_add_rule"], known["landlock_restrict_self"]) == (
        syscalls.LANDLOCK_CREATE, syscalls.LANDLOCK_ADD, syscalls.LANDLOCK_RESTRICT)  # fmt: skip


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_number_has_the_action_of_its_table(machine):
    program = packed(machine)
    allowed = set(syscalls.numbers(syscalls.ALWAYS, machine).values())
    allowed |= set(syscalls.numbers(syscalls.WRITING, machine).values())
    allowed |= {n for name, n in syscalls.numbers(syscalls.ARGUED, machine).items() if name in ("open", "openat")}
    argued = set(syscalls.numbers(syscalls.ARGUED, machine).values()) - allowed
    absent = set(syscalls.numbers(syscalls.ABSENT, machine).values())
    for number in range(700):
        found = run(program, number, ARCHITECTURE[machine], [(1 << 64) - 1] * 6)
        if number in allowed:
            assert found == ALLOW, number
        elif number in argued:
            assert found == EPERM, number
        else:
            assert found == (ENOSYS if number in absent or number >= 451 else EPERM), number
    for number in (0xFFFFFFFF, 0x7FFFFFFF):
        assert run(program, number, ARCHITECTURE[machine]) in (EPERM, ENOSYS)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("gpu", [False, True])
def test_what_a_model_must_not_do_is_denied(machine, gpu):
    known = from_header(machine)
    assert len([name for name in FORBIDDEN if name in known]) > 100
    for name in FORBIDDEN:
        if name in known:
            assert action(machine, known[name], gpu=gpu) in (EPERM, ENOSYS), name


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_another_architecture_ends_the_process_and_x32_is_denied(machine):
    program = packed(machine)
    for architecture in {0x40000003, 0x40000028, 0, *ARCHITECTURE.values()} - {ARCHITECTURE[machine]}:
        assert run(program, 39, architecture) == KILL
    if machine == "x86_64":
        for number in (0, 1, 2, 39, 59, 512, 520, 547):
            assert run(program, 0x40000000 | number, ARCHITECTURE[machine]) == EPERM


THREAD = 0x003D0F00  # what glibc passes for a thread
CASES = [
    ("clone", (THREAD,), ALLOW), ("clone", (0x01200011,), EPERM), ("clone", (0x4111,), EPERM),
    ("clone", (THREAD | 0x10000000,), EPERM), ("clone", (THREAD | 0x2000,), EPERM), ("clone", (0,), EPERM),
    ("clone", (THREAD | 1 << 40,), ALLOW),  # the kernel takes the low half alone
    ("kill", (PID, 6), ALLOW), ("kill", (1, 9), EPERM), ("kill", (0, 9), EPERM), ("kill", (-1, 9), EPERM),
    ("kill", (-PID, 9), EPERM), ("tgkill", (PID, PID, 6), ALLOW), ("tgkill", (1, 1, 9), EPERM),
    ("prctl", (15, 0), ALLOW), ("prctl", (0x53564D41, 0), ALLOW), ("prctl", (0x59616D61, 1), EPERM),
    ("prctl", (4, 1), EPERM), ("prctl", (22, 2), EPERM), ("prctl", (1, 9), EPERM), ("prctl", (36, 1), EPERM),
    ("ioctl", (0, 0x5412), EPERM), ("ioctl", (0, 0x541C), EPERM), ("ioctl", (0, 0x5401), ALLOW),
    ("ioctl", (0, 0x541B), ALLOW), ("ioctl", (0, 0x5412 | 1 << 32), EPERM),
    ("fcntl", (3, 1030), ALLOW), ("fcntl", (3, 8, 1), EPERM), ("fcntl", (3, 15), EPERM), ("fcntl", (3, 1024), EPERM),
    ("fcntl", (3, 1033), EPERM), ("fcntl", (3, 1026), EPERM),
    ("prlimit64", (0, 7, 0, 1), ALLOW), ("prlimit64", (PID, 7, 0, 1), ALLOW), ("prlimit64", (1, 7, 0, 1), EPERM),
    ("prlimit64", (0, 7, 0x7F0000001000, 0), EPERM), ("prlimit64", (0, 7, 1 << 32, 0), EPERM),
    ("sched_setaffinity", (0, 8), ALLOW), ("sched_setaffinity", (1, 8), EPERM),
    ("sendto", (3, 1, 1, 0, 0), ALLOW), ("sendto", (3, 1, 1, 0, 0x7F0000000000), EPERM),
    ("sendto", (3, 1, 1, 0, 5), EPERM),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "expected"), CASES)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_arguments_decide(machine, name, arguments, expected):
    assert action(machine, syscalls.numbers(syscalls.ARGUED, machine)[name], *arguments) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(0, ALLOW), (0o2000000, ALLOW), (0o200000, ALLOW), (0o10000000, ALLOW), (1, EPERM), (2, EPERM), (3, EPERM),
     (0o100, EPERM), (0o1000, EPERM), (0o20200000, EPERM), (1 << 32, ALLOW)],
)  # fmt: skip
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_without_landlock_files_are_opened_for_reading_alone(machine, flags, expected):
    calls = syscalls.numbers(syscalls.ARGUED, machine)
    assert action(machine, calls["openat"], 0, 0, flags, writes=False) == expected
    if "open" in calls:
        assert action(machine, calls["open"], 0, flags, writes=False) == expected
    for number in syscalls.numbers(syscalls.WRITING, machine).values():
        assert action(machine, number, writes=False) == EPERM
    assert action(machine, calls["openat"], 0, 0, flags) == ALLOW


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_gpu_opens_its_driver_and_nothing_else(machine):
    without, beside = packed(machine), packed(machine, gpu=True)
    every = [(1 << 64) - 1] * 6
    opened = {
        number
        for number in range(700)
        if run(without, number, ARCHITECTURE[machine], every) != run(beside, number, ARCHITECTURE[machine], every)
    }
    known = from_header(machine)
    assert opened == {known[name] for name in ("ioctl", "mlock", "munlock", "mlock2", "set_mempolicy")}
