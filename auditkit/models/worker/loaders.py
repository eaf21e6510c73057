"""How the child opens a model: a table of loaders, imported when asked for.

A new kind of model is one line here. Its function gets `(path, device, options)` and returns a `Model`; what stands in
`imports` is imported before the child seals itself, and the file is opened after.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditkit.core.model import Model


@dataclass(frozen=True)
class Loader:
    """Where the function is, what it needs, and whether it computes on a device of torch's."""

    function: str
    imports: tuple[str, ...] = ()
    torch: bool = False

    def prepare(self) -> None:
        """Import everything that loading and predicting will need."""
        for name in (*self.imports, self.function.partition(":")[0]):
            importlib.import_module(name)

    def load(self, path: Path, device: str, options: Mapping[str, Any]) -> Model:
        """Open the model. Raises `InputRefusedError`, `PlanError` (the device)."""
        module, _, name = self.function.partition(":")
        model: Model = getattr(importlib.import_module(module), name)(path, device, options)
        return model


LOADERS: Mapping[str, Loader] = {
    "trained": Loader("auditkit.models.trained:open_trained", torch=True),
    "skops": Loader("auditkit.models.skops_file:open_skops", ("skops.io", "sklearn.base", "pandas")),
    "pickle": Loader("auditkit.models.pickle_file:open_pickle", ("sklearn.base", "pandas")),
    "python": Loader("auditkit.models.python_function:open_python", ("pandas",)),
    "state_dict": Loader("auditkit.models.torch_file.loaders:open_state_dict", torch=True),
    "pickled": Loader("auditkit.models.torch_file.loaders:open_pickled", torch=True),
    "torchscript": Loader("auditkit.models.torch_file.loaders:open_torchscript", torch=True),
    "exported": Loader("auditkit.models.torch_file.exported:open_exported", torch=True),
}
