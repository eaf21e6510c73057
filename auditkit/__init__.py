"""auditkit: audit deep models responsibly, from the command line or from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auditkit.core.version import __version__

if TYPE_CHECKING:
    from auditkit.api import audit, gate
    from auditkit.core.audit import Audit


__all__ = ["Audit", "__version__", "audit", "gate"]


def __getattr__(name: str) -> Any:
    """Import the API on first use, so that `import auditkit` costs nothing."""
    if name in ("audit", "gate"):
        from auditkit import api

        return getattr(api, name)
    if name == "Audit":
        from auditkit.core.audit import Audit

        return Audit
    raise AttributeError(f"module 'auditkit' has no attribute {name!r}")
