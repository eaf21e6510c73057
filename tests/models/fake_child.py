"""A worker that misbehaves as its first argument says; its second is the socket's descriptor."""

import os
import signal
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from auditkit.models.worker.wire import Frame, receive, send

INFO = {"kind": "torch", "outputs": "logits", "classes": ["a", "b"], "differentiable": True}


def good(rows: int) -> np.ndarray:
    return np.zeros((rows, 2))


def answer(mode: str, rows: int, connection: socket.socket) -> Frame | None:
    if mode == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "real-time":
        os.kill(os.getpid(), 40)
    if mode == "exit":
        print("\x1b[31mbefore the end", flush=True)
        os._exit(7)
    if mode == "hang":
        time.sleep(3600)
    if mode == "garbage":
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n<html></html>")
    if mode == "bomb":
        connection.sendall(struct.pack("<4sIQ", b"AKW1", 2, 1 << 60) + b"{}")
    if mode == "half":
        connection.sendall(struct.pack("<4sIQ", b"AKW1", 100, 0) + b"{")
        os._exit(0)
    if mode == "pickle":
        body = b"\x80\x04."
        header = b'{"op": "values", "fields": {}, "arrays": [{"name": "values", "dtype": "|O", "shape": [1]}]}'
        connection.sendall(struct.pack("<4sIQ", b"AKW1", len(header), len(body)) + header + body)
    arrays = {
        "good": good(rows),
        "nan": np.full((rows, 2), np.nan),
        "short": good(rows - 1),
        "wide": np.zeros((rows, 3)),
        "flat": np.zeros(rows * 2),
        "float32": good(rows).astype(np.float32),
        "integers": np.zeros((rows, 2), dtype=np.int64),
    }
    if mode in arrays:
        return Frame("values", {}, {"values": arrays[mode]})
    others = {
        "nothing": Frame("values"),
        "labels": Frame("labels"),
        "attribution": Frame(
            "attribution", {"features": ["secret"], "method": "", "baseline": ""}, {"values": good(rows)}
        ),
        "attribution-of-number": Frame("attribution", {"features": 5}, {"values": good(rows), "delta": np.zeros(rows)}),
        "attribution-of-lists": Frame(
            "attribution", {"features": [[]]}, {"values": good(rows), "delta": np.zeros(rows)}
        ),
        "raises": Frame("error", {"kind": "failed", "message": "ValueError: \x1b[2Jno"}),
        "memory": Frame("error", {"kind": "memory", "message": "out of memory"}),
    }
    return others.get(mode)


def main() -> None:
    mode = sys.argv[1]
    with socket.socket(fileno=int(sys.argv[2])) as connection:
        assert receive(connection).op == "prepare"
        report = {"landlock": 0, "seccomp": False, "missing": {}, "tried": {}}
        send(connection, Frame("sealed", {"report": report}))
        request = receive(connection)
        if mode.startswith("open-"):
            reply = answer(mode.removeprefix("open-"), 1, connection)
            send(connection, reply or Frame("opened", {"info": {"kind": "pickle"}}))
        else:
            send(connection, Frame("opened", {"info": INFO}))
        while True:
            request = receive(connection)
            columns = [f"{name}:{kind}" for name, kind in request.fields["columns"]]
            Path(os.environ["HOME"], "seen").write_text("\n".join([request.op, *columns, *sorted(request.arrays)]))
            reply = answer(mode, len(next(iter(request.arrays.values()))), connection)
            if reply is not None:
                send(connection, reply)


main()
