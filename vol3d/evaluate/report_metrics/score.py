"""All scores of predicted reports against their references, and their JSON form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vol3d.evaluate.report_metrics.matching import SIZE_TOLERANCE_MM, SIZE_TOLERANCE_SHARE
from vol3d.evaluate.report_metrics.pairs import ReportPair, check_ids
from vol3d.evaluate.report_metrics.summary import LEVEL, TumourScores, summarise_cases
from vol3d.evaluate.report_metrics.text import TextScores, score_texts
from vol3d.evaluate.report_metrics.tumour import STRATA, CaseScore, TumourOptions, score_pairs
from vol3d.report import DISCLAIMER

SCHEMA = "vol3d.report_scores.v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportScores:
    """Scores of a set of reports. Research use only, not for clinical use.

    Args:
        tumour: Tumour-level scores over all pairs.
        cases: The comparison behind them, pair by pair.
        text: Overlap of words over the pairs whose reference is a text; ``None`` if not asked for
            or if there are none.
        radeval: Clinical metrics of RadEval by name, where they were computed.
        options: How reports were compared.
        num_empty: Predictions without any text.
    """

    tumour: TumourScores
    cases: tuple[CaseScore, ...]
    text: TextScores | None
    radeval: Mapping[str, float] | None
    options: TumourOptions
    num_empty: int

    def to_json(self) -> dict[str, Any]:
        """All scores as plain values, the disclaimer among them."""
        return {
            "schema": SCHEMA,
            "disclaimer": DISCLAIMER,
            "settings": {
                "size_tolerance_mm": SIZE_TOLERANCE_MM,
                "size_tolerance_share": SIZE_TOLERANCE_SHARE,
                "doubted_predictions": self.options.doubted_predictions,
                "interval_level": LEVEL,
                "interval_clusters": "scan",
            },
            "num_empty_predictions": self.num_empty,
            "tumour": self.tumour.to_json(),
            "text": self.text.to_json() if self.text else None,
            "radeval": dict(self.radeval) if self.radeval is not None else None,
            "cases": [_case_json(case) for case in self.cases],
        }


def score_reports(
    pairs: Sequence[ReportPair],
    *,
    with_text: bool = True,
    options: TumourOptions | None = None,
    radeval: Mapping[str, float] | None = None,
) -> ReportScores:
    """The scores of predicted reports.

    Args:
        pairs: References (texts or facts) and predictions, each case once.
        with_text: Whether to compute overlap of words, which takes the extra ``evaluate``.
        options: How reports are compared; the defaults if ``None``.
        radeval: What ``score_with_radeval`` found for the same pairs, to be kept with the rest.

    Raises:
        DataError: No pairs, or a case that comes twice.
        ConfigError: Overlap is asked for and the extra is not installed.
    """
    check_ids(list(pairs), where="score_reports")
    options = options or TumourOptions()
    cases = score_pairs(pairs, options)
    texts = [(p.reference, p.prediction) for p in pairs if isinstance(p.reference, str)]
    overlap = None
    if with_text and texts:
        references, predictions = zip(*texts, strict=True)
        overlap = score_texts(references, predictions)
    return ReportScores(
        tumour=summarise_cases(cases),
        cases=cases,
        text=overlap,
        radeval=radeval,
        options=options,
        num_empty=sum(not pair.prediction.strip() for pair in pairs),
    )


_CASE_FIELDS = (
    *("case_id", "is_normal", "tp", "fp", "fn", "laterality_errors", "location_errors"),
    *("size_mismatches", "missed", "invented", "size_errors_mm", "not_looked_for"),
)


def _case_json(case: CaseScore) -> dict[str, Any]:
    return {
        **{name: getattr(case, name) for name in _CASE_FIELDS},
        "recall_by_size": {name: case.recall_of(name) for name in STRATA},
        "presence": {
            organ: {"reference": is_there, "prediction": is_said}
            for organ, (is_there, is_said) in case.presence.items()
        },
    }
