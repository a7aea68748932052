"""Pictures for agents: the right side of the right slice, true to scale."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from agent_cases import IMAGE
from fact_builders import lesion, make_case, organ
from PIL import Image

from vol3d.evaluate.agent.tools import LiveTools
from vol3d.export.slices import MARGIN_PX
from vol3d.measure.facts import CaseFacts
from vol3d.volume import Grid, Volume

SHAPE = (20, 80, 100)
SPACING = (5.0, 2.0, 1.0)


def volume() -> Volume:
    """Water, with a bright left kidney: x from 10 to 19 is the patient's left."""
    voxels = np.zeros(SHAPE, dtype=np.int16)
    voxels[8:13, 30:50, 10:20] = 250
    affine = np.diag([SPACING[2], SPACING[1], SPACING[0], 1.0])
    grid = Grid(shape_zyx=SHAPE, affine=affine)
    return Volume.from_array(voxels, grid, modality="CT", unit="HU")


def facts() -> CaseFacts:
    boxes = {"kidney_left": (8, 30, 10, 12, 49, 19), "kidney_right": (6, 30, 80, 10, 49, 89)}
    organs = [organ(key, 150.0).model_copy(update={"box_zyx": box}) for key, box in boxes.items()]
    cyst = lesion("kidney", "cyst", 1.0, diameter_mm=12.0, side="left", slice_index=9)
    cyst["centroid_ras_mm"] = (15.0, 80.0, 45.0)
    return make_case(organs, [cyst], annotated={"kidney": ("cyst", "tumor")})


def crop(name: str) -> tuple[dict[str, object], np.ndarray]:
    scan, case = volume(), facts()
    tools = LiveTools(lambda image_id: case, scan_of=lambda image_id: scan)
    result = tools.call("crop_organ", {"organ": name}, image_id=IMAGE)
    assert result.fault is None
    told = dict(result.content)
    picture = Image.open(io.BytesIO(base64.b64decode(str(told.pop("image_base64")))))
    inner = np.asarray(picture.convert("L"))[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
    return told, inner


def test_the_left_kidney_is_on_the_right_of_a_picture_of_both() -> None:
    told, picture = crop("kidneys")
    half = picture.shape[1] // 2
    assert picture[:, half:].max() == 255
    assert picture[:, :half].max() < 200
    assert "picture's left is the patient's right" in str(told["note"])


def test_the_slice_is_the_middle_one_of_the_organ() -> None:
    told, _ = crop("kidney_left")
    assert (told["slice_index"], told["first_slice"], told["last_slice"]) == (10, 8, 12)
    assert "axial 11/20" in str(told["note"])
    assert told["organ_localized"] is True


def test_the_scale_holds() -> None:
    told, picture = crop("kidney_left")
    scale = float(str(told["px_per_mm"]))
    bright = picture > 200
    assert bright.any(axis=0).sum() / scale == pytest.approx(10.0, abs=1.0)
    assert bright.any(axis=1).sum() / scale == pytest.approx(40.0, abs=2.0)


def test_the_window_is_w400_l50() -> None:
    told, picture = crop("kidney_left")
    assert "W 400 L 50 HU" in str(told["note"])
    assert picture.min() == pytest.approx(255 * 150 / 400, abs=1)


def test_a_lesion_is_shown_at_its_slice_with_its_side() -> None:
    told, picture = crop("kidney_cyst")
    assert told["slice_index"] == 9
    assert "kidney-1, left side" in str(told["note"])
    assert picture.max() == 255


def test_an_organ_that_is_not_there_is_named() -> None:
    scan, case = volume(), facts()
    tools = LiveTools(lambda image_id: case, scan_of=lambda image_id: scan)
    result = tools.call("crop_organ", {"organ": "spleen"}, image_id=IMAGE)
    assert result.fault is None
    assert "spleen is not in the scan" in result.content["error"]


def test_the_list_names_what_can_be_shown() -> None:
    scan, case = volume(), facts()
    tools = LiveTools(lambda image_id: case, scan_of=lambda image_id: scan)
    result = tools.call("list_available_crops", {}, image_id=IMAGE)
    assert result.content == {
        "image_id": IMAGE,
        "available_organs": ["kidney_left", "kidney_right", "kidney_cyst"],
    }
