"""Models that harm in ways that take a worker each, one function a way. Never imported by the tests themselves."""

import ctypes
import mmap
import os
import re
import socket
import stat
import threading
import time

import numpy as np

libc = ctypes.CDLL(None, use_errno=True)


def threads(frame):
    threading.stack_size(32 << 10)
    started = 0
    try:
        while True:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            started += 1
    except RuntimeError:
        time.sleep(600)


def memory(frame):
    held = []
    while True:
        held.append(np.empty(1 << 26))


def memory_of_torch(frame):
    import torch

    return torch.ones(1 << 45).numpy()


def files(frame):
    for number in range(1 << 20):
        os.close(os.open(os.path.join(os.environ["HOME"], str(number)), os.O_WRONLY | os.O_CREAT))


def disk(frame):
    for number in range(1 << 20):
        with open(os.path.join(os.environ["HOME"], str(number)), "wb") as stream:
            stream.write(bytes(1 << 20))


def deep(frame):
    """Folders in folders, deeper than Python recurses and than a process may hold descriptors."""
    os.chdir(os.environ["HOME"])
    for _ in range(1_500):
        os.mkdir("d")
        os.chdir("d")
    return np.zeros(len(frame))


def deeper(frame):
    """As deep that a path to there is none, and files down there."""
    os.chdir(os.environ["HOME"])
    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    for number in range(1 << 20):
        with open(str(number % 64), "wb") as stream:
            stream.write(bytes(1 << 10))


def forks(frame):
    while True:
        os.fork()


def descriptors(frame):
    held = []
    while True:
        held.append(os.open(__file__, os.O_RDONLY))


def prints(frame):
    for _ in range(1 << 12):
        os.write(1, b"\x1b[31mx" * 2_048)
    raise ValueError("printed")


def hangs_up(frame):
    connection().close()
    time.sleep(600)


def closes_output(frame):
    os.close(1)
    os.close(2)
    return threads(frame)


def old_door(frame):
    """`int 0x80`: the calls of 32-bit x86, whose number 20 is getpid."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def raises_os_error(frame):
    return socket.socket()


def connection():
    for descriptor in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return socket.socket(fileno=descriptor, family=socket.AF_UNIX, type=socket.SOCK_STREAM, proto=0)
        except OSError:
            continue
    raise LookupError


def nonsense(frame):
    os.write(connection().detach(), b"HTTP/1.1 200 OK\r\n\r\n")
    time.sleep(600)


def outside_of_the_segment(frame):
    """An answer that says that it lies in shared memory, and is longer than that."""
    import json
    import struct

    rows = 1 << 24
    table = [{"name": "values", "dtype": "<f8", "shape": [rows, 1]}]
    header = json.dumps({"op": "values", "fields": {}, "arrays": table}).encode()
    os.write(connection().detach(), struct.pack("<4sIQ", b"AKM1", len(header), 8 * rows) + header)
    time.sleep(600)


def shared():
    """Start, end and rights of each piece of memory that is shared with the parent."""
    with open("/proc/self/maps") as stream:
        found = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) .*memfd:auditkit", stream.read(), re.M)
    return [(int(start, 16), int(end, 16), rights) for start, end, rights in found]


def code_of(result):
    return ctypes.get_errno() if result else 0


calls = 0


def shared_memory(frame):
    """Row 0: what became of attempts at the memory that is shared, in the third batch; the first two set it up."""
    global calls
    calls += 1
    answers = np.zeros((len(frame), 8))
    if calls < 3:
        return answers
    pieces = shared()
    answers[0, 0] = len(pieces)
    answers[0, 1] = sum(rights.startswith("rw") for _, _, rights in pieces)
    question = next((start, end) for start, end, rights in pieces if not rights.startswith("rw"))
    answers[0, 2] = code_of(libc.mprotect(ctypes.c_void_p(question[0]), ctypes.c_size_t(4096), 3))
    held = [d for d in range(3, 64) if is_memory(d)]
    answers[0, 3] = len(held)
    answers[0, 4] = sum(refused(lambda d=d, size=size: os.ftruncate(d, size)) for d in held for size in (0, 1 << 19))
    answers[0, 5] = sum(refused(lambda d=d: os.write(d, b"x")) for d in held)
    answers[0, 6] = sum(refused(lambda d=d: mmap.mmap(d, 4096)) for d in held)
    answers[0, 7] = sum(refused(lambda d=d: mmap.mmap(os.open(f"/proc/self/fd/{d}", os.O_RDWR), 4096)) for d in held)
    return answers


def is_memory(descriptor):
    try:
        return "memfd:auditkit" in os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return False


def refused(attempt):
    try:
        attempt()
    except OSError:
        return 1
    return 0


def flips(frame):
    """Answers that go on changing in shared memory, whatever the parent does with them."""
    answers = np.zeros((len(frame), 8))

    def flip():
        while True:
            for start, end, rights in shared():
                if rights.startswith("rw"):
                    ctypes.memset(start, 0x41, end - start)

    global calls
    calls += 1
    if calls == 2:
        threading.Thread(target=flip, daemon=True).start()
    return answers
