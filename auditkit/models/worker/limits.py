"""What the worker may use: applied by the child itself, before it opens the model's file."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import site
import sys
from collections.abc import Mapping
from typing import NoReturn

_KEEP = ("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_KEEP_PREFIXES = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_NUM")

GIGABYTE = 1 << 30
#: Address space without a GPU: importing torch takes 0.7 GiB (CPU build; about 6 GiB for a CUDA build), a model
#: takes its file's size a few times over.
BASE_MEMORY = 8 * GIGABYTE
FILE_FACTOR = 8
MAX_OPEN_FILES = 256
MAX_FILE_SIZE = 1 << 20


def scrubbed_environment(source: Mapping[str, str], home: str) -> dict[str, str]:
    """The child's environment: what locates programs, sets threads, locale and GPUs. No token, no proxy, no HOME."""
    kept = {k: v for k, v in source.items() if k in _KEEP or k.startswith(_KEEP_PREFIXES)}
    return {**kept, "HOME": home, "TMPDIR": home, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def import_paths() -> list[str]:
    """Where the child imports from: the parent's absolute paths, and auditkit's own, never the working directory."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    here = os.getcwd()
    paths = [p for p in sys.path if os.path.isabs(p) and (p != here or p in site.getsitepackages())]
    return [*paths, own] if own not in paths else paths


def apply_at_start() -> None:
    """No core dumps, small files, few open files, no new privileges; first to go when memory runs out."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        for name, bound in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, MAX_FILE_SIZE),
            (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        ):
            _lower(name, bound)
    with contextlib.suppress(OSError, AttributeError):
        no_new_privileges = 38
        ctypes.CDLL(None).prctl(no_new_privileges, 1, 0, 0, 0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
        stream.write("500")


def bound_memory(model_bytes: int, *, gpu: bool) -> None:
    """Bound the address space, unless a GPU is used (its driver reserves far more than there is memory)."""
    if gpu or sys.platform != "linux":
        return
    import resource

    _lower(resource.RLIMIT_AS, BASE_MEMORY + FILE_FACTOR * model_bytes)


def _lower(name: int, bound: int) -> None:
    import resource

    _, hard = resource.getrlimit(name)
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(name, (bound, bound))


def leave(code: int) -> NoReturn:
    """End this process at once, without anybody's exit handlers; the home that was made for it goes with it.

    The parent removes that home, too, but a parent that was killed can't.
    """
    shutil.rmtree(os.environ["HOME"], ignore_errors=True)
    os._exit(code)
