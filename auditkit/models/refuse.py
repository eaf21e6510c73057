"""Model files whose loading can run code are told apart by content and by name, and refused.

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
from pathlib import Path

from auditkit.core.errors import InputRefusedError

_HEAD = 4096
_CODE_NAMES = {
    ".pkl": "a Python pickle",
    ".pickle": "a Python pickle",
    ".cloudpickle": "a cloudpickle",
    ".dill": "a dill pickle",
    ".joblib": "a joblib pickle",
    ".pt": "a torch.save file (pickle inside)",
    ".pth": "a torch.save file (pickle inside)",
    ".ckpt": "a checkpoint that torch.save wrote (pickle inside)",
    ".bin": "a checkpoint that torch.save wrote (pickle inside)",
    ".pt2": "a torch.export archive (its loader unpickles)",
    ".ptl": "a TorchScript archive",
    ".jit": "a TorchScript archive",
    ".keras": "a Keras archive (it may hold code)",
    ".h5": "an HDF5 file of Keras (it may hold code)",
    ".hdf5": "an HDF5 file of Keras (it may hold code)",
    ".py": "Python source",
}
_NOT_A_MODEL = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<!doctype html", "an HTML page, probably a failed download; fetch the file again"),
    (b"<html", "an HTML page, probably a failed download; fetch the file again"),
)
_REMEDY = {
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
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return
        if not stat.S_ISREG(status.st_mode):
            raise InputRefusedError(f"{path}: not a regular file (a pipe or a device)")
        _refuse_no_model(path, status.st_size)
        what = identify_code(path)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "a loop of links"
        raise InputRefusedError(f"{path}: can't be read ({reason})") from None
    if what is not None:
        raise InputRefusedError(f"{path}: {what}: loading it can run code of whoever made it. {_REMEDY[kind]}.")


def _refuse_no_model(path: Path, size: int) -> None:
    if size == 0:
        raise InputRefusedError(f"{path}: an empty file")
    with path.open("rb") as stream:
        head = stream.read(64).lstrip().lower()
    for magic, what in _NOT_A_MODEL:
        if head.startswith(magic):
            raise InputRefusedError(f"{path}: {what}")


def identify_code(path: Path) -> str | None:
    """What the file is, where loading it can run code; None for everything else. Reads at most 4 KiB and a zip's table.

    Raises `OSError` where it can't be read.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    return _by_content(path, head) or _CODE_NAMES.get(path.suffix.lower())


def _by_content(path: Path, head: bytes) -> str | None:
    if head.startswith(b"PK"):
        return _zip_with_code(path)
    if is_pickle(head):
        return "a Python pickle"
    if is_pickle(_decompressed(head)):
        return "a compressed joblib pickle"
    if head[257:262] == b"ustar":
        return "a tar archive, as early versions of torch.save wrote (pickle inside)"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "an HDF5 file of Keras (it may hold code)"
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


def _zip_with_code(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError):
        return None
    tails = {name.rsplit("/", 1)[-1] for name in names}
    if "constants.pkl" in tails or any("/code/" in f"/{name}" and name.endswith(".py") for name in names):
        return "a TorchScript archive (code and pickle inside)"
    if "archive_format" in tails or any(name.endswith("serialized_exported_program.json") for name in names):
        return "a torch.export archive (its loader unpickles)"
    if "data.pkl" in tails:
        return "a torch.save file (pickle inside)"
    if any(name.lower().endswith((".pkl", ".pickle", ".joblib")) for name in names):
        return "a zip archive with a pickle inside"
    if {"config.json", "metadata.json"} <= tails:
        return "a Keras archive (it may hold code)"
    return None
