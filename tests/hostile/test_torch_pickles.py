"""`data.pkl` of torch files: whatever names more than tensors is code, and whatever tensors say of their bytes is held
against the bytes. torch itself reads a few of these without a word (sparse tensors, 2^40 elements in 1.5 KB)."""

import io
import os
import pickle
import struct
import tracemalloc
from collections import Counter, OrderedDict

import pytest
import torch

from auditkit.core.errors import InputRefusedError
from auditkit.models.torch_file import pickle_table, tensor_rows
from auditkit.models.torch_file.archive import TorchFile, check_torch_file
from auditkit.models.torch_file.pickle_table import RunsCodeError, read_table
from tests.hostile.torch_files import Call, Storage, archive, pickled, saved, tensor

BYTES = {"0": 16}


def check(content: bytes) -> TorchFile | None:
    return check_torch_file(io.BytesIO(content), len(content), "model.pt")


def refused(content: bytes, message: str) -> None:
    with pytest.raises(InputRefusedError, match=message) as caught:
        check(content)
    assert str(caught.value).startswith("model.pt: ")
    assert len(str(caught.value).splitlines()) == 1


# --- code ------------------------------------------------------------------------------------------------------------


class System:
    """The plainest attack."""

    def __reduce__(self):
        return os.system, ("touch ran",)


HEAD = b"\x80\x02"
CODE = [
    ("os.system", pickled({"w": System()}), r"names '(posix|nt)\.system'"),
    ("builtins.getattr", pickled({"w": Call(getattr, ("x", "y"))}), r"names '__builtin__\.getattr'"),
    ("eval", HEAD + b"c__builtin__\neval\n(X\x01\x00\x00\x001tR.", r"names '__builtin__\.eval'"),
    ("a name of torch's", HEAD + b"ctorch\nload\n(X\x01\x00\x00\x00xtR.", r"names 'torch\.load'"),
    ("beside the known ones", HEAD + b"ctorch._utils\n_import_dotted_name\n.", "_import_dotted_name"),
    ("a name with a dot", HEAD + b"ctorch\nSize.__class__\n.", r"names 'torch\.Size\.__class__'"),
    ("a name with a space", HEAD + b"ctorch Size\n\n.", "names 'torch.Size.'"),
    ("a method of a tensor", HEAD + b"ctorch\nTensor.set_\n.", "names"),
    ("other classes of data", pickled({"w": Call(Counter)}), "names 'collections.Counter'"),
    ("inside of a tensor", pickled({"w": tensor(Call(os.getpid))}), "getpid"),
    ("inside of an identity", pickled({"w": tensor(Storage(location=System()))}), "system"),
    ("a persistent id that is none", pickled({"w": Storage(word="module")}), "refers to something outside"),
    ("a persistent id by text", HEAD + b"Px\n.", "takes the step PERSID"),
    ("an identity of another length", HEAD + b"X\x07\x00\x00\x00storage\x85Q.", "refers to something outside"),
    ("an identity within one", HEAD + b"(X\x07\x00\x00\x00storagetQQ.", "refers to something outside"),
    ("INST", HEAD + b"(ios\nsystem\n.", "takes the step INST"),
    ("OBJ", HEAD + b"(]o.", "takes the step OBJ"),
    ("NEWOBJ", HEAD + b"]]\x81.", "takes the step NEWOBJ"),
    ("EXT1", HEAD + b"\x82\x01.", "takes the step EXT1"),
    ("EXT4", HEAD + b"\x84\x01\x00\x00\x00.", "takes the step EXT4"),
    ("STACK_GLOBAL", HEAD + b"\x8c\x02os\x8c\x06system\x93.", "takes the step"),
    ("BUILD", HEAD + b"}}X\x01\x00\x00\x00xK\x01sb.", "sets attributes"),
    ("BUILD of a method", HEAD + b"}}X\x09\x00\x00\x00_metadataK\x01sb.", "sets attributes"),
    ("protocol 0", pickle.dumps({"w": System()}, 0), "not of the protocol 2"),
    ("protocol 4", pickle.dumps({"w": System()}, 4), "not of the protocol 2"),
    ("protocol 5 frames", pickle.dumps({"w": [1] * 100}, 5), "not of the protocol 2"),
    ("a text in front", b"X\x01\x00\x00\x00x" + pickled({"w": tensor()}), "not of the protocol 2"),
]


