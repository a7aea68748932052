"""Which slices are shown, and what is written on the preview."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from vol3d.export import draw_figures, draw_preview
from vol3d.export.gallery import SMALLEST_AIR_AREA_MM2
from vol3d.report import DISCLAIMER
from vol3d.volume import Grid, Volume


def _body(volume: Volume) -> np.ndarray:
    return np.asarray(volume.voxels_zyx > volume.voxels_zyx.min())


def test_figures_show_three_levels_head_first_and_two_planes(trunk_ct: Volume) -> None:
    captions = [figure.caption.split(",")[0] for figure in draw_figures(trunk_ct, _body(trunk_ct))]
    assert captions == [
        "axial 10/12",
        "axial 7/12",
        "axial 3/12",
        "coronal 30/60",
        "sagittal 40/80",
    ]


def test_lungs_get_a_lung_window(trunk_ct: Volume, volume_of: Callable[..., Volume]) -> None:
    voxels = np.array(trunk_ct.voxels_zyx)
    body = _body(trunk_ct)
    side = int(np.sqrt(SMALLEST_AIR_AREA_MM2) / 5.0) + 1
    voxels[9, 25 : 25 + side, 30 : 30 + side] = -850
    windows = {f.window: f.caption for f in draw_figures(volume_of(voxels), body)}
    assert windows["lung, W 1500 L -600 HU"].startswith("axial 10/12")


def test_one_slice_scan_is_drawn_once(volume_of: Callable[..., Volume]) -> None:
    volume = volume_of(np.zeros((1, 20, 20), dtype=np.int16))
    figures = draw_figures(volume, np.zeros((1, 20, 20), dtype=bool))
    assert [f.caption.split()[0] for f in figures] == ["axial", "coronal", "sagittal"]


def test_mr_pictures_never_name_hu(trunk_mr: Volume) -> None:
    figures = draw_figures(trunk_mr, _body(trunk_mr))
    assert not [f for f in figures if "HU" in f.window + f.caption + f.alternative]


def test_preview_changes_with_the_voxels_and_repeats(
    trunk_ct: Volume, volume_of: Callable[..., Volume]
) -> None:
    body = _body(trunk_ct)
    blank = volume_of(np.full_like(trunk_ct.voxels_zyx, -1000))
    assert draw_preview(trunk_ct, body) == draw_preview(trunk_ct, body)
    assert draw_preview(trunk_ct, body) != draw_preview(blank, body)


def test_preview_shows_the_liver_on_its_left(trunk_ct: Volume) -> None:
    picture = Image.open(io.BytesIO(draw_preview(trunk_ct, _body(trunk_ct)))).convert("L")
    axial = np.asarray(picture)[80:400, 46:466]
    is_liver = (axial >= 168) & (axial <= 176)
    columns = np.nonzero(is_liver)[1]
    assert len(columns) > 1000
    assert np.percentile(columns, 95) < axial.shape[1] / 2


def test_note_on_oblique_planes_is_drawn_under_the_preview_and_on_every_figure() -> None:
    angle = np.radians(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    voxels = np.zeros((20, 20, 20), dtype=np.int16)
    amber = []
    for matrix in (np.eye(4), affine):
        grid = Grid(shape_zyx=voxels.shape, affine=matrix)
        volume = Volume.from_array(voxels, grid, modality="CT", unit="HU")
        picture = Image.open(io.BytesIO(draw_preview(volume, voxels == 0))).convert("RGB")
        foot = np.asarray(picture)[-64:].astype(int)
        amber.append((foot[..., 0] - foot[..., 2] > 80).sum())
    assert amber[0] == 0
    assert amber[1] > 300
    notes = {figure.geometry for figure in draw_figures(volume, voxels == 0)}
    assert notes == {"planes turned 20.0 deg from the patient axes"}


def test_disclaimer_is_drawn_into_the_preview(trunk_ct: Volume) -> None:
    picture = Image.open(io.BytesIO(draw_preview(trunk_ct, _body(trunk_ct))))
    head = np.asarray(picture.convert("RGB"))[:40, picture.width // 2 :].astype(int)
    is_amber = (head[..., 0] - head[..., 2] > 80).sum()
    assert is_amber > 300
    assert picture.info["Description"] == DISCLAIMER
