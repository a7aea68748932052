"""When the model is asked, and how its words are listed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vol3d.infer.claims import candidates_heading, list_candidates, why_withheld
from vol3d.infer.describe import describe_scan
from vol3d.models.card import ModelCard
from vol3d.report import Quality, Region, Scan
from vol3d.volume import Volume

QUALITY = Quality(facts={}, sentences=())
ABDOMINAL_CT = ModelCard(name="m", trained_on="7 procedural abdominal CT phantoms")
BRAIN_MR = ModelCard(
    name="m",
    trained_on="90 brain MR scans",
    trained_on_short="brain MR scans",
    applies_to=(("MR", "head"), ("CT", "chest")),
)


def _scan(volume: Volume, *, region: str = "abdomen", has_body: bool = True) -> Scan:
    record = Region(names=(region,), is_abdomen=region == "abdomen", length_mm={}, reasons=())
    body = np.full(volume.grid.shape_zyx, has_body)
    return describe_scan(volume, body, record, QUALITY)


def test_abdominal_ct_in_hu_may_be_judged(trunk_ct: Volume) -> None:
    assert why_withheld(_scan(trunk_ct), ABDOMINAL_CT) is None


def test_mr_is_withheld(trunk_mr: Volume) -> None:
    assert "MR, not CT" in str(why_withheld(_scan(trunk_mr), ABDOMINAL_CT))


def test_head_is_withheld(trunk_ct: Volume) -> None:
    assert str(why_withheld(_scan(trunk_ct, region="head"), ABDOMINAL_CT)) == (
        "The model was trained on 7 procedural abdominal CT phantoms and was not asked, because "
        "the abdomen was not recognised in it (estimated region: head)."
    )


def test_scan_that_names_the_abdomen_but_is_not_clearly_one_is_withheld(trunk_ct: Volume) -> None:
    unclear = Region(names=("abdomen",), is_abdomen=False, length_mm={}, reasons=())
    scan = _scan(trunk_ct).model_copy(update={"region": unclear})
    assert why_withheld(scan, ABDOMINAL_CT) is not None


def test_scan_without_a_body_is_withheld(trunk_ct: Volume) -> None:
    assert "no body" in str(why_withheld(_scan(trunk_ct, has_body=False), ABDOMINAL_CT))


def test_ct_that_is_not_in_hu_is_withheld(volume_of: Callable[..., Volume]) -> None:
    volume = volume_of(np.ones((2, 2, 2), dtype=np.int16), unit="arbitrary")
    assert "not Hounsfield units" in str(why_withheld(_scan(volume), ABDOMINAL_CT))


def test_unknown_modality_is_withheld(volume_of: Callable[..., Volume]) -> None:
    volume = volume_of(np.ones((2, 2, 2), np.int16), modality="unknown", unit="arbitrary")
    assert "unknown modality" in str(why_withheld(_scan(volume), ABDOMINAL_CT))


def test_card_for_brain_mr_lets_brain_mr_in_and_abdominal_ct_out(
    trunk_ct: Volume, trunk_mr: Volume
) -> None:
    assert why_withheld(_scan(trunk_mr, region="head"), BRAIN_MR) is None
    reason = str(why_withheld(_scan(trunk_ct), BRAIN_MR))
    assert "trained on 90 brain MR scans" in reason
    assert "the chest was not recognised" in reason


def test_modality_and_region_must_match_in_one_pair(trunk_mr: Volume) -> None:
    assert "the head was not" in str(why_withheld(_scan(trunk_mr, region="chest"), BRAIN_MR))


def test_card_that_applies_to_nothing_is_never_asked(trunk_ct: Volume) -> None:
    card = ABDOMINAL_CT.model_copy(update={"applies_to": ()})
    assert why_withheld(_scan(trunk_ct), card) is not None


def test_heading_names_what_the_model_was_trained_on() -> None:
    start = "Unvalidated candidates of a model trained on "
    assert candidates_heading(ABDOMINAL_CT) == start + "synthetic phantoms"
    assert candidates_heading(BRAIN_MR) == start + "brain MR scans"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two!", ["One.", "Two!"]),
        ("A lesion of 4.5 mm is seen.", ["A lesion of 4.5 mm is seen."]),
        ("First\n\nSecond.", ["First", "Second."]),
        ("  ", []),
    ],
)
def test_text_is_listed_sentence_by_sentence(text: str, sentences: list[str]) -> None:
    assert [item.sentence for item in list_candidates(text, ABDOMINAL_CT).items] == sentences
