"""Tumour-level scores of reports: which lesions are found, where, how large, and what is invented.

Both reports are read into claims; their lesions are paired one to one by organ, side, location and
size. Every predicted lesion is a true positive, a faulty pair (wrong side, location or size),
invented, or left open by the reference; every lesion of the reference is found, faultily paired
or missed. So ``fp = faults + invented`` and ``fn = faults + missed``.

Doubt ("possible", "cannot exclude") in the reference counts neither for nor against a prediction;
doubt in the prediction counts as a claim, since hedging must not hide an invented lesion, unless
:class:`TumourOptions` says otherwise. An organ that a reference text does not mention is not among
those of sensitivity and specificity, yet a lesion claimed there is invented; with measured facts
as reference, lesions in organs that were not looked at are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vol3d.anatomy import Language
from vol3d.evaluate.report_metrics.claims import (
    LesionClaim,
    ReportClaims,
    claims_of_facts,
    claims_of_text,
)
from vol3d.evaluate.report_metrics.matching import LesionPair, Matching, match_lesions
from vol3d.evaluate.report_metrics.pairs import ReportPair
from vol3d.measure.facts import CaseFacts

Stratum = Literal["<= 20 mm", "> 20 mm", "not told"]
STRATA: tuple[Stratum, ...] = ("<= 20 mm", "> 20 mm", "not told")
SMALL_MM = 20.0
"""Upper end of the stratum of small lesions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TumourOptions:
    """How reports are compared.

    Args:
        doubted_predictions: Whether a lesion that the prediction doubts is a claim or is ignored.
    """

    doubted_predictions: Literal["claim", "ignore"] = "claim"


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseScore:
    """The comparison of one pair of reports.

    Args:
        case_id: Of the pair.
        cluster: Its scan.
        matching: Every lesion of both reports.
        presence: By organ that the reference settles: whether it holds a lesion, and whether the
            prediction says so.
        is_normal: Whether the reference clears organs and claims no lesion.
        not_looked_for: Lesions that the prediction claims in organs that the facts do not cover.
    """

    case_id: str
    cluster: str
    matching: Matching
    presence: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    is_normal: bool = False
    not_looked_for: int = 0

    @property
    def tp(self) -> int:
        """Lesions found."""
        return len(self.matching.found)

    @property
    def fp(self) -> int:
        """Predicted lesions that are invented or faulty."""
        return self.invented + len(self.matching.faulty)

    @property
    def fn(self) -> int:
        """Lesions of the reference that are missed or paired with a faulty one."""
        return self.missed + len(self.matching.faulty)

    @property
    def invented(self) -> int:
        """Predicted lesions that no lesion of the reference explains."""
        return len(self.matching.invented)

    @property
    def missed(self) -> int:
        """Lesions of the reference that no predicted one stands for."""
        return len(self.matching.missed)

    @property
    def laterality_errors(self) -> int:
        """Lesions told on the wrong side."""
        return self._faults("side")

    @property
    def location_errors(self) -> int:
        """Lesions told in the wrong segment, part or lobe."""
        return self._faults("location")

    @property
    def size_mismatches(self) -> int:
        """Lesions told with a diameter that is off by more than the tolerance."""
        return self._faults("size")

    @property
    def size_errors_mm(self) -> tuple[float, ...]:
        """Predicted minus reference diameters, ascending, of lesions paired in the right place."""
        pairs = [each for each in self.matching.faulty if each.fault == "size"]
        errors = [each.size_error_mm for each in (*self.matching.found, *pairs)]
        return tuple(sorted(error for error in errors if error is not None))

    def recall_of(self, stratum: Stratum) -> tuple[int, int]:
        """Lesions of the reference in a stratum: how many are found, and how many there are."""
        found = sum(stratum_of(each.reference) == stratum for each in self.matching.found)
        lost = [*self.matching.missed, *(each.reference for each in self.matching.faulty)]
        return found, found + sum(stratum_of(each) == stratum for each in lost)

    def precision_of(self, stratum: Stratum) -> tuple[int, int]:
        """Predicted lesions in a stratum by their own size: how many are right, of how many."""
        right = sum(stratum_of(each.prediction) == stratum for each in self.matching.found)
        wrong = [*self.matching.invented, *(each.prediction for each in self.matching.faulty)]
        return right, right + sum(stratum_of(each) == stratum for each in wrong)

    def sided_pairs(self) -> tuple[LesionPair, ...]:
        """Pairs both of which name a side, the ones on the wrong side among them."""
        pairs = (*self.matching.found, *(p for p in self.matching.faulty if p.fault == "side"))
        return tuple(p for p in pairs if p.reference.side and p.prediction.side)

    def _faults(self, fault: str) -> int:
        return sum(each.fault == fault for each in self.matching.faulty)


def stratum_of(lesion: LesionClaim) -> Stratum:
    """The size stratum of a lesion; one told to be below 20 mm or less is small."""
    size = lesion.size_mm
    if size is None:
        is_small = lesion.below_mm is not None and lesion.below_mm <= SMALL_MM
        return "<= 20 mm" if is_small else "not told"
    return "<= 20 mm" if size <= SMALL_MM else "> 20 mm"


def score_pair(pair: ReportPair, options: TumourOptions | None = None) -> CaseScore:
    """The tumour-level comparison of one pair of reports.

    Args:
        pair: Reference (text or facts) and prediction.
        options: The defaults if ``None``.
    """
    options = options or TumourOptions()
    reference = claims_of(pair.reference, language=pair.language)
    prediction = claims_of_text(pair.prediction, language=pair.language)
    claimed = [
        each
        for each in prediction.lesions
        if options.doubted_predictions == "claim" or not each.is_uncertain
    ]
    scored = [each for each in claimed if _is_scored(each, reference)]
    matching = match_lesions(reference.lesions, scored, open_organs=reference.open_organs)
    claimed_organs = {each.organ for each in claimed}
    organs = reference.denied | {each.organ for each in reference.lesions} - {"unspecified"}
    presence = {
        organ: (is_there, organ in claimed_organs)
        for organ in sorted(organs)
        if (is_there := reference.presence(organ)) is not None
    }
    return CaseScore(
        case_id=pair.case_id,
        cluster=pair.cluster,
        matching=matching,
        presence=presence,
        is_normal=reference.is_normal,
        not_looked_for=len(claimed) - len(scored),
    )


def claims_of(report: str | CaseFacts, *, language: Language | None = None) -> ReportClaims:
    """The claims of a report's text, or of measured facts."""
    if isinstance(report, CaseFacts):
        return claims_of_facts(report)
    return claims_of_text(report, language=language)


def score_pairs(
    pairs: Sequence[ReportPair], options: TumourOptions | None = None
) -> tuple[CaseScore, ...]:
    """The comparisons of all pairs, in their order."""
    return tuple(score_pair(pair, options) for pair in pairs)


def _is_scored(lesion: LesionClaim, reference: ReportClaims) -> bool:
    return reference.scored is None or lesion.organ in reference.scored
