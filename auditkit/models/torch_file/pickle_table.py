"""`data.pkl` of a torch.save file, read as data: a table of tensors, without building one and without calling anything.

A machine of our own over `pickletools.genops` knows the opcodes of protocol 2 and the few globals that a state_dict
needs (`torch/_utils.py`: `_rebuild_tensor_v2`, `_rebuild_tensor_v3`, `_rebuild_parameter`). A pickle that names
anything else could run code.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from auditkit.core.errors import InputRefusedError
from auditkit.models.reading import MEGABYTE
from auditkit.models.torch_file.tensor_rows import (
    DTYPES,
    STORAGES,
    Global,
    MalformedError,
    Rows,
    Table,
    TensorRow,
    no_hooks,
)

MAX_PICKLE = 32 * MEGABYTE
MAX_OPCODES = 5_000_000
#: Values that wait, and tuples and lists begun inside of one another: `pickle` writes items in batches of 1,000.
MAX_STACK = 10_000
MAX_DEPTH = 100
_ORDERED_DICT, _SIZE = "collections OrderedDict", "torch Size"
_TENSOR, _TENSOR_V3 = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3"
_PARAMETER = "torch._utils _rebuild_parameter"
_KNOWN = {_ORDERED_DICT, _SIZE, _TENSOR, _TENSOR_V3, _PARAMETER, *STORAGES, *DTYPES}
#: What torch itself would read as data, but what can't be checked before it does.
_OTHER_TENSORS = {
    "torch._utils _rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils _rebuild_qtensor": "a quantized tensor",
    "torch._utils _rebuild_nested_tensor": "a nested tensor",
    "torch._utils _rebuild_meta_tensor_no_storage": "a tensor without data",
    "torch._utils _rebuild_wrapper_subclass": "a tensor of a class of its own",
    "torch._utils _rebuild_device_tensor_from_numpy": "a tensor of another kind of device",
    "torch._utils _rebuild_device_tensor_from_cpu_tensor": "a tensor of another kind of device",
    "torch._utils _rebuild_parameter_with_state": "a parameter with attributes of its own",
    "torch._tensor _rebuild_from_type_v2": "a tensor with attributes of its own",
    "torch._utils _rebuild_tensor": "a tensor as torch wrote it before version 0.4",
}


class RunsCodeError(InputRefusedError):
    """The pickle does more than describe tensors: loading it can run code. `what` says what it does."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}")
        self.what = what


def read_table(content: bytes, sizes: Mapping[str, int], where: str) -> dict[str, TensorRow]:
    """The tensors of a state_dict, by name.

    `content` is the whole pickle, `sizes` the bytes of each storage that the file has. Raises `RunsCodeError` where it
    names what tensors don't need; `InputRefusedError` that starts with `where` for a malformed pickle, a view that
    leaves its storage, tensors that can't be checked, and anything that is no table of tensors alone. Time and memory
    are linear in `content`, and bounded.
    """
    if len(content) > MAX_PICKLE:
        raise InputRefusedError(
            f"{where}: a pickle of {len(content):,} bytes, more than the {MAX_PICKLE:,} that are read"
        )
    rows = Rows(sizes)
    try:
        tensors = _tensors(_Machine(rows).run(content))
        rows.check_used()
    except RunsCodeError as error:
        raise RunsCodeError(error.what, where) from None
    except MalformedError as error:
        raise InputRefusedError(f"{where}: {error}") from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        # Opcodes that are cut off or unknown, texts that are none, a stack or a memo that has not what is asked for.
        raise InputRefusedError(f"{where}: its pickle is malformed ({str(error)[:100]})") from None
    return tensors


def _tensors(result: object) -> dict[str, TensorRow]:
    """The result, where it is a table of tensors and nothing else."""
    if not isinstance(result, Table):
        raise MalformedError(f"{_kind(result)}, no state_dict; save `model.state_dict()`")
    if not result.items:
        raise MalformedError("an empty state_dict; save `model.state_dict()` of the trained model")
    found = {name: value for name, value in result.items.items() if isinstance(value, TensorRow)}
    other = [name for name in result.items if name not in found]
    if other:
        shown = ", ".join(f"{str(name)[:50]!r} ({_kind(result.items[name])})" for name in other[:5])
        inside = next((repr(str(name)[:50]) for name in other if _has_tensors(result.items[name])), "...")
        raise MalformedError(
            f"a checkpoint that holds more than weights: {shown}. Save the weights alone: "
            f"`torch.save(checkpoint[{inside}], 'weights.pt')`"
        )
    if not all(isinstance(name, str) for name in found):
        raise MalformedError("a table of tensors whose names are no texts")
    return {str(name): value for name, value in found.items()}


def _has_tensors(value: object) -> bool:
    return isinstance(value, Table) and any(isinstance(item, TensorRow) for item in value.items.values())


