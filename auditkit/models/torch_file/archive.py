"""What a torch file is, told by its content, and checked as hostile bytes: no torch, nothing is built.

Layouts: `torch/serialization.py: _save` (state_dicts, pickled modules),
`torch/csrc/jit/serialization/export_module.cpp` (TorchScript), `torch/export/pt2_archive/constants.py` (torch.export).
All three are zip archives of one writer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from auditkit.core.errors import InputRefusedError
from auditkit.models.prechecks.safetensors_file import read_header
from auditkit.models.torch_file.pickle_table import MAX_PICKLE, RunsCodeError, read_table
from auditkit.models.torch_file.zip_check import ZipTable, read_zip

#: `state_dict`: tensors alone, which need a builder. `pickled`: a torch.save file that runs code.
TorchForm = Literal["safetensors", "state_dict", "pickled", "torchscript", "exported"]
#: Those that hold tensors and no architecture.
WEIGHTS = ("state_dict", "safetensors")
_SAVED = {"data.pkl", "version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"}
_EXPORTED = ("archive_format", "archive_version", "byteorder", ".data/", "data/weights/", "data/constants/",
             "data/sample_inputs/", "models/", "extra/")  # fmt: skip
_NATIVE = ("data/aotinductor/", "data/executorch/", "data/mtia/")


@dataclass(frozen=True)
class TorchFile:
    """A checked file; `what` names it in messages."""

    form: TorchForm
    what: str


def check_torch_file(stream: BinaryIO, size: int, where: str) -> TorchFile | None:
    """Check a file of `size` bytes that starts like one of torch's or like safetensors; None for any other.

    Raises `InputRefusedError` that starts with `where`.
    """
    head = stream.read(9)
    stream.seek(0)
    if head[:4] == b"PK\x03\x04":
        return _check_zip(stream, size, where)
    if head[8:] == b"{":
        read_header(stream, size, where)
        return TorchFile("safetensors", "a safetensors file")
    return None


def _check_zip(stream: BinaryIO, size: int, where: str) -> TorchFile | None:
    table = read_zip(stream, size, where, deflate=True)
    script = "constants.pkl" in table.entries or any(name.startswith("code/") for name in table.entries)
    for name, entry in table.entries.items():
        if entry.deflated and not (script and name.startswith("code/")):
            raise InputRefusedError(
                f"{where}: {name[:100]} is compressed, which torch never does to tensors (a zip bomb is); save it again"
            )
    _check_byte_order(table, stream)
    if script:
        return TorchFile("torchscript", "a TorchScript archive (code and pickle inside)")
    if "archive_format" in table.entries:
        return _check_exported(table, stream)
    if "data.pkl" in table.entries:
        return _check_saved(table, stream)
    return None


def _check_byte_order(table: ZipTable, stream: BinaryIO) -> None:
    if "byteorder" in table.entries and table.read(stream, "byteorder", 16) != b"little":
        raise InputRefusedError(f"{table.where}: not in little-endian byte order; save it again on an ordinary machine")


def _check_exported(table: ZipTable, stream: BinaryIO) -> TorchFile:
    native = next((name for name in table.entries if name.startswith(_NATIVE)), None)
    if native is not None:
        raise InputRefusedError(
            f"{table.where}: holds a program compiled to native code ({native[:100]}), which can't be audited in a "
            "sandbox; save the program itself with `torch.export.save`"
        )
    odd = next((name for name in table.entries if not name.startswith(_EXPORTED)), None)
    if odd is not None or table.read(stream, "archive_format", 16) != b"pt2":
        raise InputRefusedError(f"{table.where}: no archive of torch.export ({(odd or 'archive_format')[:100]})")
    if "models/model.json" not in table.entries:
        raise InputRefusedError(f"{table.where}: an archive of torch.export without the program named 'model'")
    return TorchFile("exported", "a torch.export archive (its loader unpickles)")


def _check_saved(table: ZipTable, stream: BinaryIO) -> TorchFile:
    sizes = {name.removeprefix("data/"): e.size for name, e in table.entries.items() if name.startswith("data/")}
    odd = next((name for name in table.entries if name not in _SAVED and not name.startswith("data/")), None)
    if odd is not None:
        raise InputRefusedError(f"{table.where}: has an entry {odd[:100]!r} that torch.save never writes")
    try:
        read_table(table.read(stream, "data.pkl", MAX_PICKLE), sizes, table.where)
    except RunsCodeError as error:
        return TorchFile("pickled", error.what)
    return TorchFile("state_dict", "a state_dict")
