"""Mutations: of plain bytes, of lines, and of documents by their structure (JSON trees, zip members)."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from auditkit.models.reading import ZIP_ERRORS

MOST = 1 << 16
_EDGES = tuple(number for power in (0, 1, 3, 7, 8, 16, 31, 32, 40, 62, 63, 64) for number in (2**power - 1, 2**power))
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**30, -(2**63), 2**64, 0.5, -0.0, 1e308, 1e-320, "", " ", "a", "none", "NaN",
    "\u202e", "<script>", "</script><script>x</script>", "\x00", "\x1b[31m", "::error::x", "=cmd()", "x" * 5000, "×",
    "../x", "/etc/passwd", "%s", "{0}", "{{ x }}", "ſ", "\ud800", [], {}, [[]], [None], {"a": 1}, [0, 1], "1", "0.5",
)  # fmt: skip


def mutate_bytes(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """One to four plain mutations."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        start = rng.randrange(len(found) + 1)
        stop = min(len(found), start + rng.choice((0, 1, 1, 2, 4, 8, 16, 64)))
        way = rng.randrange(8)
        if way == 0 and found:
            found[min(start, len(found) - 1)] ^= 1 << rng.randrange(8)
        elif way == 1:
            found[start:stop] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 5)))
        elif way == 2:
            del found[start:stop]
        elif way == 3:
            found[start:start] = bytes(found[start:stop]) * rng.choice((1, 2, 8, 64))
        elif way == 4:
            found[start:stop] = rng.choice(tokens) if tokens else b"\xff"
        elif way == 5:
            number, form = rng.choice(_EDGES), rng.choice(("<B", "<H", "<I", "<Q", ">I", ">Q"))
            packed = struct.pack(form, number & ((1 << 8 * struct.calcsize(form)) - 1))
            found[start : start + len(packed)] = packed
        elif way == 6:
            del found[start if rng.random() < 0.3 else max(start, len(found) - 20) :]
        else:
            other = rng.randrange(len(found) + 1)
            found[start:stop] = found[other : other + rng.choice((4, 16, 64, 256))]
    return bytes(found[:MOST])


def mutate_lines(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    """Lines and cells of a text: dropped, doubled, exchanged, filled with something else."""
    lines = data.split(b"\n")
    for _ in range(rng.randrange(1, 4)):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        way = rng.randrange(5)
        if way == 0 and len(lines) > 1:
            del lines[at]
        elif way == 1:
            lines.insert(at, lines[min(other, len(lines) - 1)])
        elif way == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif way == 3:
            cells = lines[at].split(b",")
            cells[rng.randrange(len(cells))] = rng.choice(tokens) if tokens else b""
            lines[at] = b",".join(cells)
        else:
            lines[at] = mutate_bytes(lines[at], rng, tokens)
        at = other = 0
    return b"\n".join(lines)[:MOST]


def mutate_tree(tree: Any, rng: Random, words: Sequence[Any] = ()) -> Any:
    """A JSON tree with one to three of its nodes replaced, dropped, renamed, exchanged or wrapped."""
    found = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(found))
        if not places:
            return rng.choice(_VALUES)
        holder, key = rng.choice(places)
        way = rng.randrange(7)
        if way <= 2:
            holder[key] = copy.deepcopy(rng.choice((*_VALUES, *words)))
        elif way == 3:
            del holder[key]
        elif way == 4:
            other, inner = rng.choice(places)
            holder[key] = copy.deepcopy(other[inner])
        elif way == 5 and isinstance(holder, dict):
            holder[str(rng.choice((*words, "x", "__class__", "")))] = holder.pop(key)
        elif isinstance(holder, list):
            holder.extend(copy.deepcopy([holder[key]] * rng.choice((1, 3, 50))))
        else:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
    return found


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every key of every object and every item of every list, as (holder, key)."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < 5_000:
        node = waiting.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            found.append((node, key))
            waiting.append(value)
    return found


def dump(tree: Any) -> bytes:
    """JSON with whatever a tree holds; lone surrogates are escaped."""
    return json.dumps(tree, ensure_ascii=True).encode()


def json_mutation(words: Sequence[Any] = ()) -> Callable[[bytes, Random, Sequence[bytes]], bytes]:
    """Mutate a JSON document by its tree; one that is none, by its bytes."""

    def mutate(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            return mutate_bytes(data, rng, tokens)
        text = dump(mutate_tree(tree, rng, words))
        if rng.random() < 0.05:  # what a tree can't say: a key twice, NaN, depth
            text = rng.choice(
                (text.replace(b"{", b'{"a": 1, "a": 2, ', 1), text.replace(b"0", b"NaN", 1), b"[" * 3000 + text)
            )
        return text[:MOST]

    return mutate


def zip_mutation(inner: Callable[[bytes, Random, Sequence[bytes]], bytes]) -> Callable[..., bytes]:
    """Mutate a member of a zip archive, its name or its place, and zip it again; or the archive's bytes."""

    def mutate(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
        if rng.random() < 0.4:
            return mutate_bytes(data, rng, tokens)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = [[item.filename, archive.read(item), item.compress_type] for item in archive.infolist()]
        except ZIP_ERRORS:
            return mutate_bytes(data, rng, tokens)
        return _zipped(_changed(members, inner, rng, tokens))[:MOST]

    return mutate


def _changed(members: list[list[Any]], inner: Callable[..., bytes], rng: Random, tokens: Sequence[bytes]) -> list[Any]:
    if not members:
        return members
    member, way = rng.choice(members), rng.randrange(6)
    if way <= 2:
        member[1] = inner(member[1], rng, tokens)
    elif way == 3:
        member[0] = rng.choice(("../x", "/x", "", "x" * 300, "a\\b", member[0] + "/", "data.pkl", "\u202e", "."))
    elif way == 4:
        members.append(list(member))
    else:
        member[1], member[2] = bytes(rng.choice((10, 100_000, 3_000_000))), zipfile.ZIP_DEFLATED
    return members


def _zipped(members: Sequence[Sequence[Any]]) -> bytes:
    import warnings

    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content, way in members:
                archive.writestr(zipfile.ZipInfo(name), content, compress_type=way)
    return stream.getvalue()
