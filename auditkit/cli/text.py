"""Text that is safe on a terminal and in a CI log, whatever a file put into it."""

from __future__ import annotations

import unicodedata

_ALLOWED = {"\n", "\t"}


def safe(text: str) -> str:
    """Control characters, bidi marks and CI workflow commands (`::error::`) made visible and harmless."""
    cleaned = "".join(character if _plain(character) else f"\\u{ord(character):04x}" for character in text)
    return cleaned.replace("::", ":\u200b:") if "::" in cleaned else cleaned


def _plain(character: str) -> bool:
    return character in _ALLOWED or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
