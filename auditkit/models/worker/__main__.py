"""The child's entry: `python -m auditkit.models.worker DESCRIPTOR CHARTER`; the descriptor is that of a socket."""

from __future__ import annotations

import os
import socket
import sys

from auditkit.models.worker import keeper
from auditkit.models.worker.charter import Charter
from auditkit.models.worker.limits import apply_at_start, leave
from auditkit.models.worker.seal import Sandbox


def main() -> None:
    """Apply the limits, close the sandbox's first half, serve, and end without running anybody's exit handlers."""
    charter = Charter.from_argument(sys.argv[2])
    kept = keeper.start(charter.parent, os.environ["HOME"])
    apply_at_start()
    sandbox = Sandbox(charter)
    sandbox.close_files()
    # What serving imports comes from here on: it can read installed libraries, and nothing else.
    from auditkit.models.worker.serve import serve

    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection, sandbox, follow_parent=not kept)
    sys.stdout.flush()
    sys.stderr.flush()
    leave(0)


if __name__ == "__main__":
    main()
