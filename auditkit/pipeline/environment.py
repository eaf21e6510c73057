"""What machine and which versions an audit ran on."""

from __future__ import annotations

import platform
from importlib import metadata

from auditkit.core.audit import Environment
from auditkit.core.model import ModelInfo
from auditkit.core.version import __version__

_PACKAGES = {
    "captum": "captum",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "scikit-learn": "scikit-learn",
    "scipy": "scipy",
    "skops": "skops",
}


def version_of(package: str) -> str | None:
    """The installed version, without importing the package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """The versions on which numbers depend; part of every evidence key."""
    found = {name: version_of(package) for name, package in {**_PACKAGES, "torch": "torch"}.items()}
    return {"python": platform.python_version(), **{name: v for name, v in found.items() if v is not None}}


def environment(info: ModelInfo | None, seed: int) -> Environment:
    """The environment of this process, and how the model was isolated."""
    found = versions()
    return Environment(
        auditkit=__version__,
        python=found.pop("python"),
        torch=found.pop("torch", None),
        device=info.device if info else "cpu",
        isolation=info.isolation if info else "not needed: no model was run, only its predictions were read",
        seed=seed,
        packages=found,
        platform=f"{platform.system()} {platform.machine()}",
    )
