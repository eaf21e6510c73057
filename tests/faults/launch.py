"""The command line with small shards: a table of a few hundred rows then has several, as one of millions has."""

from __future__ import annotations

import sys

# The folder of this script would come before everything else, also in the worker.
sys.path.pop(0)


def main() -> None:
    import auditkit.probes.collect as collect
    from auditkit.cli.main import entry

    collect.SHARD_ROWS, collect.BATCH_ROWS = 128, 64
    entry()


if __name__ == "__main__":
    main()
