"""How much of an audit the HTML shows, so that it stays small however many inputs, classes or groups there are."""

from __future__ import annotations

from dataclasses import dataclass

#: A report larger than this is made again with tighter caps.
MOST_BYTES = 480_000
#: With more findings than this the first, the second and the third level of caps are not worth a try.
MANY = (2_500, 10_000, 40_000)


@dataclass(frozen=True)
class Caps:
    """The most of each thing: `rows` of a table of findings (with drawn intervals up to `strips` of them), entries of
    its `words`, `tables` and `figures` of a check, labels in a figure (`drawn`) and rows of its data (`data`), `groups`
    and `columns` of a matrix, `cards`, and `gates`. What is left out is said, and stands in audit.json."""

    rows: int = 300
    strips: int = 60
    words: int = 60
    tables: int = 60
    figures: int = 40
    drawn: int = 40
    data: int = 200
    groups: int = 200
    columns: int = 60
    cards: int = 200
    gates: int = 300


#: From roomy to tight. The last one bounds the file whatever the audit holds.
LEVELS = (
    Caps(),
    Caps(60, strips=30, words=20, tables=24, figures=16, drawn=25, data=60, groups=60, columns=24, cards=60, gates=120),
    Caps(20, strips=20, words=8, tables=12, figures=6, drawn=12, data=20, groups=20, columns=12, cards=20, gates=60),
    # What needs attention is the last to be cut.
    Caps(10, strips=10, words=4, tables=8, figures=3, drawn=10, data=8, groups=10, columns=8, cards=60, gates=60),
    Caps(8, strips=8, words=4, tables=8, figures=2, drawn=8, data=8, groups=8, columns=6, cards=8, gates=30),
)