@pytest.mark.parametrize(("data", "what"), [c[1:] for c in CODE], ids=[c[0] for c in CODE])
def test_code_is_told_from_data(tmp_path, monkeypatch, data, what):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunsCodeError, match=what) as caught:
        read_table(data, BYTES, "model.pt")
    found = check(archive(data))
    assert found is not None
    assert (found.form, found.what) == ("pickled", caught.value.what)
    assert found.what.startswith("a torch.save file ")
    assert not list(tmp_path.iterdir())


def test_a_whole_module_is_code():
    found = check(saved(torch.nn.Linear(2, 1)))
    assert found == TorchFile("pickled", "a torch.save file that names 'torch.nn.modules.linear.Linear'")


# --- malformed pickles -----------------------------------------------------------------------------------------------

VALID = pickled({"w": tensor()})
MALFORMED = [
    ("a second pickle", VALID + VALID, "ends too early"),
    ("bytes behind", VALID + b"\0", "ends too early"),
    ("no end", VALID[:-1], "malformed|no end"),
    ("cut off", VALID[:60], "malformed|no end"),
    ("empty", b"", "not of the protocol|malformed"),
    ("a text without end", HEAD + b"X\xff\xff\xff\x7fx.", "malformed"),
    ("a text that is none", HEAD + b"X\x02\x00\x00\x00\xff\xfe.", "malformed"),
    ("an unknown opcode", HEAD + b"\xff.", "malformed"),
    ("an empty memo", HEAD + b"h\x07.", "malformed"),
    ("a memo out of order", HEAD + b"Nq\x07.", "out of order"),
    ("an empty stack", HEAD + b"0.", "malformed|takes the step"),
    ("a tuple of nothing", HEAD + b"\x87.", "takes more from its stack"),
    ("a mark too few", HEAD + b"t.", "malformed"),
    ("a mark too many", HEAD + b"((N.", "ends too early"),
    ("two results", HEAD + b"NN.", "ends too early"),
    ("an append to nothing", HEAD + b"N]a.", "no list"),
    ("items of nothing", HEAD + b"NNNs.", "no table"),
    ("an odd item", HEAD + b"}(X\x01\x00\x00\x00xu.", "no table"),
    ("a key that is a list", HEAD + b"}]Ns.", "neither texts nor whole numbers"),
    ("a key that is a tuple", HEAD + b"}))\x86Ns.", "neither texts nor whole numbers"),
    ("one name twice", HEAD + b"}X\x01\x00\x00\x00xNsX\x01\x00\x00\x00xNs.", "'x' stands there twice"),
    ("a call of a number", HEAD + b"K\x01)R.", "calls what is no function"),
    ("a call of a type", HEAD + b"ctorch\nFloatStorage\n)R.", "as torch never does"),
    ("OrderedDict with items", HEAD + b"ccollections\nOrderedDict\n]\x85R.", "as torch never does"),
    ("a list that holds itself", HEAD + b"]q\x00h\x00a.", "a list, no state_dict"),
    ("a table that holds itself", HEAD + b"}q\x00X\x01\x00\x00\x00xh\x00s.", "more than weights: 'x' \\(a table\\)"),
    ("a number", HEAD + b"K\x01.", "a number, no state_dict"),
    ("an empty state_dict", HEAD + b"}.", "an empty state_dict"),
    ("names that are numbers", HEAD + b"}K\x01" + pickled(tensor())[2:-1] + b"s.", "names are no texts"),
    ("a single tensor", pickled(tensor()), "a single tensor, no state_dict"),
    ("a list of tensors", pickled([tensor()]), "a list, no state_dict"),
    (
        "a checkpoint",
        pickled({"epoch": 3, "lr": 0.1, "model": {"w": tensor()}, "note": "x"}),
        r"'epoch' \(a number\), .*torch\.save\(checkpoint\['model'\], 'weights\.pt'\)",
    ),
]


