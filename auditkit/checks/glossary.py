"""What each metric means, in one plain sentence: the explanation that a finding gives where nothing is wrong."""

from __future__ import annotations

from auditkit.core.messages import render

MEANINGS = {
    "accuracy": "The share of rows for which the model gives the true label.",
    "balanced_accuracy": "The mean over the classes of the share of their rows that the model gets right, so that "
    "rare classes count as much as common ones.",
    "selection_rate": "The share of rows that the model gives {label}.",
    "true_positive_rate": "Of the rows that truly have {label}, the share that the model gives it to.",
    "false_positive_rate": "Of the rows that truly lack {label}, the share that the model gives it to.",
    "true_negative_rate": "Of the rows that truly lack {label}, the share that the model denies it to.",
    "false_negative_rate": "Of the rows that truly have {label}, the share that the model denies it to.",
    "error_rate": "The share of rows for which the model gives another label than the true one.",
    "false_discovery_rate": "Of the rows that the model gives {label}, the share that truly lacks it.",
    "false_omission_rate": "Of the rows that the model denies {label}, the share that truly has it.",
    "macro_true_positive_rate": "The mean over the classes of the share of their rows that the model finds.",
    "macro_false_negative_rate": "The mean over the classes of the share of their rows that the model misses.",
    "macro_false_positive_rate": "The mean over the classes of the share of other rows that the model gives them.",
    "macro_positive_predictive_value": "The mean over the classes of the share of rows given to them that are truly "
    "theirs.",
    "average_precision": "The precision averaged over all thresholds, each weighted by the recall that it adds.",
    "error_odds": "How many false negatives there are for each false positive: below 1 the model errs more often by "
    "giving {label}, above 1 by denying it.",
    "median_absolute_error": "Half of the predictions are off by less than this, in units of the target.",
    "absolute_error_90th_percentile": "Nine predictions of ten are off by less than this, in units of the target.",
    "adverse_impact_ratio": "The group's selection rate over that of the most selected group.",
    "generalized_entropy_index": "How unequally decisions favour and burden people beyond what they deserve, as half "
    "the squared coefficient of variation: 0 means that all get what they deserve.",
    "theil_index": "How unequally decisions favour and burden people beyond what they deserve: 0 means that all get "
    "what they deserve.",
    "between_group_theil_index": "The part of the Theil index that is left when everybody gets the mean of the own "
    "group: 0 means that groups are alike on average.",
    "precision": "Of the rows that the model gives {label}, the share that truly has it.",
    "positive_predictive_value": "Of the rows that the model gives {label}, the share that truly has it.",
    "negative_predictive_value": "Of the rows that the model denies {label}, the share that truly lacks it.",
    "recall": "Of the rows that truly have {label}, the share that the model gives it to.",
    "f1": "The harmonic mean of precision and recall.",
    "macro_f1": "The mean over the classes of the harmonic mean of precision and recall.",
    "roc_auc": "The chance that a random row with {label} scores above a random row without it.",
    "log_loss": "How surprised the scores are by the true labels, in nats: 0 is perfect, and confident mistakes cost "
    "most.",
    "loss": "The loss of a row on average: 0 is perfect, and confident or large mistakes cost most.",
    "brier": "The mean squared distance between scores and what happened: 0 is perfect.",
    "mean_absolute_error": "How far predictions are off on average, in units of the target.",
    "mean_squared_error": "The mean of the squared errors, in squared units of the target: large errors count most.",
    "root_mean_squared_error": "The root of the mean squared error, in units of the target: large errors count most.",
    "mean_error": "Prediction minus truth on average: above 0 the model predicts too much.",
    "r2": "The share of the target's variance that the predictions explain; 0 is what predicting the mean gives.",
    "matthews_correlation": "The correlation between truth and prediction: 0 is what guessing gives, 1 is perfect, and "
    "rare classes count.",
    "expected_calibration_error": "How far scores are from the observed rates on average, after correction for the "
    "error that chance alone would show.",
    "demographic_parity_difference": "The largest minus the smallest selection rate over the groups: 0 means that "
    "every group is selected equally often.",
    "demographic_parity_ratio": "The smallest over the largest selection rate over the groups: 1 means that every "
    "group is selected equally often.",
    "equal_opportunity_difference": "The largest minus the smallest true positive rate over the groups: 0 means that "
    "those who deserve {label} get it equally often in every group.",
    "equal_opportunity_ratio": "The smallest over the largest true positive rate over the groups: 1 means that those "
    "who deserve {label} get it equally often in every group.",
    "predictive_parity_difference": "The largest minus the smallest positive predictive value over the groups: 0 means "
    "that {label} is deserved equally often in every group.",
    "predictive_parity_ratio": "The smallest over the largest positive predictive value over the groups: 1 means that "
    "{label} is deserved equally often in every group.",
    "equalized_odds_difference": "The larger of the gaps in true and in false positive rate over the groups: 0 means "
    "that the model errs alike in every group.",
    "equalized_odds_ratio": "The smaller of the ratios of true and of false positive rates over the groups: 1 means "
    "that the model errs alike in every group.",
    "predictive_equality_difference": "The largest minus the smallest false positive rate over the groups: 0 means "
    "that those who lack {label} get it equally often in every group.",
    "predictive_equality_ratio": "The smallest over the largest false positive rate over the groups: 1 means that "
    "those who lack {label} get it equally often in every group.",
    "conditional_use_accuracy_equality_difference": "The larger of the gaps in positive and in negative predictive "
    "value over the groups: 0 means that an answer can be relied on equally in every group.",
    "conditional_use_accuracy_equality_ratio": "The smaller of the ratios of positive and of negative predictive "
    "values over the groups: 1 means that an answer can be relied on equally in every group.",
    "accuracy_equality_difference": "The largest minus the smallest accuracy over the groups: 0 means that the model "
    "is right equally often in every group.",
    "accuracy_equality_ratio": "The smallest over the largest accuracy over the groups: 1 means that the model is "
    "right equally often in every group.",
    "treatment_equality_difference": "The largest minus the smallest number of false negatives for each false positive "
    "over the groups: 0 means that errors lean the same way in every group.",
    "treatment_equality_ratio": "The smallest over the largest number of false negatives for each false positive over "
    "the groups: 1 means that errors lean the same way in every group.",
    "unlabelled_rate": "The share of rows whose true label is not known.",
}
#: How the two forms of a gap read when the metric itself has no sentence of its own.
FORMS = {
    "difference": "The largest minus the smallest {name} over the groups: 0 means that the groups are alike.",
    "ratio": "The smallest over the largest {name} over the groups: 1 means that the groups are alike.",
}


def meaning(metric: str, class_: str | None = None) -> str:
    """The sentence for a metric, empty where there is none (a metric of a task from another package).

    Rates speak of the favourable label, of a multiclass task of the label `class_`.
    """
    label = "the favourable label" if class_ is None else f"the label '{class_}'"
    return render("metric", metric, MEANINGS, label=label) if metric in MEANINGS else ""


def gap_meaning(metric: str, form: str, name: str, class_: str | None = None) -> str:
    """The sentence for a gap: its own where it has one, else that of its form over the statistic `name`."""
    return meaning(metric, class_) or render("gap", form, FORMS, name=name)
