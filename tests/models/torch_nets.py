"""Small networks saved in every form of torch file, for the tests."""

import io
import warnings
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

COLUMNS = ("age", "hours", "gain")
BUILDER = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.drop(torch.tanh(self.norm(self.first(x)))))


def make():
    return Net()
"""


class Net(nn.Module):
    """The network of `BUILDER`."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.drop(torch.tanh(self.norm(self.first(x)))))
        return out


def trained_net(seed: int = 0) -> Net:
    """In eval mode, with statistics of its own."""
    torch.manual_seed(seed)
    net = Net()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(64, 3) * 2 + 1)
    return net.eval()


FORMS = ("weights.pt", "weights.safetensors", "traced.pt", "scripted.pt", "training.pt", "frozen.pt", "dynamic.pt2",
         "static.pt2", "whole.pt")  # fmt: skip


def save(net: Net, folder: Path, form: str) -> Path:
    """Write the net in that form, `whole.pt` as a pickled sequence of its parts."""
    path = folder / form
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "weights.pt":
            torch.save(net.state_dict(), path)
        elif form == "weights.safetensors":
            safetensors.torch.save_file(net.state_dict(), path)
        elif form == "whole.pt":
            torch.save(nn.Sequential(net.first, net.norm, nn.Tanh(), net.drop, net.last), path)
        elif form.endswith(".pt2"):
            torch.export.save(exported(net, static=form.startswith("static")), path)
        else:
            script(net, form).save(str(path))
    return path


def script(net: Net, form: str) -> torch.jit.ScriptModule:
    if form == "traced.pt":
        return torch.jit.trace(net, torch.zeros(4, 3))
    if form == "frozen.pt":
        return torch.jit.freeze(torch.jit.script(net))
    if form == "training.pt":
        return torch.jit.script(copy_of(net).train())
    return torch.jit.script(net)


def exported(net: nn.Module, *, static: bool) -> torch.export.ExportedProgram:
    rows = None if static else ({0: torch.export.Dim("rows")},)
    return torch.export.export(net, (torch.zeros(4, 3),), dynamic_shapes=rows)


def copy_of(net: Net) -> Net:
    twin = Net()
    twin.load_state_dict(net.state_dict())
    return twin.eval()


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()
