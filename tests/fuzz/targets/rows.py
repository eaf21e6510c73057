"""Rows: files of predictions in each format, a second table of attributes, the command line of `auditkit gate`."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from auditkit.cli.main import main
from auditkit.core.progress import SilentProgress
from auditkit.pipeline.gate_file import Bound, GateRequest, gate_file
from tests.fuzz.mutators import mutate_bytes, mutate_lines
from tests.fuzz.target import Target
from tests.soundness import assert_sound

ROWS = 24
BOUNDS = (
    Bound("--max", "equalized_odds_difference", "sex", 0.5),
    Bound("--min", "accuracy", None, 0.1),
    Bound("--min", "demographic_parity_ratio", None, 0.2),
)
REQUEST = GateRequest("y", "p", score="s", sensitive=("sex",), weight="w", cluster="c", bounds=BOUNDS)
TOKENS = tuple(
    text.encode(errors="surrogatepass")
    for text in (
        "", "NaN", "inf", "-inf", "1e400", "-1", "0", "1", "0.5", "yes", "no", "true", "None", "NA", "null",
        "(missing)", '"', '""', '"a\n"', "9" * 40, "1_000", " f", "F", "f\u200b", "f\u0301", "\u202e", "×", "f×m",
        "=1+1", "<script>", "\x1b[31m", "::error::", "y,p", ";", "\t", "\r\n", "\r", "\x00", "\ufeff", "2020-01-01",
        "[]", "{}", "x" * 3000,
    )
)  # fmt: skip


def judge(path: Path, request: GateRequest = REQUEST) -> None:
    """The whole way of `auditkit gate`: read, collect, check, judge; what comes out is sound and nothing broke."""
    audit, _ = gate_file(path, request, out=None, formats=(), allow_inconclusive=False, progress=SilentProgress())
    assert audit.exit_code != 3, [f.reason for f in audit.findings if f.status.value == "error" and f.gate is None]
    assert_sound(audit)


def columns(rng: np.random.Generator, rows: int = ROWS) -> dict[str, list[object]]:
    y = rng.integers(0, 2, rows)
    score = np.clip(0.25 + 0.5 * y + rng.normal(0, 0.2, rows), 0, 1).round(2)
    return {
        "y": [("no", "yes")[k] for k in y],
        "p": [("no", "yes")[int(s >= 0.5)] for s in score],
        "s": score.tolist(),
        "sex": [("f", "m", None)[k] for k in rng.choice(3, rows, p=[0.5, 0.4, 0.1])],
        "w": rng.integers(1, 4, rows).astype(float).tolist(),
        "c": rng.integers(0, 9, rows).tolist(),
    }


def texts(separator: str) -> list[bytes]:
    found = []
    for seed in range(2):
        cells = columns(np.random.default_rng(seed), (ROWS, 60)[seed])
        rows = [separator.join("" if v is None else str(v) for v in row) for row in zip(*cells.values(), strict=True)]
        found.append("\n".join([separator.join(cells), *rows, ""]).encode())
    return found


def _json_lines() -> list[bytes]:
    cells = columns(np.random.default_rng(0))
    rows = [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]
    return ["".join(json.dumps(row) + "\n" for row in rows).encode()]


def tables() -> list[pa.Table]:
    """Tables of every kind of column that a file may have."""
    cells = columns(np.random.default_rng(0))
    plain = pa.table(cells)
    words = plain.set_column(3, "sex", plain["sex"].dictionary_encode())
    flags = plain.set_column(0, "y", pa.array([v == "yes" for v in cells["y"]]))
    flags = flags.set_column(1, "p", pa.array([v == "yes" for v in cells["p"]]))
    odd = plain.append_column("l", pa.array([[k] for k in range(ROWS)])).append_column("b", pa.array([b"\xff"] * ROWS))
    odd = odd.set_column(2, "s", pa.array(cells["s"], pa.float32()))
    return [plain, words, flags, odd.append_column("t", pa.array([1] * ROWS, pa.timestamp("us", tz="UTC")))]


def _parquets() -> list[bytes]:
    found = []
    for number, table in enumerate(tables()):
        stream = io.BytesIO()
        pq.write_table(table, stream, compression=("none", "snappy", "zstd", "gzip")[number % 4], row_group_size=10)
        found.append(stream.getvalue())
    return found


def _arrows() -> list[bytes]:
    found = []
    for number, table in enumerate(tables()):
        stream = io.BytesIO()
        kind = ipc.new_stream if number % 2 else ipc.new_file
        with kind(stream, table.schema) as writer:
            writer.write_table(table, max_chunksize=10)
        found.append(stream.getvalue())
    return found


def _mostly_lines(data: bytes, rng: Random, tokens: Sequence[bytes]) -> bytes:
    return (mutate_lines if rng.random() < 0.8 else mutate_bytes)(data, rng, tokens)


def _file(suffix: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        path = folder / f"p.{suffix}"
        path.write_bytes(data)
        judge(path)

    return run


def _attributes(data: bytes, folder: Path) -> None:
    path, other = folder / "p.csv", folder / "people.csv"
    path.write_bytes(texts(",")[0])
    other.write_bytes(data)
    judge(
        path,
        GateRequest("y", "p", id="c", sensitive=("region",), attributes=other, attributes_id="id", bounds=BOUNDS[1:]),
    )


def _people() -> list[bytes]:
    rows = "".join(f"{k},{('north', 'south')[k % 2]},{20 + 3 * k}\n" for k in range(9))
    return [f"id,region,age\n{rows}".encode()]


OPTIONS = (
    "--target", "--prediction", "--score", "--positive", "--sensitive", "--max", "--min", "--weight", "--cluster",
    "--id", "--band", "--allow-inconclusive",
)  # fmt: skip
_ASKED = (
    "--target=y\n--prediction=p\n--sensitive=sex\n--max=equalized_odds_difference@sex=0.3\n--min=accuracy=0.5",
    "--target=y\n--prediction=p\n--score=s\n--sensitive=sex\n--sensitive=c\n--band=c=3,6\n--min=f1=0.1\n--weight=w",
    "--target=y\n--prediction=p\n--sensitive=sex\n--sensitive=c\n--max=accuracy_difference@sex*c=1e-3\n--cluster=c",
    "--target=s\n--prediction=w\n--max=mean_absolute_error=0.5\n--band=s=none\n--allow-inconclusive",
)
_ARGUMENTS = tuple(
    text.encode()
    for text in (
        *OPTIONS, "=", "@", "×", "*", "sex×c", "y", "p", "s", "sex", "w", "c", "nan", "inf", "-1", "1e400", "10%",
        "²%", "0.5", "accuracy", "demographic_parity_ratio", "roc_auc", "false_positive_rate_difference",
        "mean_absolute_error", ",", "--max=accuracy=", "1,2,3", "4", "none", "\n", "\x00", "\u202e", "--", "-", "@@",
        "9" * 400,
    )
)  # fmt: skip


def _command_line(data: bytes, folder: Path) -> None:
    """`auditkit gate FILE` with options out of the input, one a line. Nothing that writes is among them."""
    lines = [line for line in data.decode(errors="replace").split("\n") if line]
    arguments = [line for line in lines if line.partition("=")[0] in OPTIONS][:30]
    path = folder / "p.csv"
    path.write_bytes(texts(",")[0])
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["gate", str(path), *arguments])
    assert code in (0, 1, 2, 4, 5), (code, err.getvalue()[-2000:])
    assert (code in (2, 4)) == (not out.getvalue()), (code, out.getvalue()[:500])
    said = out.getvalue() + err.getvalue()
    assert "Traceback" not in said
    assert "\x1b" not in said, "an escape sequence reached the terminal"


def _arguments() -> list[bytes]:
    return [text.encode() for text in _ASKED]


_READERS = ("auditkit.data", "auditkit.pipeline.gate_file", "auditkit.tasks.infer", "auditkit.tasks.build")


def _reader(suffix: str, seeds: Callable[[], list[bytes]], *, text: bool) -> Target:
    return Target(
        name=suffix,
        about=f"a file of predictions (.{suffix}) through `auditkit gate`",
        run=_file(suffix),
        seeds=seeds,
        traced=_READERS,
        mutate=_mostly_lines if text else None,
        tokens=TOKENS if text else (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"),
        codes=frozenset({2, 4}),
        slow=True,
    )


TARGETS = (
    _reader("csv", functools.partial(texts, ","), text=True),
    _reader("tsv", functools.partial(texts, "\t"), text=True),
    _reader("jsonl", _json_lines, text=True),
    _reader("parquet", _parquets, text=False),
    _reader("arrow", _arrows, text=False),
    Target(
        name="attributes",
        about="a second table of sensitive columns",
        run=_attributes,
        seeds=_people,
        traced=_READERS,
        mutate=_mostly_lines,
        tokens=TOKENS,
        codes=frozenset({2, 4}),
        slow=True,
    ),
    Target(
        name="gate-line",
        about="the command line of `auditkit gate`",
        run=_command_line,
        seeds=_arguments,
        traced=(
            "auditkit.cli",
            *(f"auditkit.pipeline.{name}" for name in ("gate_file", "gate_words", "bounds", "suite")),
            "auditkit.data.bands",
        ),
        mutate=_mostly_lines,
        tokens=_ARGUMENTS,
        codes=frozenset(),
        slow=True,
    ),
)
