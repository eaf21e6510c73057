"""Classic BPF as seccomp runs it: a program over (number, architecture, six arguments) that answers with an action.

Source: the kernel's `Documentation/userspace-api/seccomp_filter.rst`, `include/uapi/linux/` `filter.h`, `bpf_common.h`
and `seccomp.h`. A call's description is `struct seccomp_data`: number at 0, architecture at 4, instruction pointer at
8, arguments at 16, each of 64 bits, the low word first on both machines that we know.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOAD, AND, JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x25, 0x35, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
ALLOW, KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
#: The kernel's own bound.
MAX_INSTRUCTIONS = 4_096


def errno_action(code: int) -> int:
    """The call is not made and fails with this errno."""
    return _ERRNO | code


@dataclass(frozen=True)
class Instruction:
    """`struct sock_filter`: code, how many instructions to skip where the comparison holds or not, operand."""

    code: int
    operand: int
    yes: int = 0
    no: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.yes <= 255 and 0 <= self.no <= 255 and 0 <= self.operand < 1 << 32):
            raise ValueError("a jump or an operand that does not fit its field")

    def pack(self) -> bytes:
        """Eight bytes."""
        return struct.pack("=HBBI", self.code, self.yes, self.no, self.operand)


@dataclass(frozen=True)
class Argument:
    """A condition: argument `index`, after `mask`, is one of `among`. `wide`: all 64 bits count (a pointer), else the
    low 32 (an int, of which the kernel takes no more)."""

    index: int
    among: tuple[int, ...]
    mask: int = 0xFFFFFFFF
    wide: bool = False


def allow_numbers(numbers: Iterable[int]) -> list[Instruction]:
    """Allow these calls; expects the number in the accumulator and leaves it there."""
    program: list[Instruction] = []
    for first, last in _ranges(sorted(set(numbers))):
        if first == last:
            program.append(Instruction(JUMP_EQUAL, first, 0, 1))
        else:
            program += [Instruction(JUMP_AT_LEAST, first, 0, 2), Instruction(JUMP_GREATER, last, 1, 0)]
        program.append(Instruction(RETURN, ALLOW))
    return program


def allow_where(number: int, conditions: Sequence[Argument], otherwise: int) -> list[Instruction]:
    """Allow one call where all conditions hold, else answer with the action `otherwise`."""
    block: list[Instruction] = []
    for condition in conditions:
        block += _condition(condition, otherwise)
    block.append(Instruction(RETURN, ALLOW))
    return [Instruction(JUMP_EQUAL, number, 0, len(block)), *block]


def answer(numbers: Iterable[int], action: int) -> list[Instruction]:
    """Answer these calls with one action."""
    return [part for n in numbers for part in (Instruction(JUMP_EQUAL, n, 0, 1), Instruction(RETURN, action))]


def _condition(condition: Argument, otherwise: int) -> list[Instruction]:
    low = ARGUMENTS + 8 * condition.index
    program = [Instruction(LOAD, low), Instruction(AND, condition.mask)]
    left = len(condition.among)
    for position, value in enumerate(condition.among):
        program.append(Instruction(JUMP_EQUAL, value, left - position))
    program += [Instruction(RETURN, otherwise)]
    if condition.wide:
        program += [
            Instruction(LOAD, low + 4),
            Instruction(JUMP_EQUAL, 0, 1),
            Instruction(RETURN, otherwise),
        ]
    return program


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
