"""Model files whose loading can run code are told apart by content and by name: refused, or loaded where trusted.

Scanning a pickle for bad opcodes is no protection (scanners let a third of executing files pass), so nothing here
judges what such a file would do: what it *is* suffices.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from auditkit.core.errors import InputRefusedError
from auditkit.models.reading import ZIP_ERRORS

_HEAD = 4096
#: What kinds of file run code when they are loaded.
Family = Literal["pickle", "torch.save", "torchscript", "torch.export", "python", "other"]


@dataclass(frozen=True)
class CodeFormat:
    """A format whose loading can run code: `what` names it in messages, `family` says who loads it."""

    what: str
    family: Family


PICKLE = CodeFormat("a Python pickle", "pickle")
_COMPRESSED = CodeFormat("a compressed joblib pickle", "pickle")
_SAVED = CodeFormat("a torch.save file (pickle inside)", "torch.save")
_CHECKPOINT = CodeFormat("a checkpoint that torch.save wrote (pickle inside)", "torch.save")
_EXPORTED = CodeFormat("a torch.export archive (its loader unpickles)", "torch.export")
_SCRIPT = CodeFormat("a TorchScript archive (code and pickle inside)", "torchscript")
_KERAS = CodeFormat("a Keras archive (it may hold code)", "other")
_HDF5 = CodeFormat("an HDF5 file of Keras (it may hold code)", "other")
_CODE_NAMES = {
    ".pkl": PICKLE,
    ".pickle": PICKLE,
    ".cloudpickle": CodeFormat("a cloudpickle", "pickle"),
    ".dill": CodeFormat("a dill pickle", "pickle"),
    ".joblib": CodeFormat("a joblib pickle", "pickle"),
    ".pt": _SAVED,
    ".pth": _SAVED,
    ".ckpt": _CHECKPOINT,
    ".bin": _CHECKPOINT,
    ".pt2": _EXPORTED,
    ".ptl": _SCRIPT,
    ".jit": _SCRIPT,
    ".keras": _KERAS,
    ".h5": _HDF5,
    ".hdf5": _HDF5,
    ".py": CodeFormat("Python source", "python"),
}
_NOT_A_MODEL = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<!doctype html", "an HTML page, probably a failed download; fetch the file again"),
    (b"<html", "an HTML page, probably a failed download; fetch the file again"),
)
#: What to do instead with a model of this kind, that nobody has to trust.
REMEDY = {
    "torch": (
        "Train it with `auditkit train`, which leaves safetensors and JSON, or load it yourself where you trust it and "
        "hand the module to the Python API: `auditkit.audit(module, data)`"
    ),
    "sklearn": (
        "Load it yourself where you trust it and save it as data: `skops.io.dump(model, 'model.skops')`; or hand the "
        "estimator to the Python API: `auditkit.audit(estimator, data)`"
    ),
}


def refuse_code(path: Path, kind: str) -> None:
    """Raise `InputRefusedError` where `path` is a file that could run code, or no model at all.

    The message says what the file is, why it is refused, and what to do instead for a model of this `kind`. Content
    comes before name. A directory passes: only known files of it are read, and each comes here by itself.
    """
    found = code_format(path)
    if found is not None:
        raise InputRefusedError(f"{path}: {found.what}: loading it can run code of whoever made it. {REMEDY[kind]}.")


def code_format(path: Path) -> CodeFormat | None:
    """As `identify_code`; None for a directory, too.

    Raises `InputRefusedError` for what is no model at all: an empty file, a pipe, a page that a download left.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise InputRefusedError(f"{path}: not a regular file (a pipe or a device)")
        _refuse_no_model(path, status.st_size)
        return identify_code(path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "a loop of links"
        raise InputRefusedError(f"{path}: can't be read ({reason})") from None


def _refuse_no_model(path: Path, size: int) -> None:
    if size == 0:
        raise InputRefusedError(f"{path}: an empty file")
    with path.open("rb") as stream:
        head = stream.read(64).lstrip().lower()
    for magic, what in _NOT_A_MODEL:
        if head.startswith(magic):
            raise InputRefusedError(f"{path}: {what}")


def identify_code(path: Path) -> CodeFormat | None:
    """What the file is, where loading it can run code; None for everything else. Reads at most 4 KiB and a zip's table.

    Raises `OSError` where it can't be read.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return _by_content(path, head) or _CODE_NAMES.get(path.suffix.lower())


def _by_content(path: Path, head: bytes) -> CodeFormat | None:
    if head.startswith(b"PK"):
        return _zip_with_code(path)
    if is_pickle(head):
        return PICKLE
    if is_pickle(_decompressed(head)):
        return _COMPRESSED
    if head[257:262] == b"ustar":
        return CodeFormat("a tar archive, as early versions of torch.save wrote (pickle inside)", "other")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _HDF5
    return None


def is_pickle(head: bytes) -> bool:
    """Whether these first bytes are those of a pickle, of any protocol."""
    if len(head) >= 2 and head[0] == 0x80 and head[1] <= 5:
        return True
    if not head or head[:1] not in b"(]}c)ld\x8c":
        return False
    # Protocols 0 and 1 have no magic number: their opcodes have to read as such, up to the end of what was given.
    names: list[str] = []
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(head)):
            names.append(opcode.name)
    except (ValueError, IndexError, UnicodeDecodeError):
        # The head was cut. Ordinary text, too, can look like a few opcodes; it doesn't put into a memo.
        return "STOP" in names or (len(names) >= 8 and ("PUT" in names or "BINPUT" in names))
    return bool(names)


def _decompressed(head: bytes) -> bytes:
    """The first bytes of what was compressed by one of joblib's methods, or nothing."""
    try:
        if head[:2] == b"\x1f\x8b":
            return zlib.decompressobj(wbits=31).decompress(head, 256)
        if head[:1] == b"\x78" and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0:
            return zlib.decompressobj().decompress(head, 256)
        if head[:3] == b"BZh":
            return bz2.BZ2Decompressor().decompress(head, 256) or b"\x80\x02"
        if head[:6] == b"\xfd7zXZ\x00" or head[:3] == b"\x5d\x00\x00":
            return lzma.LZMADecompressor(memlimit=1 << 28).decompress(head, 256)
    except (zlib.error, OSError, EOFError, lzma.LZMAError):
        return b""
    # LZ4 can't be unpacked here; only joblib puts a model into it.
    return b"\x80\x02" if head[:4] == b"\x04\x22\x4d\x18" else b""


def _zip_with_code(path: Path) -> CodeFormat | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except ZIP_ERRORS:
        return None
    tails = {name.rsplit("/", 1)[-1] for name in names}
    if "constants.pkl" in tails or any("/code/" in f"/{name}" and name.endswith(".py") for name in names):
        return _SCRIPT
    if "archive_format" in tails or any(name.endswith("serialized_exported_program.json") for name in names):
        return _EXPORTED
    if "data.pkl" in tails:
        return _SAVED
    if any(name.lower().endswith((".pkl", ".pickle", ".joblib")) for name in names):
        return CodeFormat("a zip archive with a pickle inside", "other")
    if {"config.json", "metadata.json"} <= tails:
        return _KERAS
    return None
