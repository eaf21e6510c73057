"""The child's entry: `python -m auditkit.models.worker DESCRIPTOR`, the descriptor being one end of a socket pair."""

from __future__ import annotations

import socket
import sys

from auditkit.models.worker.limits import apply_at_start, leave


def main() -> None:
    """Apply the limits, serve, and end without running anybody's exit handlers."""
    apply_at_start()
    from auditkit.models.worker.serve import serve

    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
    sys.stdout.flush()
    sys.stderr.flush()
    leave(0)


if __name__ == "__main__":
    main()
