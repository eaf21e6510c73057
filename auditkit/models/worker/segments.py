"""Memory that parent and worker share for the bodies of frames, sealed: neither can pull it from under the other.

The parent makes each segment. None can shrink (a read beyond the end would kill the reader) or grow. What the parent
writes, the worker can only read; what the worker writes, the parent copies out before it looks at it.

Source: memfd_create(2), fcntl(2) on file sealing; F_SEAL_FUTURE_WRITE is in Linux 5.1 and later.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
from typing import Self

import numpy as np
import numpy.typing as npt

#: Bodies below this go through the socket, which is as fast; above the other, too: that much is not held twice.
SMALLEST, LARGEST = 64 << 10, 256 << 20
_GRAIN = 1 << 20
_F_ADD_SEALS = 1033
_SEAL, _SHRINK, _GROW, _FUTURE_WRITE = 0x1, 0x2, 0x4, 0x10


class Segment:
    """A mapped piece of shared memory of `size` bytes."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self.size = len(mapped)

    @classmethod
    def adopt(cls, descriptor: int, *, writable: bool) -> Self:
        """Map what the other side made. Closes the descriptor. Raises `OSError`, `ValueError`."""
        try:
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            return cls(mmap.mmap(descriptor, os.fstat(descriptor).st_size, prot=protection))
        finally:
            os.close(descriptor)

    def read(self, offset: int, size: int) -> npt.NDArray[np.uint8]:
        """A copy of these bytes. They must lie inside of the segment."""
        with memoryview(self._mapped) as view:
            return np.frombuffer(view, dtype=np.uint8, count=size, offset=offset).copy()

    def write(self, offset: int, content: memoryview) -> None:
        """Put bytes there. They must fit."""
        with memoryview(self._mapped) as view:
            view[offset : offset + content.nbytes] = content

    def close(self) -> None:
        """Unmap it; safe to call twice."""
        self._mapped.close()


def make(body: int, *, for_answers: bool) -> tuple[Segment, int] | None:
    """A segment with room for `body` bytes and some more, and its descriptor for the other side.

    `for_answers`: the other side writes and this one reads. None where the system has no such memory, or none left.
    """
    if sys.platform != "linux" or not SMALLEST <= body <= LARGEST:
        return None
    size = (body + body // 8 + _GRAIN - 1) // _GRAIN * _GRAIN
    try:
        descriptor = os.memfd_create("auditkit", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:
        return None
    try:
        os.posix_fallocate(descriptor, 0, size)  # here, where a lack of memory is an error, not a signal
        mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ | (0 if for_answers else mmap.PROT_WRITE))
        seals = _SEAL | _SHRINK | _GROW | (0 if for_answers else _FUTURE_WRITE)
        fcntl.fcntl(descriptor, _F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        return None
    return Segment(mapped), descriptor
