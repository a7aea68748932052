"""Published records: what they refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vol3d.report import Answer, Candidate, Candidates, Intensity, ModelInfo, Report, RunManifest

MODEL = ModelInfo(name="m", weights_sha256="0", spec_sha256="1", trained_on="x", validated=())
NUMBERS = {
    "minimum": 0.0,
    "maximum": 1.0,
    "body_mean": 0.5,
    "body_standard_deviation": 0.1,
    "body_volume_cm3": 2.0,
}


def test_withheld_candidates_need_a_reason() -> None:
    with pytest.raises(ValidationError, match="reason"):
        Candidates(heading="h", status="withheld", withheld_reason=None)


def test_withheld_candidates_hold_no_sentence() -> None:
    with pytest.raises(ValidationError, match="no items"):
        Candidates(
            heading="h",
            status="withheld",
            withheld_reason="MR",
            items=(Candidate(sentence="A lesion."),),
        )


def test_listed_candidates_have_no_reason() -> None:
    with pytest.raises(ValidationError, match="reason"):
        Candidates(heading="h", status="listed", withheld_reason="MR")


@pytest.mark.parametrize(
    ("text", "refused", "reason"),
    [(None, None, None), ("yes", "scan", "MR"), (None, "scan", None), ("yes", None, "MR")],
)
def test_answer_has_a_text_or_a_reason(
    text: str | None, refused: str | None, reason: str | None
) -> None:
    with pytest.raises(ValidationError, match="text or a reason"):
        Answer.model_validate(
            {
                "question": "q",
                "text": text,
                "refused": refused,
                "refused_reason": reason,
                "model": MODEL,
            }
        )


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Intensity.model_validate(NUMBERS | {"maximum": float("nan")})


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="patient_name"):
        Intensity.model_validate(NUMBERS | {"patient_name": "A"})


def test_records_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MODEL.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("record", [Report, Answer, RunManifest])
def test_schema_is_published_with_the_disclaimer(record: type) -> None:
    schema = record.model_json_schema()  # type: ignore[attr-defined]
    assert schema["properties"]["disclaimer"]["default"].startswith("Research use only")
    assert schema["additionalProperties"] is False
