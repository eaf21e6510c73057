"""State dicts of real modules: each passes the check of its bytes, and the table that was read without torch describes
exactly the tensors that torch then loads."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from auditkit.models.torch_file.archive import TorchFile, check_torch_file
from auditkit.models.torch_file.pickle_table import MAX_PICKLE, read_table
from auditkit.models.torch_file.tensor_rows import ITEM_SIZES, TensorRow
from auditkit.models.torch_file.weights import load_tensors
from auditkit.models.torch_file.zip_check import read_zip
from tests.models.torch_nets import saved


class Tied(nn.Module):
    """Two names of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight


class Buffers(nn.Module):
    """Views, masks, counters."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("positions", torch.arange(6).expand(1, -1))
        self.register_buffer("mask", torch.ones(4, 4, dtype=torch.bool).tril())
        self.register_buffer("repeated", torch.zeros(1, 3).expand(7, 3))
        self.register_buffer("transposed", torch.arange(6.0).reshape(2, 3).T)
        self.register_buffer("part", torch.arange(10.0)[3:7:2])
        self.register_buffer("scalar", torch.tensor(3.5))
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("infinite", torch.full((2, 2), -torch.inf))


def quietly(make: Callable[[], nn.Module]) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(3, 2),
    "bilinear": lambda: nn.Bilinear(2, 3, 4),
    "conv1d": lambda: nn.Conv1d(2, 3, 3),
    "conv2d channels last": lambda: nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last),
    "conv3d": lambda: nn.Conv3d(1, 2, 2),
    "transposed conv": lambda: nn.ConvTranspose2d(2, 3, 2),
    "batch norm": lambda: nn.BatchNorm2d(4),
    "batch norm, no statistics": lambda: nn.BatchNorm1d(4, track_running_stats=False),
    "instance norm": lambda: nn.InstanceNorm1d(3, affine=True, track_running_stats=True),
    "layer norm": lambda: nn.LayerNorm([3, 4]),
    "group norm": lambda: nn.GroupNorm(2, 4),
    "rms norm": lambda: nn.RMSNorm(4),
    "embedding": lambda: nn.Embedding(7, 3, padding_idx=0),
    "embedding bag": lambda: nn.EmbeddingBag(5, 3),
    "lstm": lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "gru": lambda: nn.GRU(3, 4),
    "rnn cell": lambda: nn.RNNCell(3, 4),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False),
    "transformer": lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True),
    "prelu": lambda: nn.PReLU(3),
    "sequence": lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1))),
    "lists": lambda: nn.ModuleDict({"a": nn.ModuleList([nn.Linear(1, 1)]), "é": nn.Linear(1, 1)}),
    "parameters": lambda: nn.ParameterList([nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(1))]),
    "weight norm": lambda: quietly(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))),
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)),
    "half": lambda: nn.Linear(3, 2).half(),
    "bfloat16": lambda: nn.Linear(3, 2).bfloat16(),
    "double": lambda: nn.Linear(3, 2).double(),
    "complex": lambda: quietly(lambda: nn.Linear(3, 2).to(torch.complex64)),
    "tied": Tied,
    "buffers": Buffers,
    "without gradients": lambda: nn.Linear(3, 2).requires_grad_(requires_grad=False),
    "several hundred": lambda: nn.ModuleList([nn.Linear(1, 1) for _ in range(400)]),
}
DTYPES = [getattr(torch, name) for name in ITEM_SIZES]


def bits(row: TensorRow, storage: bytes) -> npt.NDArray[np.void]:
    """The tensor's elements as raw bytes, by numpy alone: an independent reading of the same file."""
    size = ITEM_SIZES[row.dtype]
    flat = np.frombuffer(storage, np.dtype((np.void, size)))
    strides = [step * size for step in row.stride]
    if 0 in row.shape:
        return flat[:0]
    return np.lib.stride_tricks.as_strided(flat[row.offset :], row.shape, strides, writeable=False)


def same_bits(tensor: Tensor, expected: npt.NDArray[np.void]) -> bool:
    if not tensor.numel():
        return expected.size == 0
    raw = tensor.detach().clone(memory_format=torch.contiguous_format).flatten().view(torch.uint8).numpy()
    return bool(raw.tobytes() == np.ascontiguousarray(expected).tobytes())


def agrees(content: bytes, state: dict[str, Tensor]) -> None:
    stream = io.BytesIO(content)
    assert check_torch_file(stream, len(content), "model.pt") == TorchFile("state_dict", "a state_dict")
    table = read_zip(stream, len(content), "model.pt")
    storages = {
        name[5:]: content[entry.start : entry.start + entry.size]
        for name, entry in table.entries.items()
        if name.startswith("data/")
    }
    sizes = {name: len(storage) for name, storage in storages.items()}
    rows = read_table(table.read(stream, "data.pkl", MAX_PICKLE), sizes, "model.pt")
    loaded = load_tensors(content)
    assert set(rows) == set(loaded) == set(state)
    for name, tensor in loaded.items():
        row = rows[name]
        assert (row.dtype, row.shape) == (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        assert row.stride == tensor.stride()
        assert row.offset == tensor.storage_offset()
        assert same_bits(state[name], bits(row, storages[row.storage])), name
        assert same_bits(tensor, bits(row, storages[row.storage])), name


@pytest.mark.parametrize("name", MODULES)
def test_state_dicts_of_real_modules_pass_and_are_described_exactly(name):
    torch.manual_seed(0)
    state = MODULES[name]().state_dict()
    agrees(saved(state), state)


def test_parameters_by_name_pass_too():
    state = dict(nn.Linear(3, 2).named_parameters())
    agrees(saved(state), state)


@pytest.mark.parametrize("dtype", DTYPES, ids=[str(dtype).removeprefix("torch.") for dtype in DTYPES])
def test_every_type_of_numbers(dtype):
    raw = torch.arange(48, dtype=torch.uint8)
    values = (raw % 2).bool() if dtype is torch.bool else raw.view(dtype)
    agrees(saved({"w": values, "empty": values[:0]}), {"w": values, "empty": values[:0]})


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Tensors of all kinds of shapes, and views of them."""
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    dtype = draw(st.sampled_from([torch.float32, torch.float64, torch.int64, torch.float16, torch.bool]))
    base = torch.arange(int(np.prod(shape, dtype=np.int64)) + 3).to(dtype)[3 - draw(st.integers(0, 3)) :]
    tensor = base[: int(np.prod(shape, dtype=np.int64))].reshape(shape)
    if shape and draw(st.booleans()):
        tensor = tensor.permute(draw(st.permutations(range(len(shape)))))
    if shape and tensor.shape[0] > 1 and draw(st.booleans()):
        tensor = tensor[1::2]
    if draw(st.booleans()):
        tensor = tensor.unsqueeze(0).expand(3, *tensor.shape)
    return tensor


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, tensors(), min_size=1, max_size=5))
def test_whatever_passes_loads_as_it_was_described(state):
    agrees(saved(state), state)
