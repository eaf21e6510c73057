"""A small machine for classic BPF over `struct seccomp_data`, written from the kernel's description of it alone."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def run(program: bytes, number: int, architecture: int, arguments: Sequence[int] = ()) -> int:
    """The action that the packed program answers for one call."""
    padded = [argument & (1 << 64) - 1 for argument in [*arguments, *[0] * 6][:6]]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *padded)
    instructions = list(struct.iter_unpack("<HBBI", program))
    accumulator, counter = 0, 0
    while True:
        code, yes, no, operand = instructions[counter]
        counter += 1
        if code == 0x20:  # BPF_LD | BPF_W | BPF_ABS
            assert operand % 4 == 0
            assert operand + 4 <= 64
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x54:  # BPF_ALU | BPF_AND | BPF_K
            accumulator &= operand
        elif code in (0x15, 0x25, 0x35):  # BPF_JMP | BPF_JEQ, BPF_JGT, BPF_JGE | BPF_K
            holds = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand}[code]
            counter += yes if holds else no
        elif code == 0x06:  # BPF_RET | BPF_K
            return operand
        else:
            raise AssertionError(f"instruction {code:#x}")
