"""Which files a worker may open: its interpreter, the libraries, what the charter names, and a directory of its own."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import sys
import sysconfig
from collections.abc import Iterable

from auditkit.models.worker.charter import Charter
from auditkit.models.worker.landlock import DEVICE, OWN, READ, READ_FILE, WRITE_FILE, Grant

_SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/share/locale",
    "/usr/share/zoneinfo",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies/back-ends",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)
#: Of its own process: not `environ`, `mem`, nor what others do (`net`, `mountinfo`).
_OWN_PROCESS = ("maps", "stat", "statm", "status", "cmdline")
_GPU_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps", "/dev/kfd", "/dev/dri")
_GPU_READS = (
    "/proc/driver/nvidia",
    "/proc/devices",
    "/proc/modules",
    "/sys/bus/pci",
    "/sys/devices/pci*",
    "/sys/module/nvidia*",
    "/sys/class/kfd",
    "/usr/share/nvidia",
    "/etc/nvidia*",
    "/usr/local/cuda*",
    "/opt/rocm*",
)


def grants(charter: Charter, import_paths: Iterable[str], home: str) -> list[Grant]:
    """All that the worker may open. Nothing is granted for running: no program is."""
    found = [Grant(path) for path in (*_interpreter(), *_packages(import_paths), *_SYSTEM, *charter.reads)]
    found += [Grant(f"/proc/self/{name}", READ_FILE) for name in _OWN_PROCESS]
    found += [Grant("/dev/null", READ_FILE | WRITE_FILE), Grant(home, OWN)]
    if charter.gpu:
        found += [Grant(path, DEVICE) for pattern in _GPU_DEVICES for path in glob.glob(pattern)]
        found += [Grant(path) for pattern in _GPU_READS for path in glob.glob(pattern)]
    return [grant for grant in found if grant.rights != READ or grant.path in charter.reads or _narrow(grant.path)]


def gpu_here() -> bool:
    """Whether this machine has the device of a GPU that torch could use."""
    return bool(glob.glob("/dev/nvidia[0-9]*") or os.path.exists("/dev/kfd"))


def _interpreter() -> list[str]:
    """The standard library and what lies beside it; not the prefix, under which projects may lie."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    paths = sysconfig.get_paths()
    return [
        sys.executable,  # `platform` looks into it
        *(os.path.join(prefix, name) for prefix in prefixes for name in ("lib", "lib64", "pyvenv.cfg")),
        *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    ]


def _packages(import_paths: Iterable[str]) -> list[str]:
    """Folders of installed packages, and auditkit's own package.

    A folder that is only on the import path (a project, a checkout) may hold the audited data, too: it is not granted.
    """
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [own, *(path for path in import_paths if _is_library(path))]


def _is_library(path: str) -> bool:
    if {"site-packages", "dist-packages"} & set(path.split(os.sep)) or os.path.isfile(path):
        return True
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(path))
    except OSError:
        return False


def _narrow(path: str) -> bool:
    """Not a directory at the root (but for those of the system), nor a home, nor anything above one."""
    real = os.path.realpath(path)
    if real.count(os.sep) < 2:
        return real in _SYSTEM
    with contextlib.suppress(KeyError):
        own = os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)
        return os.path.commonpath((real, own)) != real
    return True