def _kind(value: object) -> str:
    kinds = {Table: "a table", list: "a list", tuple: "a tuple", str: "a text", TensorRow: "a single tensor"}
    kinds |= {int: "a number", float: "a number", bool: "yes or no", type(None): "nothing"}
    return kinds.get(type(value), "something else")


class _Machine:
    """Runs a pickle's opcodes on descriptions of values. `pickletools.py` says what each opcode does."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: list[Any] = []

    def run(self, content: bytes) -> object:
        """What the pickle builds."""
        if content[:2] != b"\x80\x02":
            raise RunsCodeError("a torch.save file whose pickle is not of the protocol 2 that it writes")
        for count, (opcode, argument, position) in enumerate(pickletools.genops(content)):
            if count > MAX_OPCODES:
                raise MalformedError(f"a pickle of more than the {MAX_OPCODES:,} steps that are read")
            if opcode.name == "STOP":
                if position is None or position + 1 != len(content) or self._marks or len(self._stack) != 1:
                    raise MalformedError("its pickle ends too early; another may follow")
                return self._stack.pop()
            act = _ACTS.get(opcode.name)
            if act is None:
                raise RunsCodeError(f"a torch.save file whose pickle takes the step {opcode.name}")
            act(self, argument)
            if len(self._stack) > MAX_STACK or len(self._marks) > MAX_DEPTH:
                raise MalformedError("its pickle nests or heaps up more than `torch.save` ever does: a bomb")
        raise MalformedError("its pickle has no end")

    def push(self, value: object) -> None:
        self._stack.append(value)

    def mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise MalformedError("its pickle takes more from its stack than is there")
        start = len(self._stack) - count
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def put(self, index: int) -> None:
        # `pickle` numbers what it remembers one by one.
        if index != len(self._memo):
            raise MalformedError("its pickle remembers out of order")
        self._memo.append(self._stack[-1])

    def get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def append(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise MalformedError("its pickle appends to what is no list")
        self._stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        table = self._stack[-1]
        if not isinstance(table, Table) or len(items) % 2:
            raise MalformedError("its pickle sets items of what is no table")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):
                raise MalformedError("a table whose keys are neither texts nor whole numbers")
            if key in table.items:
                raise MalformedError(f"{str(key)[:100]!r} stands there twice")
            table.items[key] = value

    def look_up(self, name: str) -> None:
        if name in _OTHER_TENSORS:
            raise MalformedError(
                f"holds {_OTHER_TENSORS[name]}; only plain tensors can be checked. Save a state_dict of plain ones"
            )
        if name not in _KNOWN:
            raise RunsCodeError(f"a torch.save file that names {name.replace(' ', '.')[:100]!r}")
        self._stack.append(Global(name))

    def reduce(self) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise MalformedError("its pickle calls what is no function")
        name = function.name
        if name == _ORDERED_DICT and not arguments:
            self._stack.append(Table())
        elif name == _SIZE and len(arguments) == 1 and isinstance(arguments[0], tuple):
            self._stack.append(arguments[0])
        elif name in (_TENSOR, _TENSOR_V3):
            self._stack.append(self._rows.tensor(arguments, typed=name == _TENSOR))
        elif name == _PARAMETER and len(arguments) == 3 and isinstance(arguments[0], TensorRow):
            no_hooks(arguments[2])
            self._stack.append(arguments[0])
        else:
            raise MalformedError(f"its pickle calls {name.replace(' ', '.')} as torch never does")

    def build(self) -> None:
        """`state_dict()` hangs `_metadata`, the versions of its modules, on the table; that is all that may be set."""
        target, state = self.pop(2)
        only = isinstance(state, Table) and set(state.items) == {"_metadata"}
        if not isinstance(target, Table) or not only or not _is_metadata(state.items["_metadata"]):
            raise RunsCodeError("a torch.save file whose pickle sets attributes")
        self._stack.append(target)

    def storage(self) -> None:
        (identity,) = self.pop(1)
        if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
            raise RunsCodeError("a torch.save file that refers to something outside of it")
        self._stack.append(self._rows.storage(identity))


def _is_metadata(value: object) -> bool:
    """A table of the versions of each module."""
    return isinstance(value, Table) and all(
        isinstance(entry, Table) and all(isinstance(item, int | str | None) for item in entry.items.values())
        for entry in value.items.values()
    )


_Act = Callable[[_Machine, Any], None]
_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE")
_ACTS: dict[str, _Act] = {
    "PROTO": lambda machine, version: None,
    "MARK": lambda machine, _: machine.mark(),
    **{name: lambda machine, value: machine.push(value) for name in _VALUES},
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push(Table()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_mark())),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.pop(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.pop(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.pop(3))),
    "APPEND": lambda machine, _: machine.append(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.append(machine.pop_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "BINPUT": lambda machine, index: machine.put(index),
    "LONG_BINPUT": lambda machine, index: machine.put(index),
    "BINGET": lambda machine, index: machine.get(index),
    "LONG_BINGET": lambda machine, index: machine.get(index),
    "GLOBAL": lambda machine, name: machine.look_up(name),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.storage(),
}
