"""Answers with what they are worth, and with what breakdowns go by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vol3d.anatomy import is_group
from vol3d.evaluate.breakdown import size_stratum
from vol3d.evaluate.official import row_score
from vol3d.evaluate.rows import Form, ResultRow, ScoredRow
from vol3d.evaluate.strict import chance_score, strict_score
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.dataset import QaRecord
from vol3d.vqa.parse import parse_prompt
from vol3d.vqa.table import ALL_SUBTYPES

FactsOf = Callable[[str], CaseFacts | None]
"""True facts of an image, where there are any."""


def scored_rows(
    records: Sequence[QaRecord],
    rows: Mapping[str, ResultRow],
    form: Form,
    *,
    facts_of: FactsOf = lambda image: None,
) -> list[ScoredRow]:
    """Every question with what its answer is worth; one without an answer is worth nothing.

    Args:
        records: All questions.
        rows: Answers by question id.
        form: Multiple choice or free form.
        facts_of: True facts, for strata by lesion size.
    """
    return [_scored(record, rows.get(record.qid), form, facts_of) for record in records]


def _scored(record: QaRecord, row: ResultRow | None, form: Form, facts_of: FactsOf) -> ScoredRow:
    said = None if row is None else (row.pred_answer or row.raw_output)
    key = record.correct_option if form == "mc" else record.answer
    is_official = bool(said is not None and record.is_assessable)
    return ScoredRow(
        qid=record.qid,
        image_id=record.image_id,
        subtype=record.question_subtype,
        super_type=record.question_type,
        official=row_score(said or "", subtype=record.question_subtype, key=key, fmt=form)
        if is_official
        else 0.0,
        strict=strict_score(said, record, form),
        chance=chance_score(record, form),
        confidence=None if row is None else row.confidence,
        is_answered=row is not None,
        is_abstention=False if row is None else row.is_abstention,
        is_assessable=record.is_assessable,
        strata=_strata(record, facts_of, row),
    )


def _strata(record: QaRecord, facts_of: FactsOf, row: ResultRow | None) -> dict[str, str]:
    strata = {
        "phase": record.contrast or "unknown",
        "source": "none" if row is None else row.source,
    }
    if record.scanner:
        strata["scanner"] = record.scanner
    size = _lesion_size(record, facts_of)
    if size is not None:
        strata["largest lesion"] = size
    return strata


def _lesion_size(record: QaRecord, facts_of: FactsOf) -> str | None:
    """Size class of the largest lesion of the organ that is asked about."""
    row = ALL_SUBTYPES[record.question_subtype]
    facts = facts_of(record.image_id) if row.is_about_lesions else None
    parsed = None if facts is None else parse_prompt(record.question)
    if facts is None or parsed is None:
        return None
    organ = parsed.slots.get("organ") or row.organ
    if organ is None:
        return None
    found = facts.lesions_of("kidney" if is_group(organ) and "kidney" in organ else organ)
    if not found:
        return "no lesion"
    return size_stratum(max(lesion.longest_axial_diameter_mm for lesion in found))
