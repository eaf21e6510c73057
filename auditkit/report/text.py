"""Text from an audit, made safe for where it is shown. Names in an audit come from data files and are hostile."""

from __future__ import annotations

import re
import unicodedata

#: Longest label that is shown whole; longer ones are cut and say how long they were.
LABEL = 160
#: Longest prose that is shown whole.
PROSE = 2_000

_JOINERS = "\u200c\u200d"  # part of ordinary words in several scripts, and of emoji
_INVISIBLE = {0x00AD, 0x115F, 0x1160, 0x2028, 0x2029, 0x3164, 0xFFA0}
_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~#$!])")


def clean(text: str, limit: int = PROSE) -> str:
    """`text` without control characters and terminal sequences; bidi and invisible marks are spelt out (`[U+202E]`).

    Newlines and tabs stay. What is longer than `limit` characters is cut, and the cut says how long the text was.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
    return "".join(_shown(character) for character in _ESCAPE_SEQUENCE.sub("", cut))


def _shown(character: str) -> str:
    if character in "\n\t" or (character.isprintable() and ord(character) not in _INVISIBLE):
        return character
    category = unicodedata.category(character)
    if category == "Cc":
        return ""
    if category == "Zs" or character in _JOINERS:
        return character
    return "\ufffd" if category == "Cs" else f"[U+{ord(character):04X}]"


def line(text: str, limit: int = LABEL) -> str:
    """Like `clean`, on one line: runs of white space become one space."""
    return " ".join(clean(text, limit).split())


def terminal(text: str, limit: int = LABEL) -> str:
    """One line for a terminal or a CI log: no escape sequences, and nothing that GitHub takes for a command.

    `::error::` and `##[error]` are commands to a GitHub runner wherever a line begins with them, and a wrapped table
    cell may begin a line anywhere; so the marks are broken up wherever they stand.
    """
    return line(text, limit).replace("::", ": :").replace("##[", "# #[")


def markdown(text: str, limit: int = LABEL) -> str:
    """One line of GitHub markdown that shows `text` as it is: no HTML, table cells, mentions, code or commands."""
    escaped = line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKDOWN.sub(r"\\\1", escaped)
    return escaped.replace("@", "&#64;").replace("::", "&#58;&#58;").replace("://", "&#58;//")


def join(items: list[str], most: int = 3) -> str:
    """`a, b and c`; past `most` items the rest is counted: `a, b, c and 4 more`."""
    shown = items[:most]
    rest = len(items) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
