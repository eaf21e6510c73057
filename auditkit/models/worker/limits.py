"""What the worker may use: applied by the child itself, before it opens the model's file."""

from __future__ import annotations

import contextlib
import ctypes
import os
import site
import struct
import sys
from collections.abc import Mapping
from typing import NoReturn

from auditkit.models.worker.clearing import remove_tree

_KEEP = ("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
_KEEP_PREFIXES = ("LC_", "OMP_", "MKL_", "OPENBLAS_", "KMP_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_NUM")

_NO_NEW_PRIVILEGES = 38
#: _LINUX_CAPABILITY_VERSION_3 and CAP_DAC_READ_SEARCH of `include/uapi/linux/capability.h`.
_CAPABILITY_VERSION, _READ_ANY = 0x20080522, 2

GIGABYTE = 1 << 30
#: Address space without a GPU: importing torch takes 0.7 GiB (CPU build; about 6 GiB for a CUDA build), a model
#: takes its file's size a few times over.
BASE_MEMORY = 8 * GIGABYTE
FILE_FACTOR = 8
MAX_OPEN_FILES = 256
MAX_FILE_SIZE = 1 << 20
#: The parent stops a worker that exceeds these: the kernel has no such bound that holds for one process only.
MAX_THREADS = 2_048
MAX_HOME_BYTES = 64 << 20
MAX_HOME_FILES = 4_096


def scrubbed_environment(source: Mapping[str, str], home: str) -> dict[str, str]:
    """The child's environment: what locates programs, sets threads, locale and GPUs. No token, no proxy, no HOME."""
    kept = {k: v for k, v in source.items() if k in _KEEP or k.startswith(_KEEP_PREFIXES)}
    # joblib would start processes, which the sandbox denies; without them it computes in order, to the same bits.
    fixed = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "JOBLIB_MULTIPROCESSING": "0", "LOGNAME": "worker"}
    return {**kept, "HOME": home, "TMPDIR": home, "TORCHINDUCTOR_CACHE_DIR": home, **fixed}


def import_paths() -> list[str]:
    """Where the child imports from: the parent's absolute paths, and auditkit's own, never the working directory.

    Its own comes before installed packages, so that the child runs the auditkit that its parent runs, not another one
    that is installed, too.
    """
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    here = os.getcwd()
    paths = [p for p in sys.path if os.path.isabs(p) and (p != here or p in site.getsitepackages())]
    if own not in paths:
        installed = [index for index, path in enumerate(paths) if path in site.getsitepackages()]
        paths.insert(min(installed, default=len(paths)), own)
    return paths


def apply_at_start() -> None:
    """No core dumps, small files, few open files, nothing locked in memory, no new privileges; first to go when memory
    runs out."""
    with contextlib.suppress(ImportError):
        import resource

        bounds = {"CORE": 0, "FSIZE": MAX_FILE_SIZE, "NOFILE": MAX_OPEN_FILES, "MSGQUEUE": 0, "NICE": 0, "RTPRIO": 0}
        for name, bound in bounds.items():
            with contextlib.suppress(ValueError, OSError, AttributeError):
                _lower(getattr(resource, f"RLIMIT_{name}"), bound)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
        stream.write("500")


def drop_capabilities(*, keep_reading: bool) -> None:
    """Give up what a privileged user may do. `keep_reading`: files of other users stay readable (Landlock says which).

    Source: capset(2); version 3 takes two words a set. Raises `OSError`.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)
    if libc.capget(header, held) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    effective, permitted = struct.unpack_from("=2I", held.raw)
    kept = effective & permitted & (1 << _READ_ANY if keep_reading else 0)
    if libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def bound_memory(model_bytes: int, *, gpu: bool) -> None:
    """Bound the address space and locked memory, unless a GPU is used: its driver reserves far more than there is
    memory, and pins some."""
    if gpu or sys.platform != "linux":
        return
    import resource

    _lower(resource.RLIMIT_MEMLOCK, 0)
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
    remove_tree(os.environ["HOME"])
    os._exit(code)
