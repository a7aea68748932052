"""When the model is asked, and how its words are listed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vol3d.infer.claims import split_candidates, why_withheld
from vol3d.infer.describe import describe_scan
from vol3d.report import Quality, Region, Scan
from vol3d.volume import Volume

QUALITY = Quality(facts={}, sentences=())


def _scan(volume: Volume, *, is_abdomen: bool = True, has_body: bool = True) -> Scan:
    names = ("abdomen",) if is_abdomen else ("head",)
    region = Region(names=names, is_abdomen=is_abdomen, length_mm={}, reasons=())
    body = np.full(volume.grid.shape_zyx, has_body)
    return describe_scan(volume, body, region, QUALITY)


def test_abdominal_ct_in_hu_may_be_judged(trunk_ct: Volume) -> None:
    assert why_withheld(_scan(trunk_ct)) is None


def test_mr_is_withheld(trunk_mr: Volume) -> None:
    assert "MR, not CT" in str(why_withheld(_scan(trunk_mr)))


def test_head_is_withheld(trunk_ct: Volume) -> None:
    assert "estimated region: head" in str(why_withheld(_scan(trunk_ct, is_abdomen=False)))


def test_scan_without_a_body_is_withheld(trunk_ct: Volume) -> None:
    assert "no body" in str(why_withheld(_scan(trunk_ct, has_body=False)))


def test_ct_that_is_not_in_hu_is_withheld(volume_of: Callable[..., Volume]) -> None:
    volume = volume_of(np.ones((2, 2, 2), dtype=np.int16), unit="arbitrary")
    assert "not Hounsfield units" in str(why_withheld(_scan(volume)))


def test_unknown_modality_is_withheld(volume_of: Callable[..., Volume]) -> None:
    volume = volume_of(np.ones((2, 2, 2), np.int16), modality="unknown", unit="arbitrary")
    assert "unknown modality" in str(why_withheld(_scan(volume)))


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
    assert [item.sentence for item in split_candidates(text).items] == sentences
