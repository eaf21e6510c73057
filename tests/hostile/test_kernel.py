"""What the kernel offers is used: every other test of the sandbox is skipped where it is incomplete, this one never.

Asked without auditkit: by number, from the kernel's `landlock.h` (`LANDLOCK_CREATE_RULESET_VERSION`) and seccomp(2).
"""

import ctypes
import platform
import sys

from auditkit.models.worker.probe import isolation_here
from tests import no_network

_LANDLOCK_CREATE_RULESET, _VERSION = 444, 1


def landlock_offered() -> int:
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return 0
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(_LANDLOCK_CREATE_RULESET, None, 0, _VERSION))


def test_a_sandbox_is_as_complete_as_the_kernel_lets_it_be() -> None:
    found = isolation_here()
    assert (found.landlock, found.seccomp) == (landlock_offered(), no_network.available()), found.lacks
