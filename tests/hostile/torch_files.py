"""Torch files as an attacker would write them: a zip writer and a pickle writer of our own that lie where told to."""

import io
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Storage:
    """What a pickle says of a storage."""

    key: str = "0"
    kind: object = torch.FloatStorage
    count: Any = 4
    location: Any = "cpu"
    word: str = "storage"


@dataclass(frozen=True)
class Call:
    """A call that unpickling makes."""

    function: object
    arguments: tuple[Any, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


class Pickler(pickle.Pickler):
    """Writes storages as persistent ids, as `torch.save` does."""

    def persistent_id(self, value: object) -> Any:
        if not isinstance(value, Storage):
            return None
        return (value.word, value.kind, value.key, value.location, value.count)


def pickled(value: object, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    Pickler(stream, protocol).dump(value)
    return stream.getvalue()


def tensor(
    storage: object = Storage(),
    offset: Any = 0,
    shape: Any = (4,),
    stride: Any = (1,),
    *more: Any,
    grad: Any = False,
    hooks: Any = None,
) -> Call:
    """A tensor as `_rebuild_tensor_v2` builds it."""
    hooks = Call(OrderedDict) if hooks is None else hooks
    return Call(torch._utils._rebuild_tensor_v2, (storage, offset, shape, stride, grad, hooks, *more))


def archive(data_pkl: bytes, storages: Mapping[str, bytes] | None = None, **more: bytes) -> bytes:
    """A torch.save file with that pickle and those storages (by default one of 16 bytes)."""
    storages = {"0": bytes(16)} if storages is None else storages
    files = {"data.pkl": data_pkl, "byteorder": b"little", **{f"data/{key}": value for key, value in storages.items()}}
    files |= {"version": b"3\n", **more}
    return zip_of({f"m/{name}": content for name, content in files.items()}.items())


def of(value: object, storages: Mapping[str, bytes] | None = None) -> bytes:
    """A torch.save file of `{"w": value}`."""
    return archive(pickled({"w": value}), storages)


def zip_of(files: Iterable[tuple[str, bytes]], deflate: bool = False) -> bytes:
    """A plain archive by the standard library."""
    stream = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(stream, "w", method) as written:
        for name, content in files:
            written.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return stream.getvalue()


@dataclass
class Entry:
    """One entry of a forged archive: what its local header says, what the directory says, and its bytes."""

    name: bytes
    data: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    before: bytes = b""
    after: bytes = b""


def forged(entries: Iterable[Entry], *, gap: bytes = b"", tail: bytes = b"", **end: int) -> bytes:
    """An archive whose headers say whatever is asked for; without that, a plain one."""
    body, directory, count = b"", b"", 0
    for entry in entries:
        body += entry.before
        size, crc = len(entry.data), zlib.crc32(entry.data)
        words = {"flags": 0, "method": 0, "crc": crc, "stored": size, "size": size, "extra": b""}
        words |= {"name": entry.name, "offset": len(body), "comment": b"", "disk": 0}
        there, here = {**words, **entry.central}, {**words, **entry.local}
        if not there.get("twin"):
            body += struct.pack(
                "<IHHHHHIIIHH", 0x04034B50, 20, here["flags"], here["method"], 0, 0, here["crc"], here["stored"],
                here["size"], len(here["name"]), len(here["extra"]),
            ) + here["name"] + here["extra"] + entry.data + entry.after  # fmt: skip
        directory += struct.pack(
            "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, there["flags"], there["method"], 0, 0, there["crc"],
            there["stored"], there["size"], len(there["name"]), len(there["extra"]), len(there["comment"]),
            there["disk"], 0, 0, there["offset"],
        ) + there["name"] + there["extra"] + there["comment"]  # fmt: skip
        count += 1
    body += gap
    said = {"count": count, "size": len(directory), "start": len(body), "comment": b"", "disk": 0, **end}
    last = struct.pack(
        "<IHHHHIIH", 0x06054B50, said["disk"], 0, said["count"], said["count"], said["size"], said["start"],
        len(said["comment"]),
    )  # fmt: skip
    return body + directory + last + said["comment"] + tail


def plain_entries() -> list[Entry]:
    """The entries of a valid file of one tensor of four zeros."""
    return [
        Entry(b"m/data.pkl", pickled({"w": tensor()})),
        Entry(b"m/byteorder", b"little"),
        Entry(b"m/data/0", bytes(16)),
        Entry(b"m/version", b"3\n"),
    ]


def saved(value: object) -> bytes:
    """What `torch.save` itself writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()
