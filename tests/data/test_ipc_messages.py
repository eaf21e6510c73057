"""The tables of Arrow files, one byte of them changed: they are read or lead nowhere, and nothing else happens."""

import io
import struct

import pyarrow as pa
import pytest

from auditkit.data.sources.ipc_messages import unpacked_sizes

TABLE = pa.table({"a": [1, 2, 3]})


def written(*, file: bool, compression: str | None = None) -> bytes:
    stream = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_file if file else pa.ipc.new_stream
    with new(stream, TABLE.schema, options=options) as writer:
        writer.write_table(TABLE)
    return stream.getvalue()


@pytest.mark.parametrize("file", [True, False])
def test_any_byte_may_be_wrong(file: bool) -> None:
    good = written(file=file)
    lost = 0
    for place, byte in enumerate(good):
        for value in {0, 1, 0x7F, 0x80, 0xFF, byte ^ 1, byte ^ 16}:
            try:
                list(unpacked_sizes(io.BytesIO(good[:place] + bytes([value]) + good[place + 1 :]), file=file))
            except struct.error:
                lost += 1
    assert lost


@pytest.mark.parametrize("file", [True, False])
def test_what_a_batch_unpacks_to(file: bool) -> None:
    assert list(unpacked_sizes(io.BytesIO(written(file=file)), file=file)) == [0]
    (size,) = unpacked_sizes(io.BytesIO(written(file=file, compression="zstd")), file=file)
    assert size >= TABLE.nbytes
