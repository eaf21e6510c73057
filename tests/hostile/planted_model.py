"""A model that tries to leave the worker, as it loads and as it predicts. Its input `attempt` is `name|argument`;
its labels say what the kernel answered: the name of an errno, or `allowed`. Never imported by the tests themselves."""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import socket
import subprocess

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = platform.machine() == "x86_64"
PARENT = os.getppid()
HOME = os.environ["HOME"]


def call(number, *arguments):
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "call")


def numbered(x86, arm, *arguments):
    return lambda _: call(x86 if X86 else arm, *arguments)


def write(path, content=b"x", flags=os.O_WRONLY | os.O_CREAT):
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def read(path):
    with open(path, "rb") as stream:
        stream.read(1)


def own(name):
    return os.path.join(HOME, name)


def through_a_link(path):
    os.symlink(path, own("link"))


def out_of_home(path):
    write(own("mine"))
    os.rename(own("mine"), path)


def into_home(path):
    os.rename(path, own("theirs"))


def too_large(_):
    for _ in range(3):
        write(own("large"), bytes(1 << 20), os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def executable_memory(_):
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


ATTEMPTS = {
    "read": read,
    "list": os.listdir,
    "write": write,
    "overwrite": lambda path: write(path, flags=os.O_WRONLY),
    "truncate": lambda path: os.truncate(path, 0),
    "open-truncating": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)),
    "remove": os.unlink,
    "make-directory": os.mkdir,
    "rename-into-home": into_home,
    "rename-out-of-home": out_of_home,
    "hard-link": lambda path: os.link(path, own("hard")),
    "symlink": through_a_link,
    "chmod": lambda path: os.chmod(path, 0o777),
    "chown": lambda path: os.chown(path, os.getuid(), os.getgid()),
    "touch": lambda path: os.utime(path),
    "xattr": lambda path: os.setxattr(path, "user.x", b"1"),
    "fifo": lambda _: os.mkfifo(own("fifo")),
    "home-write": lambda _: write(own("small")),
    "home-too-large": too_large,
    "tcp": lambda _: socket.socket().close(),
    "udp": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "unix": lambda _: socket.socket(socket.AF_UNIX).close(),
    "netlink": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "socketpair": lambda _: socket.socketpair(),
    "connect": numbered(42, 203, 3, ctypes.create_string_buffer(b"\1\0\0abstract"), 11),
    "bind": numbered(49, 200, 3, ctypes.create_string_buffer(b"\1\0\0abstract"), 11),
    "fork": lambda _: os._exit(0) if os.fork() == 0 else None,
    "spawn": lambda _: os.posix_spawn("/bin/true", ["true"], {}),
    "program": lambda _: subprocess.run(["/bin/true"]),
    "execve": lambda _: os.execv("/bin/true", ["true"]),
    "clone": numbered(56, 220, 17, 0, 0, 0, 0),
    "clone3": numbered(435, 435, ctypes.create_string_buffer(64), 64),
    "memfd": lambda _: os.memfd_create("x"),
    "execveat": numbered(322, 281, 3, ctypes.create_string_buffer(b""), 0, 0, 0x1000),
    "ptrace": numbered(101, 117, 16, PARENT, 0, 0),
    "peek": numbered(310, 270, PARENT, 0, 0, 0, 0, 0),
    "pidfd": lambda _: os.pidfd_open(PARENT),
    "kill": lambda _: os.kill(PARENT, 0),
    "kill-all": lambda _: os.kill(-1, 0),
    "kill-group": lambda _: os.killpg(os.getpgid(PARENT), 0),
    "tgkill": numbered(234, 131, PARENT, PARENT, 0),
    "typing": lambda _: fcntl.ioctl(0, 0x5412, b"x"),
    "own-signals": lambda _: fcntl.fcntl(0, fcntl.F_SETOWN, PARENT),
    "tracer": lambda _: call(157 if X86 else 167, 0x59616D61, PARENT),
    "raise-limit": numbered(302, 261, 0, 1, ctypes.create_string_buffer(b"\xff" * 16, 16), 0),
    "affinity": lambda _: os.sched_setaffinity(PARENT, {0}),
    "priority": lambda _: os.setpriority(os.PRIO_PROCESS, PARENT, 19),
    "io_uring": numbered(425, 425, 8, ctypes.create_string_buffer(120)),
    "bpf": numbered(321, 280, 0, 0, 0),
    "userfaultfd": numbered(323, 282, 1),
    "perf": numbered(298, 241, 0, 0, -1, -1, 0),
    "keyring": numbered(250, 219, 0, -3, 0),
    "mount": numbered(165, 40, 0, 0, 0, 0, 0),
    "unshare": numbered(272, 97, 0x10000000),
    "setns": numbered(308, 268, 0, 0),
    "chroot": lambda _: os.chroot(HOME),
    "personality": numbered(135, 92, 0x0040000),
    "filter-more": numbered(317, 277, 1, 0, 0),
    "by-handle": numbered(304, 265, 0, 0, 0),
    "newer": numbered(462, 462, 0, 0, 0, 0, 0, 0),
    "x32": lambda _: call(0x40000000 | 39),
    "x32-fork": lambda _: call(0x40000000 | 57),
    "executable-memory": executable_memory,
    "standard-input": lambda _: None if os.read(0, 1) == b"" else os.abort(),
    "environment": lambda name: os.environ[name] and None,
}


def answer(attempt):
    name, _, argument = attempt.partition("|")
    try:
        ATTEMPTS[name](argument)
    except OSError as error:
        return errno.errorcode.get(error.errno, "OSError")
    except KeyError:
        return "absent"
    return "allowed"


def load():
    """What was tried as the model was loaded; the attempts stand in a file of its own."""
    with open(os.path.join(os.path.dirname(__file__), "attempts.txt")) as stream:
        lines = stream.read().splitlines()
    return {line: answer(line) for line in lines}


def predict(frame, loaded):
    found = []
    for cell in frame["attempt"]:
        when, _, attempt = cell.partition("|")
        found.append(loaded[attempt] if when == "load" else answer(attempt))
    return found
