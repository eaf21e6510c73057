"""What is too small to show: groups of few rows, rates that rest on few, and the rates that would tell those.

Statistical disclosure control by a minimum cell size, with complementary suppression inside a group (Hundepool et al.,
Statistical Disclosure Control, 2012, ch. 4 and 5): a rate of two rows tells the reader about two people, and so do the
accuracy and the true positive rate of a group where two rows are all that the false positive rate rests on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditkit.core.figure import Cell
from auditkit.core.finding import Finding, Scope

#: Split, attribute, group.
Group = tuple[str | None, str | None, str]
#: It rests on errors alone: few of them, of many rows, tell of nobody who is not in the error rates anyway.
ERROR_ODDS = "error_odds"
#: The rates that stand behind gaps whose names don't tell.
_BEHIND = {
    "demographic_parity": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "predictive_parity": ("positive_predictive_value",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "predictive_equality": ("false_positive_rate",),
    "conditional_use_accuracy_equality": ("positive_predictive_value", "negative_predictive_value"),
    "accuracy_equality": ("accuracy",),
    "treatment_equality": (ERROR_ODDS,),
}
#: What is known of a group without any label: no rate that needs one can be worked out from it.
_CHOSEN = "selection_rate"
#: What tells it: the ratio of two selection rates, one of them the highest.
_OF_CHOSEN = frozenset({_CHOSEN, "adverse_impact_ratio"})
#: How many rows a group has, by itself, over a population and over other rows.
_SHARES = frozenset(
    {"group_share", "smallest_group_share", "group_share_change", "representation_ratio", "missing_group_rate"}
    | {"representation", "lowest_representation"}
)
LABEL_FREE = frozenset({*_OF_CHOSEN, *_SHARES, "unlabelled_rate", "groups_found"})
#: Averages over the classes, which tell of each class where the others are known; "" stands for a row of a table.
_AVERAGED = ("macro_", "balanced_accuracy")


def rates_behind(metric: str) -> tuple[str, ...]:
    """The rates that a gap is made of: `equalized_odds_ratio` is made of the true and the false positive rate."""
    stem = metric.removeprefix("worst_group_").removeprefix("worst_subgroup_").removesuffix("_against_rest")
    stem = stem.removesuffix("_difference").removesuffix("_ratio")
    return _BEHIND.get(stem, (stem,))


@dataclass(frozen=True)
class Small:
    """What can't be shown where fewer than `least` rows tell of single people.

    `groups` are small in all that is known of them; `rates` (group, metric, class) rest on few rows; of the groups in
    `labels` and the classes in `classes` (group, class), no number that needs labels is shown; nor the selection rate
    of those in `constant`: where all rows of a group get one answer, every rate of it is known to be 0 or 1.
    """

    least: int
    groups: frozenset[Group]
    rates: frozenset[tuple[Group, str, str | None]]
    labels: frozenset[Group]
    classes: frozenset[tuple[Group, str | None]]
    constant: frozenset[tuple[Group, str | None]]

    def counts(self, n: Cell) -> bool:
        """Whether `n` is a count of 1 to `least` − 1. Nobody stands behind 0."""
        return isinstance(n, int | float) and not isinstance(n, bool) and 0 < n < self.least

    def holds(self, scope: Scope, group: str) -> bool:
        """Whether the group has few rows."""
        return (scope.split, scope.attribute, group) in self.groups

    def rests_on_few(self, scope: Scope, group: str, metric: str) -> bool:
        """Whether few rows of the group stand behind that rate."""
        return ((scope.split, scope.attribute, group), metric, scope.class_) in self.rates

    def would_tell(self, scope: Scope, group: str, metric: str) -> bool:
        """Whether the rate, with what else is shown of the group, would tell one that rests on few rows."""
        key = (scope.split, scope.attribute, group)
        withheld = key in self.labels or (key, scope.class_) in self.classes
        if not metric or metric.startswith(_AVERAGED):
            withheld = withheld or any(group_ == key for group_, _ in self.classes)
        told = metric in _OF_CHOSEN and (key, scope.class_) in self.constant
        return withheld and (metric not in LABEL_FREE or told)

    def touches(self, scope: Scope) -> bool:
        """Whether anything of the attribute is not shown."""
        return scope.attribute in self.attributes(scope.split)

    def attributes(self, split: str | None) -> frozenset[str]:
        """The attributes of which something is not shown on that split."""
        hidden = {*self.groups, *self.labels, *(key for key, _ in self.classes)}
        return frozenset(attribute for where, attribute, _ in hidden if where == split and attribute)


def find_small(findings: Iterable[Finding], least: int) -> Small:
    """Read off the findings on single groups, and the tables of groups, what is small."""
    sizes: dict[Group, dict[tuple[str, str | None], int]] = {}
    constant = set()
    findings = list(findings)
    classes = frozenset(f.scope.class_ for f in findings if f.scope.class_ is not None)
    for f in findings:
        for group, rate, n in _of_tables(f, classes):
            sizes.setdefault((f.scope.split, f.scope.attribute, group), {})[rate] = n
        if f.scope.attribute and f.scope.compared is None and f.n is not None and len(f.scope.groups or ()) == 1:
            key = (f.scope.split, f.scope.attribute, (f.scope.groups or ("",))[0])
            sizes.setdefault(key, {})[f.metric, f.scope.class_] = f.n
            if f.metric == _CHOSEN and f.value in (0.0, 1.0):
                constant.add((key, f.scope.class_))
    few = {key: {rate: n for rate, n in rates.items() if 0 < n < least} for key, rates in sizes.items()}
    return Small(
        least=least,
        groups=frozenset(key for key, rates in sizes.items() if 0 < max(rates.values()) < least),
        rates=frozenset((key, metric, class_) for key, rates in few.items() for metric, class_ in rates),
        labels=frozenset(
            key for key, rates in few.items() if any(class_ is None for m, class_ in rates if m != ERROR_ODDS)
        ),
        classes=frozenset((key, class_) for key, rates in few.items() for class_ in _classes(sizes[key], rates)),
        constant=frozenset(constant),
    )


def _of_tables(finding: Finding, classes: frozenset[str]) -> Iterator[tuple[str, tuple[str, str | None], int]]:
    """What the tables of an attribute say of its groups: the rows of each, those that are behind each of its rates
    (a column `accuracy, rows`), and those with each label (which the rates of single `classes` may be about).

    Where there are too many groups for a finding on each, nothing else tells of their sizes.
    """
    for table in finding.tables if finding.scope.attribute else ():
        columns = table.columns
        if columns[:1] != ("group",) or "rate" in columns:
            continue
        counted = [i for i, name in enumerate(columns) if name == "rows" or name.endswith(", rows")]
        labelled = columns[1:2] == ("label",)
        for row in table.rows:
            label = str(row[1]) if labelled else None
            for i in counted:
                rate = "label" if labelled else columns[i].removesuffix(", rows").replace(" ", "_")
                key = f"{rate} {label}" if labelled and label not in classes else rate
                n = row[i]
                if isinstance(n, int):
                    yield str(row[0]), (key, label if label in classes else None), n


def _classes(sizes: dict[tuple[str, str | None], int], few: dict[tuple[str, str | None], int]) -> frozenset[str | None]:
    """The classes with few rows, and the next smallest: all classes but one, and the accuracy, would tell that one."""
    hidden = {class_ for _, class_ in few if class_ is not None}
    least = {class_: n for (_, class_), n in sorted(sizes.items(), key=lambda item: -item[1])}
    rest = [class_ for class_ in least if class_ is not None and class_ not in hidden and least[class_] > 0]
    return frozenset({*hidden, min(rest, key=lambda class_: least[class_])} if hidden and rest else hidden)
