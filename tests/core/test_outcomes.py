"""Intersections of groups: every combination somebody saw or declared must be there, and no two share a name."""

from __future__ import annotations

import numpy as np

from auditkit.core.outcomes import Groups, cross, places


def _groups(attribute: str, labels: tuple[str, ...], *values: str) -> Groups:
    return Groups(attribute, labels, np.array([labels.index(value) for value in values], dtype=np.int64))


SEX, RACE = ("F", "M"), ("A", "B")


def test_combinations_that_rows_have() -> None:
    both = cross([_groups("sex", SEX, "F", "M", "F"), _groups("race", RACE, "A", "B", "A")])
    assert both.attribute == "sex×race"
    assert both.labels == ("F×A", "M×B")
    assert both.codes.tolist() == [0, 1, 0]
    assert both.sizes().tolist() == [2, 1]


def test_a_combination_of_another_split_is_an_absent_group_here() -> None:
    here = [_groups("sex", SEX, "F", "M"), _groups("race", RACE, "A", "B")]
    train = [_groups("sex", SEX, "F"), _groups("race", RACE, "B")]
    both = cross(here, [train])
    assert dict(zip(both.labels, both.sizes().tolist(), strict=True)) == {"F×A": 1, "F×B": 0, "M×B": 1}


def test_a_declared_label_that_nobody_has_is_absent_in_every_combination() -> None:
    here = [_groups("sex", ("F", "M", "X"), "F", "M"), _groups("race", RACE, "A", "A")]
    both = cross(here, [here])
    sizes = dict(zip(both.labels, both.sizes().tolist(), strict=True))
    assert sizes == {"F×A": 1, "M×A": 1, "F×B": 0, "M×B": 0, "X×A": 0, "X×B": 0}
    assert [both.labels[code] for code in both.codes] == ["F×A", "M×A"]


def test_no_two_combinations_share_a_name() -> None:
    both = cross([_groups("a", ("A", "A×B"), "A", "A×B"), _groups("b", ("B×C", "C"), "B×C", "C")])
    assert len(set(both.labels)) == 2


def test_three_columns() -> None:
    parts = [_groups("a", ("x", "y"), "x", "y"), _groups("b", RACE, "A", "B"), _groups("c", SEX, "M", "F")]
    assert cross(parts).labels == ("x×A×M", "y×B×F")


def test_places() -> None:
    found = places(np.array([7, 3, 9]), np.array([3, 5, 7]))
    assert found.tolist() == [2, 0, -1]
    assert places(np.array([1]), np.array([], dtype=np.int64)).tolist() == [-1]
