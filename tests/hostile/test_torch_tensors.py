"""What the tensors of a torch file say of their bytes is held against the bytes. torch itself reads some of these
without a word: sparse tensors whose next use is a crash, 2^40 elements in 1.5 KB."""

import io

import pytest
import torch

from auditkit.core.errors import InputRefusedError
from auditkit.models.torch_file.archive import check_torch_file
from tests.hostile.torch_files import Call, Storage, archive, of, pickled, saved, tensor


def refused(content: bytes, message: str) -> None:
    with pytest.raises(InputRefusedError, match=message) as caught:
        check_torch_file(io.BytesIO(content), len(content), "model.pt")
    assert str(caught.value).startswith("model.pt: ")
    assert len(str(caught.value).splitlines()) == 1


LARGE = 1 << 62
V3 = torch._utils._rebuild_tensor_v3
UNTYPED = torch.storage.UntypedStorage
HALF = torch.HalfStorage
WORDS = (Storage(kind=UNTYPED, count=16), 0, (4,), (1,), False, None)
TENSORS = [
    ("a view beyond", of(tensor(shape=(5,))), "reaches beyond its storage '0' of 4 elements"),
    ("an offset beyond", of(tensor(offset=1)), "reaches beyond"),
    ("a stride beyond", of(tensor(shape=(2,), stride=(4,))), "reaches beyond"),
    ("two axes beyond", of(tensor(shape=(2, 2), stride=(3, 1))), "reaches beyond"),
    ("a scalar beyond", of(tensor(offset=4, shape=(), stride=())), "reaches beyond"),
    ("a negative offset", of(tensor(offset=-1)), "negative"),
    ("a negative stride", of(tensor(offset=3, stride=(-1,))), "negative"),
    ("a negative size", of(tensor(shape=(-1,))), "negative"),
    ("sizes that wrap", of(tensor(shape=(LARGE, 4), stride=(0, 1))), "too large"),
    ("an empty one whose sizes wrap", of(tensor(shape=(0, 1 << 40, 1 << 40), stride=(1, 1, 1))), "a bomb"),
    ("2^40 elements", of(tensor(shape=(1 << 40,), stride=(0,))), "a bomb"),
    ("2^40 in two axes", of(tensor(shape=(1 << 20, 1 << 20), stride=(0, 0))), "a bomb"),
    ("a stride that is a text", of(tensor(stride=("1",))), "malformed"),
    ("a stride too few", of(tensor(shape=(2, 2))), "malformed"),
    ("a size that is true", of(tensor(shape=(True,))), "malformed"),
    ("a size that is a float", of(tensor(shape=(4.0,))), "malformed"),
    ("sizes in a list", of(tensor(shape=[4])), "malformed"),
    ("17 axes", of(tensor(shape=(1,) * 17, stride=(1,) * 17)), "17 dimensions"),
    ("no gradient flag", of(tensor(grad="yes")), "dimensions|malformed"),
    ("hooks", of(tensor(hooks=[1])), "hooks"),
    ("conjugate", of(tensor(Storage(), 0, (4,), (1,), {"conj": True})), "marked conjugate"),
    ("too few words", of(Call(torch._utils._rebuild_tensor_v2, (Storage(), 0, (4,)))), "malformed"),
    ("too many words", of(tensor(Storage(), 0, (4,), (1,), None, None)), "malformed"),
    ("no storage", of(tensor("0")), "malformed"),
    ("a storage said to be larger", of(tensor(Storage(count=1 << 30))), "4,294,967,296 bytes, the file has 16"),
    (
        "a storage said to be smaller",
        of(tensor(Storage(count=3), shape=(3,))),
        "said to have 12 bytes, the file has 16",
    ),
    ("a storage of negative size", of(tensor(Storage(count=-4))), "its size is malformed"),
    ("a storage that is not there", of(tensor(Storage(key="7"))), "the file has none"),
    ("a storage by a number", of(tensor(Storage(key=0))), "unknown type"),
    ("a storage of no type", of(tensor(Storage(kind="FloatStorage"))), "unknown type"),
    ("a storage at an odd place", of(tensor(Storage(location="cpu;rm -rf"))), "its device"),
    ("one storage as two types", of([tensor(), tensor(Storage(kind=HALF, count=8), shape=(8,))]), "used as two types"),
    ("a storage nobody uses", of(tensor(), {"0": bytes(16), "1": b"x"}), "no tensor uses"),
    (
        "a type by name",
        of(Call(V3, (*WORDS, "f4"))),
        "unknown type",
    ),
    (
        "wider than said",
        of(Call(V3, (*WORDS, torch.uint64))),
        "beyond",
    ),
    ("sparse", saved({"w": torch.eye(2).to_sparse()}), "holds a sparse tensor"),
    ("without data", saved({"w": torch.empty(3, device="meta")}), "holds a tensor without data"),
    (
        "a parameter of more",
        of(Call(torch._utils._rebuild_parameter_with_state, (1, 2, 3, 4))),
        "attributes of its own",
    ),
    ("a tensor of more", of(Call(torch._tensor._rebuild_from_type_v2, (1, 2, 3, 4))), "attributes of its own"),
    ("nested", of(Call(torch._utils._rebuild_nested_tensor, (1, 2, 3, 4))), "holds a nested tensor"),
    ("quantized", of(Call(torch._utils._rebuild_qtensor, ())), "holds a quantized tensor"),
    ("a class of its own", of(Call(torch._utils._rebuild_wrapper_subclass, ())), "holds a tensor of a class"),
    ("byte order", archive(pickled({"w": tensor()}), byteorder=b"big"), "little-endian"),
    ("no byte order", archive(pickled({"w": tensor()}), byteorder=b"\x00" * 99), "more than the 16 that are read"),
]


@pytest.mark.parametrize(("content", "message"), [c[1:] for c in TENSORS], ids=[c[0] for c in TENSORS])
def test_tensors_that_lie(content, message):
    refused(content, message)


def test_a_file_of_nothing_but_its_lie_is_what_torch_would_read():
    """The forged files are read by torch itself where it does not check: otherwise refusing them would prove little."""
    content = of(tensor(shape=(1 << 40,), stride=(0,)))
    assert len(content) < 2_000
    loaded = torch.load(io.BytesIO(content), weights_only=True)
    assert loaded["w"].numel() == 1 << 40
    plain = torch.load(io.BytesIO(of(tensor())), weights_only=True)
    assert torch.equal(plain["w"], torch.zeros(4))
