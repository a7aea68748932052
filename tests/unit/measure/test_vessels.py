"""Contact of tumours with vessels against the angle that geometry gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation
from synthetic import Ellipsoid, case_masks, ct, grid_around

from vol3d.measure.engine import measure_case_masks
from vol3d.measure.vessels import vessel_contact_angle_deg
from vol3d.volume import Grid

Mask = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


def offsets(grid: Grid) -> FloatArray:
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape_zyx), indexing="ij"), axis=-1)
    return grid.index_to_world_mm(index)


def cylinder(grid: Grid, through: FloatArray, along: FloatArray, radius_mm: float) -> Mask:
    off = offsets(grid) - through
    across = off - (off @ along)[..., None] * along
    inside: Mask = np.linalg.norm(across, axis=-1) <= radius_mm
    return inside


def true_angle(body: Ellipsoid, through: FloatArray, along: FloatArray, radius_mm: float) -> float:
    """Largest share of a circle around the axis that lies in the ellipsoid, in degrees."""
    first = np.cross(along, [0.3, 0.5, 0.8])
    first /= np.linalg.norm(first)
    second = np.cross(along, first)
    turn = np.radians(np.arange(0, 360, 1.0))
    circle = radius_mm * (np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second)
    reach = np.arange(-60, 60, 0.5)[:, None, None]
    points = through + reach * along + circle
    inside = np.einsum("...i,ij,...j", points, body.matrix, points) <= 1
    return float(360 * inside.mean(axis=1).max())


@pytest.mark.parametrize("front_mm", [-4.0, 0.0, 4.0, 5.5])
@pytest.mark.parametrize("along", [(0, 0, 1.0), (0, 0.6, 0.8), (0.577, 0.577, 0.577)])
def test_flat_front_touches_twice_the_arc_cosine(
    front_mm: float, along: tuple[float, float, float]
) -> None:
    grid = grid_around(60.0, (1.0, 1.2, 1.3))
    axis = np.array(along) / np.linalg.norm(along)
    normal = np.cross(axis, [1.0, 0.2, 0.1])
    normal /= np.linalg.norm(normal)
    vessel = cylinder(grid, np.zeros(3), axis, 8.0)
    tumour = (offsets(grid) @ normal >= front_mm) & ~vessel
    got = vessel_contact_angle_deg(tumour, vessel, grid, profile="native")
    assert got == pytest.approx(np.degrees(2 * np.arccos(front_mm / 8.0)), abs=10)


def test_a_gap_is_no_contact() -> None:
    grid = grid_around(60.0, (1.0, 1.0, 1.0))
    vessel = cylinder(grid, np.zeros(3), np.array([0, 0, 1.0]), 8.0)
    tumour = offsets(grid)[..., 0] >= 10.5
    assert vessel_contact_angle_deg(tumour, vessel, grid, profile="native") == 0.0


def test_all_around_is_360() -> None:
    grid = grid_around(60.0, (1.0, 1.0, 1.0))
    vessel = cylinder(grid, np.zeros(3), np.array([0, 1.0, 0]), 8.0)
    tumour = Ellipsoid(semi_axes_mm=(20.0, 15.0, 20.0)).inside(grid) & ~vessel
    assert vessel_contact_angle_deg(tumour, vessel, grid, profile="native") == 360.0


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.tuples(*[st.floats(18.0, 30.0)] * 3),
    st.tuples(*[st.floats(0.8, 1.3)] * 3),
    st.tuples(*[st.floats(-25.0, 25.0)] * 3),
    st.integers(0, 1000),
    st.floats(-0.2, 1.2),
)
def test_ellipsoid_beside_a_vessel(
    semi_axes: tuple[float, float, float],
    spacing: tuple[float, float, float],
    oblique_deg: tuple[float, float, float],
    seed: int,
    place: float,
) -> None:
    """Within 10 degrees where half a voxel of radius changes the true angle by no more than that.

    A tumour that closes around a vessel in a rim thinner than a voxel has no such angle.
    """
    rng = np.random.default_rng(seed)
    body = Ellipsoid(semi_axes_mm=semi_axes, rotation=Rotation.random(rng=rng))
    radius = 6.5 * max(spacing)
    along, off = rng.normal(size=3), rng.normal(size=3)
    along /= np.linalg.norm(along)
    off = np.cross(along, off)
    off *= place * float(np.mean(semi_axes)) / np.linalg.norm(off)
    half = 0.5 * max(spacing)
    low, truth, high = (true_angle(body, off, along, radius + d) for d in (-half, 0.0, half))
    assume(max(abs(low - truth), abs(high - truth)) <= 10)
    turn = Rotation.from_euler("xyz", oblique_deg, degrees=True)
    grid = grid_around(2.2 * max(semi_axes) + 2 * radius, spacing, rotation=turn)
    vessel = cylinder(grid, off, along, radius)
    tumour = body.inside(grid) & ~vessel
    assume(np.count_nonzero(tumour) >= 10_000)
    got = vessel_contact_angle_deg(tumour, vessel, grid, profile="native")
    assert got == pytest.approx(truth, abs=10)


@pytest.mark.parametrize(("front_mm", "angle"), [(-2, 347), (0, 270), (2, 219), (4, 167), (6, 116)])
def test_radgpt_profile_widens_as_its_recipe_does(front_mm: int, angle: int) -> None:
    grid = grid_around(50.0, (1.0, 1.0, 1.0))
    vessel = cylinder(grid, np.zeros(3), np.array([0, 0, 1.0]), 4.0)
    tumour = (offsets(grid)[..., 0] >= front_mm) & (np.abs(offsets(grid)).max(axis=-1) <= 18)
    got = vessel_contact_angle_deg(tumour, vessel, grid, profile="radgpt")
    assert got == pytest.approx(angle, abs=30)


def test_engine_gives_the_angles_of_a_pancreatic_tumour() -> None:
    grid = grid_around(70.0, (1.0, 1.0, 1.0))
    artery = cylinder(grid, np.array([0.0, 0.0, 0.0]), np.array([0, 0, 1.0]), 7.0)
    vein = cylinder(grid, np.array([-30.0, 0.0, 0.0]), np.array([0, 0, 1.0]), 4.0)
    tumour = Ellipsoid(semi_axes_mm=(15.0, 20.0, 15.0), centre_ras_mm=(15.0, 0, 0)).inside(grid)
    masks = case_masks(
        grid,
        {"superior_mesenteric_artery": artery, "portal_vein": vein & ~artery},
        {"pancreas_pdac": tumour & ~artery},
    )
    volume = ct(np.zeros(grid.shape_zyx, np.int16), grid)
    angles = measure_case_masks(volume, masks).lesions[0].vessel_angles_deg
    assert 120 < angles["superior_mesenteric_artery"] < 220
    assert angles["portal_vein"] == 0.0


@pytest.mark.parametrize(("num_sides", "degrees"), [(0, 0.0), (1, 90.0), (2, 180.0), (4, 360.0)])
def test_vessel_of_one_voxel_is_measured_by_its_faces(num_sides: int, degrees: float) -> None:
    vessel, tumour = (np.zeros((12, 11, 11), dtype=bool) for _ in range(2))
    vessel[:, 5, 5] = True
    for y, x in ((5, 4), (4, 5), (5, 6), (6, 5))[:num_sides]:
        tumour[4:8, y, x] = True
    grid = Grid(shape_zyx=vessel.shape, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    found = vessel_contact_angle_deg(tumour, vessel, grid, profile="native")
    assert found == pytest.approx(degrees)


def test_touched_side_of_a_vessel_of_two_by_two_voxels_is_a_quarter() -> None:
    vessel, tumour = (np.zeros((6, 11, 11), dtype=bool) for _ in range(2))
    vessel[1:5, 5:7, 5:7] = True
    tumour[2:4, 5:7, 4] = True
    grid = Grid(shape_zyx=vessel.shape, affine=np.diag([4.0, 4.0, 4.0, 1.0]))
    found = vessel_contact_angle_deg(tumour, vessel, grid, profile="native")
    assert found == pytest.approx(90.0)


def bend(grid: Grid, radius_mm: float) -> Mask:
    """A vessel that comes from the left, turns with a radius of 12 mm, and goes on to the head."""
    turn = np.linspace(0, np.pi / 2, 60)
    arc = np.stack([-12 + 12 * np.sin(turn), 0 * turn, 12 - 12 * np.cos(turn)], axis=1)
    far = np.linspace(0, 40, 80)[:, None]
    line = np.concatenate([arc[0] - far * [1, 0, 0], arc, arc[-1] + far * [0, 0, 1]])
    inside: Mask = KDTree(line).query(offsets(grid))[0] <= radius_mm
    return inside


def test_a_bend_within_a_tumour_is_encased() -> None:
    grid = grid_around(90.0, (1.5, 1.0, 1.0))
    vessel = bend(grid, 4.0)
    tumour = Ellipsoid(semi_axes_mm=(14, 14, 14), centre_ras_mm=(-4.0, 0, 4.0)).inside(grid)
    assert vessel_contact_angle_deg(tumour, vessel, grid, profile="native") == 360.0


def test_a_front_behind_a_bend_touches_half() -> None:
    grid = grid_around(90.0, (1.5, 1.0, 1.0))
    tumour = offsets(grid)[..., 1] > 0
    got = vessel_contact_angle_deg(tumour, bend(grid, 5.0), grid, profile="native")
    assert got == pytest.approx(180, abs=12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_masks_have_the_same_angle(axis: int) -> None:
    grid = grid_around(60.0, (2.0, 1.0, 1.0))
    along = np.array([0.3, 0.2, 0.93]) / np.linalg.norm([0.3, 0.2, 0.93])
    vessel = cylinder(grid, np.zeros(3), along, 5.0)
    tumour = Ellipsoid(semi_axes_mm=(14, 12, 10), centre_ras_mm=(11.0, 3.0, 2.0)).inside(grid)
    got, mirrored = (
        vessel_contact_angle_deg(each[0], each[1], grid, profile="native")
        for each in ((tumour, vessel), (np.flip(tumour, axis), np.flip(vessel, axis)))
    )
    assert 60 < got < 240
    assert mirrored == pytest.approx(got, abs=2)


def test_a_tumour_at_the_end_of_a_vessel_alone_is_told_by_its_faces() -> None:
    vessel, tumour = (np.zeros((24, 15, 15), dtype=bool) for _ in range(2))
    vessel[:12, 5:10, 5:10] = True
    tumour[12:18, 4:11, 4:11] = True
    grid = Grid(shape_zyx=vessel.shape, affine=np.diag([1.0, 1.0, 1.0, 1.0]))
    assert vessel_contact_angle_deg(tumour, vessel, grid, profile="native") == 0.0


@pytest.mark.parametrize("front_mm", [-2.0, 0.0, 2.0])
def test_vessel_of_two_voxels_radius_is_within_25_degrees(front_mm: float) -> None:
    grid = grid_around(60.0, (2.0, 2.0, 2.0))
    vessel = cylinder(grid, np.array([0.3, 0.4, 0]), np.array([0, 0.6, 0.8]), 4.0)
    tumour = offsets(grid)[..., 0] - 0.3 >= front_mm
    got = vessel_contact_angle_deg(tumour, vessel, grid, profile="native")
    assert got == pytest.approx(np.degrees(2 * np.arccos(front_mm / 4.0)), abs=25)
