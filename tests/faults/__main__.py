"""`python -m tests.faults [--kills N] [--write] [pytest's options]`: everything, which takes an hour or two.

`--write` puts the table of what was tried, and what happened, into `tests/faults/RESULTS.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auditkit.core.version import __version__
from tests.faults.records import VARIABLE, WHOLE, Record, markdown, read_records

RESULTS = Path(__file__).with_name("RESULTS.md")


def page(records: list[Record], seconds: float) -> str:
    """The page of results: what was tried by whom, and the table."""
    kills = sum(record.fault.startswith("kill -9") for record in records)
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return (
        "# Faults tried and survived\n\n"
        f"Written by `python -m tests.faults --write` on {datetime.now(UTC):%Y-%m-%d}: auditkit {__version__}, "
        f"{system}, {seconds / 60:.0f} minutes. {len(records):,} faults, {kills:,} of them kills; every line below is "
        "that of a test that passed. Exit codes below 0 are signals that ended the process.\n\n"
        f"{markdown(records)}"
    )


def main() -> int:
    """Run all tests of faults, in full."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    options, more = parser.parse_known_args()
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        os.environ |= {WHOLE: "1", "AUDITKIT_FAULTS_KILLS": str(options.kills), VARIABLE: str(path)}
        code = int(pytest.main(["-q", "-p", "no:cacheprovider", str(Path(__file__).parent), *more]))
        text = page(read_records(path), (datetime.now(UTC) - began).total_seconds())
    print(text)
    if options.write and code == 0:
        RESULTS.write_text(text, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
