"""Pictures: which side is where, true proportions, windows and scale bars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vol3d.export.slices import (
    BAR_THICKNESS_PX,
    MARGIN_PX,
    PLANES,
    SOFT_TISSUE,
    PlaneName,
    Window,
    apply_window,
    body_centre_zyx,
    choose_window,
    cut,
    draw_picture,
    draw_tile,
    geometry_note,
    scale_bar_mm,
)
from vol3d.volume import Grid, Volume

MakeVolume = Callable[..., Volume]
SHAPE_ZYX = (3, 5, 7)


def _with_bright_voxel(make: MakeVolume, index_zyx: tuple[int, int, int]) -> Volume:
    voxels = np.zeros(SHAPE_ZYX, dtype=np.int16)
    voxels[index_zyx] = 100
    return make(voxels, spacing_zyx_mm=(4.0, 2.0, 1.0))


def _bright_row_column(volume: Volume, plane: PlaneName, index: int) -> tuple[int, int]:
    row, column = np.argwhere(cut(volume, plane, index).values == 100)[0]
    return int(row), int(column)


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_patient_right_is_on_the_pictures_left(volume_of: MakeVolume, plane: PlaneName) -> None:
    volume = _with_bright_voxel(volume_of, (1, 1, SHAPE_ZYX[2] - 1))
    assert _bright_row_column(volume, plane, 1)[1] == 0
    assert cut(volume, plane, 1).letters[:2] == ("R", "L")


@pytest.mark.parametrize("plane", ["coronal", "sagittal"])
def test_head_is_at_the_top(volume_of: MakeVolume, plane: PlaneName) -> None:
    volume = _with_bright_voxel(volume_of, (SHAPE_ZYX[0] - 1, 1, 1))
    assert _bright_row_column(volume, plane, 1)[0] == 0
    assert cut(volume, plane, 1).letters[2:] == ("S", "I")


def test_back_is_at_the_bottom_of_axial(volume_of: MakeVolume) -> None:
    volume = _with_bright_voxel(volume_of, (1, 0, 3))
    assert _bright_row_column(volume, "axial", 1)[0] == SHAPE_ZYX[1] - 1
    assert cut(volume, "axial", 1).letters[2:] == ("A", "P")


def test_front_is_on_the_left_of_sagittal(volume_of: MakeVolume) -> None:
    volume = _with_bright_voxel(volume_of, (1, SHAPE_ZYX[1] - 1, 3))
    assert _bright_row_column(volume, "sagittal", 3)[1] == 0
    assert cut(volume, "sagittal", 3).letters[:2] == ("A", "P")


@pytest.mark.parametrize(
    ("plane", "size_px"), [("axial", (14, 20)), ("coronal", (14, 24)), ("sagittal", (20, 24))]
)
def test_proportions_are_true_in_mm(
    volume_of: MakeVolume, plane: PlaneName, size_px: tuple[int, int]
) -> None:
    volume = _with_bright_voxel(volume_of, (0, 0, 0))
    picture = draw_picture(cut(volume, plane, 1), SOFT_TISSUE, px_per_mm=2.0)
    assert picture.size == size_px


def test_caption_counts_from_one_and_names_the_side(volume_of: MakeVolume) -> None:
    volume = _with_bright_voxel(volume_of, (0, 0, 0))
    assert cut(volume, "axial", 2).caption == "axial 3/3, S 8.0 mm"
    assert cut(volume, "sagittal", 4).caption == "sagittal 5/7, R 4.0 mm"


@pytest.mark.parametrize("spacing_zyx_mm", [(1.0, 1.0, 1.0), (5.0, 0.7, 0.7), (1.0, 3.0, 0.5)])
def test_scale_bar_has_its_length(
    volume_of: MakeVolume, spacing_zyx_mm: tuple[float, float, float]
) -> None:
    volume = volume_of(np.zeros((20, 60, 80), dtype=np.int16), spacing_zyx_mm=spacing_zyx_mm)
    view, px_per_mm = cut(volume, "axial", 10), 3.0
    tile = draw_tile(view, Window(lower=1, upper=2, label=""), px_per_mm=px_per_mm)
    row = np.asarray(tile)[tile.height - MARGIN_PX + 6 + BAR_THICKNESS_PX // 2]
    bar_px = np.count_nonzero(row[: tile.width // 2] > 200)
    assert bar_px == round(scale_bar_mm(view.width_mm) * px_per_mm)


@given(st.floats(min_value=3.0, max_value=2000.0))
def test_scale_bar_fits_and_is_visible(width_mm: float) -> None:
    assert 0.08 * width_mm <= scale_bar_mm(width_mm) <= 0.36 * width_mm


def test_window_maps_its_bounds_to_black_and_white() -> None:
    values = np.array([[-500, -160, 40, 240, 500]], dtype=np.int16)
    assert apply_window(values, SOFT_TISSUE).tolist() == [[0, 0, 128, 255, 255]]


def test_hu_gets_the_soft_tissue_window(trunk_ct: Volume) -> None:
    body = np.ones(trunk_ct.grid.shape_zyx, dtype=bool)
    assert choose_window(trunk_ct, body) is SOFT_TISSUE


def test_mr_window_is_percentiles_and_never_hu(trunk_mr: Volume) -> None:
    body = trunk_mr.voxels_zyx > 100
    window = choose_window(trunk_mr, body)
    assert "HU" not in window.label
    assert "a.u." in window.label
    assert window.lower >= 100


def test_blank_scan_has_a_usable_window(volume_of: MakeVolume) -> None:
    blank = volume_of(np.zeros((2, 3, 4), np.int16), modality="MR", unit="arbitrary")
    window = choose_window(blank, np.zeros((2, 3, 4), dtype=bool))
    assert window.upper > window.lower


def test_tile_centres_a_small_picture(volume_of: MakeVolume) -> None:
    volume = volume_of(np.full((2, 10, 10), 1000, np.int16), spacing_zyx_mm=(1.0, 1.0, 1.0))
    tile = draw_tile(cut(volume, "axial", 0), SOFT_TISSUE, px_per_mm=1.0, size_px=(50, 40))
    assert tile.size == (50 + 2 * MARGIN_PX, 40 + 2 * MARGIN_PX)
    left, top = tile.width // 2 - 5, tile.height // 2 - 5
    assert np.asarray(tile)[top : top + 10, left : left + 10].min() == 255


@pytest.mark.parametrize("letter", [0, 1])
def test_letters_are_drawn_on_both_sides(volume_of: MakeVolume, letter: int) -> None:
    volume = volume_of(np.zeros((2, 40, 40), np.int16), spacing_zyx_mm=(1.0, 1.0, 1.0))
    pixels = np.asarray(draw_tile(cut(volume, "axial", 0), SOFT_TISSUE, px_per_mm=2.0))
    middle = pixels[MARGIN_PX + 20 : -MARGIN_PX - 20]
    side = middle[:, :MARGIN_PX] if letter == 0 else middle[:, -MARGIN_PX:]
    assert side.max() > 200


def _grid(turn_deg: float, lean_deg: float) -> Grid:
    """A grid turned about the head-feet axis whose stacking leans to the front."""
    turn, lean = np.radians(turn_deg), np.radians(lean_deg)
    affine = np.eye(4)
    rotation = [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    affine[:3, :3] = np.array(rotation) @ np.diag([0.8, 0.8, 5.0])
    affine[:3, 2] += affine[:3, 1] / 0.8 * 5.0 * np.tan(lean)
    return Grid(shape_zyx=(4, 20, 20), affine=affine)


@pytest.mark.parametrize(
    ("turn_deg", "lean_deg", "note"),
    [
        (0, 0, ""),
        (2.9, 0, ""),
        (0, 1.0, ""),
        (18.5, 0, "planes turned 18.5 deg from the patient axes"),
        (0, 12, "tilted gantry, not rectified (12.0 deg)"),
        (
            25,
            12,
            "tilted gantry, not rectified (12.0 deg); planes turned 25.0 deg from the patient axes",
        ),
    ],
)
def test_oblique_and_sheared_planes_are_told(turn_deg: float, lean_deg: float, note: str) -> None:
    grid = _grid(turn_deg, lean_deg)
    assert geometry_note(grid, modality="CT") == note
    volume = Volume.from_array(np.zeros(grid.shape_zyx, np.int16), grid, modality="CT", unit="HU")
    assert {cut(volume, plane, 1).geometry for plane in PLANES} == {note}


def test_sheared_mr_has_no_gantry() -> None:
    assert geometry_note(_grid(0, 12), modality="MR") == "sheared stack, not rectified (12.0 deg)"


def test_centre_is_that_of_the_body_not_of_the_volume() -> None:
    body = np.zeros((10, 20, 30), dtype=bool)
    body[2:5, 10:15, 20:29] = True
    assert body_centre_zyx(body) == (3, 12, 24)
    assert body_centre_zyx(np.zeros((10, 20, 30), dtype=bool)) == (4, 9, 14)


def test_picture_going_coarser_is_antialiased(volume_of: MakeVolume) -> None:
    stripes = np.zeros((1, 64, 64), dtype=np.int16)
    stripes[:, :, ::2] = 80
    volume = volume_of(stripes, spacing_zyx_mm=(1.0, 1.0, 1.0))
    window = Window(lower=0, upper=80, label="")
    picture = draw_picture(cut(volume, "axial", 0), window, px_per_mm=0.25)
    inner = np.asarray(picture, dtype=float)[:, 2:-2]
    assert isinstance(picture, Image.Image)
    assert inner.max() - inner.min() < 20
