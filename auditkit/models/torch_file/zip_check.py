"""The table of a zip archive as torch writes it, read by us and checked before any library reads it.

Format: PKWARE's APPNOTE.TXT 6.3 (4.3 the records, 4.5.3 the zip64 extra field). Readers of zip files disagree on forged
ones (two entries of one name, a local header that says something else, an archive behind another file, entries that
overlap), so what passes here is one plain archive with one reading only: local entries that tile the file from its
first byte to the central directory, in the directory's order; the directory; its end record; then nothing. Checksums
are not compared: torch itself may leave them out (`torch.serialization.set_crc32_options`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from auditkit.core.errors import InputRefusedError
from auditkit.models.reading import MEGABYTE

MAX_ENTRIES = 110_000
MAX_DIRECTORY = 32 * MEGABYTE
MAX_NAME = 1_000
#: What deflated entries may inflate to: one, all together, and how many times over where it is above 1 MiB.
MAX_INFLATED = 64 * MEGABYTE
MAX_ALL_INFLATED = 256 * MEGABYTE
MAX_RATIO = 100

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")
_DESCRIPTOR, _DESCRIPTOR64 = struct.Struct("<IIII"), struct.Struct("<IIQQ")
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = 0x04034B50, 0x02014B50, 0x06054B50
_END64_MARK, _LOCATOR_MARK, _DESCRIPTOR_MARK = 0x06064B50, 0x07064B50, 0x08074B50
_STORED, _DEFLATED = 0, 8
#: Flags: a descriptor follows the data; the name is UTF-8. Encryption and all others are refused.
_DESCRIPTOR_FOLLOWS, _UTF8 = 0x0008, 0x0800
_NO_16, _NO_32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_FIELD, _PADDING_FIELD = 0x0001, 0x4246


@dataclass(frozen=True)
class ZipEntry:
    """Where the bytes of an entry lie in the file, how many they are, and how many once inflated (`size`)."""

    start: int
    stored: int
    size: int
    deflated: bool


@dataclass(frozen=True)
class ZipTable:
    """A checked archive. `entries` are named without the folder in which all of them lie (torch's "archive name")."""

    where: str
    entries: Mapping[str, ZipEntry]

    def read(self, stream: BinaryIO, name: str, limit: int) -> bytes:
        """The bytes of an entry. Raises `InputRefusedError` where it is absent, larger than `limit`, or broken."""
        entry = self.entries.get(name)
        if entry is None:
            raise InputRefusedError(f"{self.where}: the archive has no entry {name}")
        if entry.size > limit:
            raise InputRefusedError(
                f"{self.where}: {name} has {entry.size:,} bytes, more than the {limit:,} that are read"
            )
        stream.seek(entry.start)
        content = stream.read(entry.stored)
        if entry.deflated:
            try:
                content = zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(content, entry.size + 1)
            except zlib.error:
                raise InputRefusedError(f"{self.where}: {name} can't be inflated; the file is broken") from None
        if len(content) != entry.size:
            raise InputRefusedError(f"{self.where}: {name} is not as long as the archive says")
        return content


class _Header(NamedTuple):
    """An entry as the central directory has it."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    stored: int
    size: int
    offset: int


class _BadZipError(Exception):
    """What is wrong with the archive."""


def read_zip(stream: BinaryIO, size: int, where: str, *, deflate: bool = False) -> ZipTable:
    """Read and check the archive in a file of `size` bytes.

    `deflate` allows compressed entries of bounded size (TorchScript compresses its code); tensors are always stored.
    Checked: names (plain, inside of one folder, different even where case doesn't count), sizes and offsets of the
    directory against the local headers, no encryption, no gap, no overlap, nothing before or behind the archive.
    Memory is bounded by the number of entries. Raises `InputRefusedError` that starts with `where`.
    """
    reader = _Reader(stream, size)
    try:
        headers, end = _headers(reader)
        _check_methods(headers, deflate)
        names = _names(headers)
        starts = _tiled(reader, headers, end)
        entries = [ZipEntry(at, h.stored, h.size, h.method == _DEFLATED) for h, at in zip(headers, starts, strict=True)]
    except (_BadZipError, struct.error) as error:
        raise InputRefusedError(f"{where}: a forged or broken archive: {error}; save the model again") from None
    return ZipTable(where, dict(zip(names, entries, strict=True)))


@dataclass(frozen=True)
class _Reader:
    stream: BinaryIO
    size: int

    def bytes_at(self, start: int, length: int) -> bytes:
        if start < 0 or start + length > self.size:
            raise _BadZipError("it points outside of the file; is it truncated?")
        self.stream.seek(start)
        content = self.stream.read(length)
        if len(content) != length:
            raise _BadZipError("it is shorter than it was")
        return content


def _headers(reader: _Reader) -> tuple[list[_Header], int]:
    """The entries of the central directory, and where it starts."""
    start, size, count = _directory(reader)
    if count > MAX_ENTRIES or size > MAX_DIRECTORY:
        raise _BadZipError(f"{count:,} entries, more than the {MAX_ENTRIES:,} that are read")
    content = reader.bytes_at(start, size)
    headers, position = [], 0
    for _ in range(count):
        header, position = _central(content, position)
        headers.append(header)
    if position != size:
        raise _BadZipError("its directory has bytes that belong to no entry")
    if not headers:
        raise _BadZipError("it is empty")
    return headers, start


def _directory(reader: _Reader) -> tuple[int, int, int]:
    """Start, size and number of entries of the central directory, which has to end where its end records start."""
    position = reader.size - _END.size
    mark, disk, first_disk, here, count, size, start, comment = _END.unpack(reader.bytes_at(position, _END.size))
    if mark != _END_MARK or comment:
        raise _BadZipError("it does not end with the end record of a zip archive (truncated, or followed by something)")
    found: tuple[int, ...] = (disk, first_disk, here, count, size, start)
    before = position - _LOCATOR.size
    if before >= 0:
        mark, locator_disk, position64, disks = _LOCATOR.unpack(reader.bytes_at(before, _LOCATOR.size))
        if mark == _LOCATOR_MARK:
            position = before - _END64.size
            found64 = _end64(reader, position)
            if (locator_disk, position64, disks) != (0, position, 1) or not _agree(found, found64):
                raise _BadZipError("its two end records disagree")
            found = found64
    disk, first_disk, here, count, size, start = found
    if (disk, first_disk) != (0, 0) or here != count or start + size != position:
        raise _BadZipError("its directory is not where its end record says")
    return start, size, count


def _end64(reader: _Reader, position: int) -> tuple[int, ...]:
    mark, length, _, _, *found = _END64.unpack(reader.bytes_at(position, _END64.size))
    if mark != _END64_MARK or length != _END64.size - 12:
        raise _BadZipError("its zip64 end record is malformed")
    return tuple(found)


def _agree(found: tuple[int, ...], found64: tuple[int, ...]) -> bool:
    limits = (_NO_16, _NO_16, _NO_16, _NO_16, _NO_32, _NO_32)
    return all(short in (long, limit) for short, long, limit in zip(found, found64, limits, strict=True))


def _central(content: bytes, position: int) -> tuple[_Header, int]:
    fields = _CENTRAL.unpack_from(content, position)
    mark, _, _, flags, method, _, _, crc, stored, size, name_length, extra_length, comment, disk, _, _, offset = fields
    name_at = position + _CENTRAL.size
    extra_at = name_at + name_length
    end = extra_at + extra_length
    if mark != _CENTRAL_MARK or comment or disk or end > len(content):
        raise _BadZipError("its directory is malformed")
    size, stored, offset = _widen((size, stored, offset), content[extra_at:end])
    return _Header(content[name_at:extra_at], flags, method, crc, stored, size, offset), end


def _widen(values: tuple[int, ...], extra: bytes) -> tuple[int, ...]:
    """Values of 32 bits, each that reads 0xFFFFFFFF replaced by the next one of the zip64 field (APPNOTE 4.5.3)."""
    position, wide = 0, b""
    while position < len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        position += 4 + length
        # Other fields can give an entry a second name, or say how it is encrypted; torch only pads.
        if position > len(extra) or kind not in (_ZIP64_FIELD, _PADDING_FIELD) or (kind == _ZIP64_FIELD and wide):
            raise _BadZipError("an entry has extra fields that torch never writes")
        wide = extra[position - length : position] if kind == _ZIP64_FIELD else wide
    numbers = list(struct.unpack(f"<{len(wide) // 8}Q", wide))
    try:
        return tuple(numbers.pop(0) if value == _NO_32 else value for value in values)
    except IndexError:
        raise _BadZipError("an entry lacks its zip64 sizes") from None


def _check_methods(headers: list[_Header], deflate: bool) -> None:
    inflated = 0
    for header in headers:
        name = header.raw_name.decode("utf-8", "replace")[-100:]
        if header.flags & ~(_DESCRIPTOR_FOLLOWS | _UTF8):
            raise _BadZipError(f"{name!r} is encrypted or has other flags that torch never sets")
        if header.method == _STORED:
            if header.stored != header.size:
                raise _BadZipError(f"{name!r} is stored, but in two sizes")
            continue
        if header.method != _DEFLATED or not deflate:
            raise _BadZipError(f"{name!r} is compressed, which torch never does to tensors (a zip bomb is)")
        inflated += header.size
        if header.size > MAX_INFLATED or inflated > MAX_ALL_INFLATED:
            raise _BadZipError(f"{name!r} inflates to {header.size:,} bytes: a zip bomb")
        if header.size > MEGABYTE and header.size > MAX_RATIO * header.stored:
            raise _BadZipError(f"{name!r} inflates {MAX_RATIO} times and more: a zip bomb")


def _names(headers: list[_Header]) -> list[str]:
    """The names inside of the one folder; torch looks them up without regard to case."""
    names, folders, seen = [], set(), set()
    for header in headers:
        folder, _, name = _plain(header).partition("/")
        if not name or name.casefold() in seen:
            raise _BadZipError(f"two entries named {name[:100]!r} but for case" if name else f"a bare entry {folder!r}")
        names.append(name)
        folders.add(folder)
        seen.add(name.casefold())
    if len(folders) != 1:
        raise _BadZipError(f"its entries lie in {len(folders)} folders, where torch writes one")
    return names


def _plain(header: _Header) -> str:
    try:
        name = header.raw_name.decode("utf-8" if header.flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise _BadZipError("a name that is no text") from None
    odd = "\\" in name or not name.isprintable() or any(part in ("", ".", "..") for part in name.split("/"))
    if odd or len(header.raw_name) > MAX_NAME:
        raise _BadZipError(f"an entry named {name[:100]!r}, which torch never writes")
    return name


def _tiled(reader: _Reader, headers: list[_Header], end: int) -> list[int]:
    """Where the data of each entry starts. Raises unless the entries tile the file up to `end`, in order."""
    starts, position = [], 0
    for header in headers:
        if header.offset != position:
            raise _BadZipError(f"entries overlap, or leave a gap, at byte {position:,}")
        start = _local(reader, header)
        starts.append(start)
        position = _after(reader, header, start + header.stored, end)
    if position != end:
        raise _BadZipError("bytes between its entries and its directory")
    return starts


def _local(reader: _Reader, header: _Header) -> int:
    """Where the data of an entry starts. Raises where its local header says something else than the directory."""
    fields = _LOCAL.unpack(reader.bytes_at(header.offset, _LOCAL.size))
    mark, _, flags, method, _, _, crc, stored, size, name_length, extra_length = fields
    rest = reader.bytes_at(header.offset + _LOCAL.size, name_length + extra_length)
    size, stored = _widen((size, stored), rest[name_length:])
    given, expected = (crc, stored, size), (header.crc, header.stored, header.size)
    later = (0, 0, 0) if flags & _DESCRIPTOR_FOLLOWS else expected
    same = (mark, flags, method, rest[:name_length]) == (_LOCAL_MARK, header.flags, header.method, header.raw_name)
    if not same or any(value not in pair for value, *pair in zip(given, expected, later, strict=True)):
        raise _BadZipError(f"{header.raw_name[-100:]!r}: its local header and the directory disagree")
    return header.offset + _LOCAL.size + len(rest)


def _after(reader: _Reader, header: _Header, position: int, end: int) -> int:
    """Where the next entry starts: behind the data, and the descriptor where there is one."""
    if position > end:
        raise _BadZipError(f"{header.raw_name[-100:]!r} reaches beyond the entries")
    if not header.flags & _DESCRIPTOR_FOLLOWS:
        return position
    expected = (_DESCRIPTOR_MARK, header.crc, header.stored, header.size)
    for form in (_DESCRIPTOR, _DESCRIPTOR64):
        after = position + form.size
        if after > end or form.unpack(reader.bytes_at(position, form.size)) != expected:
            continue
        # A descriptor of zeros reads in both lengths; what follows it tells.
        if reader.bytes_at(after, 4) in (_LOCAL_MARK.to_bytes(4, "little"), _CENTRAL_MARK.to_bytes(4, "little")):
            return after
    raise _BadZipError(f"{header.raw_name[-100:]!r}: the descriptor behind its data and the directory disagree")
