"""An ONNX file as hostile bytes: every message of it is walked, and what leads out of it is refused.

Nothing is imported and nothing is built. Walked are the graph, subgraphs in attributes, functions, training graphs, and
every tensor in any of them. Nodes may use the operators that onnxruntime brings and functions that the model defines
itself; any other would need a native library that comes with the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.errors import InputRefusedError, few
from auditkit.models.prechecks.onnx_schema import DATA_TYPES, SCHEMAS
from auditkit.models.prechecks.onnx_tensors import Tensor, TensorReader
from auditkit.models.prechecks.protobuf import MAX_DEPTH, Budget, fields, signed, text
from auditkit.models.reading import read_regular
from auditkit.models.refuse import code_format

#: The library of protocol buffers reads no more.
MAX_FILE = (2 << 30) - 1
#: Operators that onnxruntime brings itself.
DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training", "ai.onnx.training", "com.microsoft"}
)
#: Operators of com.microsoft that run something which the file brings: a Python function; a device's compiled program.
_OPERATORS = frozenset({"PythonOp", "PythonOpGrad", "EPContext"})
#: Nodes once all functions are put in the place of their calls.
MAX_NODES = 10_000_000

Name = tuple[str, str]
MAIN: Name = ("", "")


@dataclass(frozen=True)
class OnnxValue:
    """An input or an output: its type's name (None where it is no tensor), and its shape (None: unknown).

    A dimension is a number, a name, or None.
    """

    name: str
    dtype: str | None
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class OnnxModel:
    """What a checked file says it is."""

    path: Path
    ir_version: int
    opsets: Mapping[str, int]
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    #: Numbers in all tensors of the file.
    elements: int
    #: Files beside the model that it reads, with their sizes.
    external: Mapping[Path, int]
    operators: frozenset[Name]


def check_onnx(path: Path) -> OnnxModel:
    """Read and check an ONNX file. Raises `InputRefusedError` that names the file and what is wrong with it."""
    code = code_format(path)
    if code is not None:
        raise InputRefusedError(f"{path}: {code.what}, not an ONNX file; export the model to ONNX where you trust it")
    content = read_regular(path, limit=MAX_FILE)
    if content[4:8] == b"ORTM":
        raise InputRefusedError(f"{path}: onnxruntime's own format (.ort); audit the ONNX file that it was made from")
    walk = _Walk(path, Budget(str(path)))
    walk.message(memoryview(content), "ModelProto", 0, MAIN)
    if not walk.graphs or not walk.opsets:
        raise InputRefusedError(f"{path}: no ONNX model: it has no graph, or names no operator set")
    walk.check_operators()
    inputs = tuple(value for value in walk.inputs if value.name not in walk.initializers)
    external = {path.parent / location: size for location, size in walk.tensors.files.items()}
    elements = walk.tensors.elements
    return OnnxModel(
        path, walk.ir_version, walk.opsets, inputs, tuple(walk.outputs), elements, external, frozenset(walk.operators)
    )


class _Walk:
    """One pass over a file. `calls` counts what each function (`MAIN`: the graph) uses, over all its subgraphs."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._budget = budget
        self.tensors = TensorReader(path.parent, budget)
        self.ir_version = 0
        self.graphs = 0
        self.opsets: dict[str, int] = {}
        self.inputs: list[OnnxValue] = []
        self.outputs: list[OnnxValue] = []
        self.initializers: set[str] = set()
        self.calls: dict[Name, Counter[Name]] = {MAIN: Counter()}

    @property
    def operators(self) -> set[Name]:
        """(domain, type) of every node."""
        return {name for used in self.calls.values() for name in used}

    def message(self, view: memoryview, kind: str, depth: int, scope: Name) -> None:
        """Walk a message and all below it. `scope` is the function it belongs to."""
        if depth > MAX_DEPTH:
            raise self._budget.error(f"messages nested more than {MAX_DEPTH} deep")
        if kind == "TensorProto":
            self.tensors.read(view)
            return
        if kind == "SparseTensorProto":
            self._sparse(view)
            return
        if kind == "FunctionProto":
            scope = self._function(view)
        elif kind == "NodeProto":
            name = self._texts(view, kind)
            self.calls[scope][(name.get("domain", ""), name.get("op_type", ""))] += 1
        for field, value in fields(view, SCHEMAS[kind], kind, self._budget):
            if field.message and isinstance(value, memoryview):
                self.message(value, field.message, depth + 1, scope)
                if depth <= 1 and scope is MAIN:
                    self._keep(kind, field.name, value)
            elif field.name == "ir_version" and isinstance(value, int):
                self.ir_version = value

    def _keep(self, kind: str, name: str, value: memoryview) -> None:
        """Facts about the model itself, from its first two levels."""
        if (kind, name) == ("ModelProto", "graph"):
            self.graphs += 1
        elif (kind, name) == ("ModelProto", "opset_import"):
            domain, version = self._opset(value)
            self.opsets[domain] = version
        elif kind == "GraphProto" and name in ("input", "output"):
            (self.inputs if name == "input" else self.outputs).append(self._value(value))
        elif kind == "GraphProto" and name == "initializer":
            self.initializers.add(self._texts(value, "TensorProto").get("name", ""))

    def _texts(self, view: memoryview, kind: str) -> dict[str, str]:
        """The single texts of one message."""
        found = {}
        for field, value in fields(view, SCHEMAS[kind], kind, self._budget):
            if field.kind == "text" and not field.repeated and isinstance(value, memoryview):
                found[field.name] = text(value, field.name, self._budget)
        return found

    def _function(self, view: memoryview) -> Name:
        found = self._texts(view, "FunctionProto")
        name = (found.get("domain", ""), found.get("name", ""))
        if found.get("overload"):
            name = (name[0], f"{name[1]}:{found['overload']}")
        if name == MAIN or name in self.calls:
            raise self._budget.error(f"function {name[1][:100]!r} has no name, or stands there twice")
        self.calls[name] = Counter()
        return name

    def _sparse(self, view: memoryview) -> None:
        parts: dict[str, Tensor] = {}
        dims: list[int] = []
        for field, value in fields(view, SCHEMAS["SparseTensorProto"], "SparseTensorProto", self._budget):
            if field.name == "dims":
                dims += [signed(n) for n in self.tensors.ints(value, "SparseTensorProto.dims")]
            elif isinstance(value, memoryview):
                parts[field.name] = self.tensors.read(value)
        self.tensors.check_sparse(dims, parts.get("values"), parts.get("indices"))

    def _opset(self, view: memoryview) -> tuple[str, int]:
        domain, version = "", 0
        for _, value in fields(view, SCHEMAS["OperatorSetIdProto"], "OperatorSetIdProto", self._budget):
            if isinstance(value, int):
                version = signed(value)
            else:
                domain = text(value, "domain", self._budget)
        return domain, version

    def _one(self, view: memoryview, kind: str, name: str) -> memoryview | None:
        """One field of a message that was walked already."""
        for field, value in fields(view, SCHEMAS[kind], kind, self._budget):
            if field.name == name and isinstance(value, memoryview):
                return value
        return None

    def _value(self, view: memoryview) -> OnnxValue:
        name = self._texts(view, "ValueInfoProto").get("name", "")
        type_ = self._one(view, "ValueInfoProto", "type")
        tensor = None if type_ is None else self._one(type_, "TypeProto", "tensor_type")
        if tensor is None:
            return OnnxValue(name, None, None)
        dtype: str | None = None
        shape: tuple[int | str | None, ...] | None = None
        for _, value in fields(tensor, SCHEMAS["Tensor"], "Tensor", self._budget):
            if isinstance(value, int):
                dtype = DATA_TYPES[value][0] if value in DATA_TYPES else None
            else:
                shape = self._shape(value)
        return OnnxValue(name, dtype, shape)

    def _shape(self, view: memoryview) -> tuple[int | str | None, ...]:
        shape: list[int | str | None] = []
        for _, dimension in fields(view, SCHEMAS["TensorShapeProto"], "TensorShapeProto", self._budget):
            assert isinstance(dimension, memoryview)
            length: int | str | None = None
            for field, value in fields(dimension, SCHEMAS["Dimension"], "Dimension", self._budget):
                if isinstance(value, int):
                    length = signed(value)
                elif field.name == "dim_param":
                    length = text(value, "dim_param", self._budget) or None
            shape.append(length)
        return tuple(shape)

    def check_operators(self) -> None:
        """Refuse operators that would need a library of the model's own, and functions that unfold without end."""
        defined = {(domain, name.partition(":")[0]) for domain, name in self.calls}
        unknown = sorted(
            f"{domain}.{name}"[:100]
            for domain, name in self.operators - defined
            if domain not in DOMAINS or (domain == "com.microsoft" and name in _OPERATORS)
        )
        if unknown:
            raise self._budget.error(
                f"it uses operators that need a library of its own, which would be code: {few(unknown)}. Export the "
                "model with operators of ONNX alone"
            )
        functions: dict[Name, list[Name]] = {}
        for domain, name in self.calls.keys() - {MAIN}:
            functions.setdefault((domain, name.partition(":")[0]), []).append((domain, name))
        self._unfold(MAIN, functions, {}, 0)

    def _unfold(self, scope: Name, functions: Mapping[Name, list[Name]], sizes: dict[Name, int], depth: int) -> int:
        """How many nodes a function has once every call is replaced by what it calls (the largest overload)."""
        if sizes.get(scope) == -1 or depth > MAX_DEPTH:
            raise self._budget.error(f"function {scope[1][:100]!r} calls itself, or calls are nested too deeply")
        if scope in sizes:
            return sizes[scope]
        sizes[scope] = -1
        total = 0
        for name, count in self.calls[scope].items():
            inner = [self._unfold(other, functions, sizes, depth + 1) for other in functions.get(name, ())]
            total += count * max(inner, default=1)
            if total > MAX_NODES:
                raise self._budget.error(f"its functions unfold to more than {MAX_NODES:,} nodes")
        sizes[scope] = total
        return total