@pytest.mark.parametrize(("data", "message"), [c[1:] for c in MALFORMED], ids=[c[0] for c in MALFORMED])
def test_malformed_pickles(data, message):
    with pytest.raises(InputRefusedError, match=message) as caught:
        read_table(data, BYTES, "model.pt")
    assert str(caught.value).startswith("model.pt: ")


# --- bombs: bounded time and memory ----------------------------------------------------------------------------------


def many_tensors(count: int) -> bytes:
    """A list of empty tensors of one storage, which a memo keeps short."""
    start = HEAD + b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQq\x00"
    each = b"ctorch._utils\n_rebuild_tensor_v2\n(h\x00K\x00K\x00\x85K\x01\x85\x89NtRa"
    return start + b"]" + each * count + b"."


def numbered(first: bytes, form: bytes, count: int) -> bytes:
    """One opcode with the numbers from 0 on."""
    return HEAD + first + b"".join(form.replace(b"#", struct.pack("<i", i)) for i in range(count))


BOMBS = [
    ("11,000 tensors", lambda: many_tensors(11_000), "more than the 10,000 tensors"),
    ("10^6 tensors", lambda: many_tensors(1_000_000), "a pickle of .* bytes, more than"),
    ("steps", lambda: HEAD + b"]" + b"Na" * 250_000 + b".", "steps that are read"),
    ("marks", lambda: HEAD + b"(" * 1_000_000 + b".", "a bomb"),
    ("nested lists", lambda: HEAD + b"]" * 1_000_000 + b"a" * 999_999 + b".", "a bomb"),
    ("doubled tuples", lambda: HEAD + b")q\x00" + b"h\x00h\x00\x86" * 100_000 + b".", "a bomb"),
    ("doubled tuples as a key", lambda: HEAD + b"})" + b"2\x86" * 60 + b"Ns.", "takes the step DUP"),
    ("lists of lists", lambda: HEAD + b"]q\x00" + b"(" + b"h\x00" * 1_000_000 + b"e.", "a bomb"),
    ("a long memo", lambda: numbered(b"N", b"r#", 400_000) + b".", "nothing, no state_dict"),
    ("a memo with holes", lambda: HEAD + b"Nr\xff\xff\xff\x7f.", "out of order"),
    ("numbers as names", lambda: numbered(b"}", b"J#Ns", 100_000) + b".", "more than weights"),
]


@pytest.mark.parametrize(("make", "message"), [c[1:] for c in BOMBS], ids=[c[0] for c in BOMBS])
def test_bombs_take_bounded_memory(monkeypatch, make, message):
    """With a tenth of the bounds: all is linear in them, and tracing memory is slow."""
    monkeypatch.setattr(pickle_table, "MAX_OPCODES", pickle_table.MAX_OPCODES // 10)
    monkeypatch.setattr(tensor_rows, "MAX_TENSORS", tensor_rows.MAX_TENSORS // 10)
    data = make()
    tracemalloc.start(1)
    try:
        with pytest.raises(InputRefusedError, match=message):
            read_table(data, BYTES, "model.pt")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20


def test_what_torch_saves_of_a_state_dict_has_its_versions():
    state = torch.nn.BatchNorm1d(2).state_dict()
    assert state._metadata[""]["version"] == 2
    assert isinstance(state, OrderedDict)
    assert check(saved(state)) == TorchFile("state_dict", "a state_dict")
