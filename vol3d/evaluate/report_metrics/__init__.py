"""Report generation: overlap of words, clinical metrics of RadEval, and tumour-level scores."""

from vol3d.evaluate.report_metrics.pairs import ReportPair, load_pairs
from vol3d.evaluate.report_metrics.radeval import score_with_radeval
from vol3d.evaluate.report_metrics.score import ReportScores, score_reports
from vol3d.evaluate.report_metrics.text import TextScores, score_texts
from vol3d.evaluate.report_metrics.tumour import CaseScore, TumourOptions, score_pair

__all__ = [
    "CaseScore",
    "ReportPair",
    "ReportScores",
    "TextScores",
    "TumourOptions",
    "load_pairs",
    "score_pair",
    "score_reports",
    "score_texts",
    "score_with_radeval",
]
