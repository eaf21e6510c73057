"""`python -m auditkit`."""

from __future__ import annotations

from auditkit.cli.main import entry

if __name__ == "__main__":
    entry()
