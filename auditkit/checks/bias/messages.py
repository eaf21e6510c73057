"""The texts of `bias.groups`."""

from __future__ import annotations

MESSAGES: dict[str, str] = {
    "rate": "{metric} of {attribute} '{group}' on {split}: {value}",
    "few": "Only {rows} stand behind it, fewer than {least}: too few to carry a verdict.",
    "gap": "{metric} by {attribute} on {split}: {value}, highest '{highest}', lowest '{lowest}'",
    "alike_gap": "{metric} by {attribute} on {split}: {value}, the same in every group",
    "undefined": "{metric} by {attribute} on {split}: not defined",
    "partial": "Over the groups for which it is defined it is {value}.",
    "small": "Fewer than {least} rows stand behind the rate of {groups}: too few to carry a verdict.",
    "null": "Equal groups of these sizes would show about {expected} by chance alone.",
    "hidden_two": "A true gap of {smallest} would be shown by four such samples out of five; a smaller one can go "
    "unseen.",
    "hidden": "Between the two smallest groups a true gap of {smallest} would be shown by at least four such "
    "samples out of five; a smaller one can go unseen.",
    "hidden_all": "Between the two smallest groups even the largest gap can go unseen.",
    "need": "About {rows} rows in each group would show one of {small}.",
    "beyond": "Its whole interval is beyond {bound}, {source}; chance doesn't explain it, even among all the gaps "
    "that this check judges.",
    "each": "By rate: {parts}.",
    "part": "{metric} {value}, highest '{highest}', lowest '{lowest}'",
    "remedy": "Look at what is behind the difference (base rates, labels, missing inputs) before choosing a "
    "remedy: more data of the worst-off group, reweighting, another threshold, or not using the model for this.",
    "affected": "{attribute} '{group}': {rows} of {split}",
    "groups": "{attribute} on {split}: {found} with rows{more}",
    "absent": ", {count} without",
    "groups_why": "Rows by group: {sizes}.",
    "no_rows": "There is no row of {groups} here, so that gaps over all groups don't exist.",
    "labels": "With {count} labels only metrics over all of them are compared; the rates of one are where a gate names "
    "it.",
    "furthest": "With more than {most} groups, {told} have findings of their own: the smallest, and those furthest out "
    "by each metric. The table of groups has all {groups} with their intervals, and where a gate names a metric, every "
    "group is judged.",
    "measures": "With more than {most} groups these are measured only where a gate names them: {names}.",
    "unlabelled_rate": "{rows} of this group have a decision but no label: were their labels known, the rate over all "
    "of its rows could be anything from {low} to {high}.",
    "unlabelled_gap": "{rows} have a decision but no label: were their labels known, the gap over all rows could be "
    "anything from {low} to {high}.",
    "worst": "{metric} by {attribute} on {split}: {value}, that of '{group}'",
    "worst_why": "The {name} of the group that fares worst by it; the interval holds whichever group that is.",
    "alone": "{attribute} has one group alone on {split}, so that none is the worst of several",
    "impact": "Adverse impact ratio of {attribute} '{group}' on {split}: {value}, against '{reference}'",
    "no_impact": "Adverse impact ratio of {attribute} '{group}' on {split}: not defined",
    "reference": "It is the most selected group, which the others are compared with.",
    "impact_rates": "It is selected in {rate} of its rows; the ratio to '{reference}', the most selected group, is "
    "{side} four fifths.",
    "deviations": "It has {direction} selections than at equal rates by {deviations} standard deviations, {side} than "
    "the two beyond which courts suspect more than chance.",
    "fisher": "Fisher's exact test of equal rates: p = {p}.",
    "shortfall": "At equal rates about {rows} more of its rows would be selected.",
    "two_percent": "Fewer than 2% of all rows are of this group, too few for a determination under 29 CFR 1607.15(A).",
    "inequality": "{metric} {where}: {value}",
    "alike": "{warning} They are counted as different groups.",
    "alike_remedy": "Write each group in one way in the data, and name the groups in data.groups.",
    "idlike": "{attribute} has {groups} groups for {rows}: it names rows rather than groups, so no gap is computed",
    "idlike_remedy": "Take a column whose values many rows share, or put its values into a few bins.",
    "no_columns": "the plan names no sensitive columns; add them to data.sensitive",
}
