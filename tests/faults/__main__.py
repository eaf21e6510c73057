"""`python -m tests.faults [--kills N] [--records FILE] [--write] [pytest's options]`: everything, in an hour or two.

`--write` puts the table of what was tried, and what happened, into `tests/faults/RESULTS.md`. `--records` keeps the
lines of the table, so that it can be made in several goes (`-k kill`, then `-k "not kill"`).
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


def page(records: list[Record]) -> str:
    """The page of results: where it was tried, and the table."""
    kills = sum(record.fault.startswith("kill -9") for record in records)
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return (
        "# Faults tried and survived\n\n"
        f"Written by `python -m tests.faults --write` on {datetime.now(UTC):%Y-%m-%d}: auditkit {__version__}, "
        f"{system}. {len(records):,} faults, {kills:,} of them kills (some of them of the resumed run, too). A fault "
        "is counted once what it left was looked at and found whole. Exit codes below 0 are signals that ended the "
        "process.\n\n"
        f"{markdown(records)}"
    )


def main() -> int:
    """Run all tests of faults, in full."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--write", action="store_true")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.records or Path(folder) / "records.jsonl"
        os.environ |= {WHOLE: "1", "AUDITKIT_FAULTS_KILLS": str(options.kills), VARIABLE: str(path)}
        code = int(pytest.main(["-q", "-p", "no:cacheprovider", str(Path(__file__).parent), *more]))
        text = page(read_records(path))
    print(text)
    if options.write and code == 0:
        RESULTS.write_text(text, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
