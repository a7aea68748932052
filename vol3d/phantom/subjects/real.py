"""Subjects from real data: label maps rendered anew, and lesions put into the voxels of a real CT.

Both keep a key of the case that they were made from, so that a split can keep patients apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn.functional import interpolate

from vol3d.errors import ConfigError, DataError, explain
from vol3d.measure.case_masks import CaseMasks
from vol3d.phantom.plan import Draw
from vol3d.phantom.subjects.abdomen import Trunk
from vol3d.phantom.subjects.canvas import REAL, Box, Canvas, Pose, Shape, rotation
from vol3d.phantom.subjects.make import Subject
from vol3d.phantom.subjects.plan import LesionPlan, SubjectConfig, draw_lesions, plan_subject
from vol3d.phantom.subjects.scanner import scan_ct, scan_mr, softened
from vol3d.phantom.subjects.tissues import FREE, LABELS
from vol3d.phantom.subjects.tumours import paint_lesions
from vol3d.volume import Acquisition, Grid, Volume

BoolArray = npt.NDArray[np.bool_]
ByteArray = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]
WARP_SD_MM = 4.0
"""Standard deviation of the smooth displacement of a label map; its knots lie 50 mm apart."""
_KNOT_MM = 50.0
_SCALE, _TURN_DEG = 0.07, 4.0
_BODY_REACH_MM, _BAY_MM = 18.0, 60.0
_OUTSIDE = 99.0
_TRIES = 60
_LEAST_SIDE = 8
_DEFAULT = SubjectConfig()
_FAT_BELOW_HU = -30.0
_GRAIN_VOXELS, _NOISE_VOXELS = 2.5, 0.5
_EVEN_SHARE = 0.25
"""Of soft tissue, at least this share is taken to be free of edges: its grain is noise."""

_BONES = ("vertebrae", "sacrum", "hip", "femur", "rib", "sternum", "scapula", "humerus", "skull")
_BOWEL = ("stomach", "duodenum", "small_bowel", "colon", "rectum", "esophagus")
_MUSCLES = ("autochthon", "iliopsoas", "muscle")
_TISSUES = {
    # structure without side: tissue, and the group that deviates together
    "spleen": ("spleen", "spleen"),
    "pancreas": ("pancreas", "pancreas"),
    "kidney": ("kidney_cortex", "kidney"),
    "adrenal_gland": ("adrenal_gland", "other"),
    "gallbladder": ("gallbladder", "other"),
    "common_bile_duct": ("bile", "other"),
    "pancreatic_duct": ("bile", "other"),
    "urinary_bladder": ("urine", "other"),
    "prostate": ("prostate", "other"),
    "uterus": ("uterus", "other"),
    "aorta": ("aorta", "aorta"),
    "iliac_artery": ("aorta", "aorta"),
    "celiac_trunk": ("aorta", "aorta"),
    "common_hepatic_artery": ("aorta", "aorta"),
    "splenic_artery": ("aorta", "aorta"),
    "superior_mesenteric_artery": ("aorta", "aorta"),
    "pulmonary_artery": ("pulmonary_artery", "aorta"),
    "heart": ("heart", "aorta"),
    "inferior_vena_cava": ("inferior_vena_cava", "portal"),
    "superior_vena_cava": ("inferior_vena_cava", "portal"),
    "iliac_vena": ("inferior_vena_cava", "portal"),
    "portal_vein_and_splenic_vein": ("portal_vein_and_splenic_vein", "portal"),
    "superior_mesenteric_vein": ("superior_mesenteric_vein", "portal"),
    "lung": ("lung", "other"),
    "spinal_cord": ("cord", "other"),
    "brain": ("cord", "other"),
}
_RENAMED = {
    "vertebrae_": "vertebrae",
    "rib_": "rib",
    "clavicula_": "rib",
    "gluteus_": "muscle",
    "costal_cartilages": "cartilage",
    "heart_": "heart",
    "atrial_appendage_": "heart",
    "brachiocephalic_vein_": "superior_vena_cava",
    "brachiocephalic_trunk": "aorta",
    "subclavian_artery_": "aorta",
    "common_carotid_artery_": "aorta",
    "pulmonary_vein": "pulmonary_artery",
}
"""What structures without a label of their own are painted as, by the beginning of their key."""


def anatomy_of(masks: CaseMasks) -> tuple[ByteArray, ByteArray]:
    """Labels and parts, values of ``LABELS``, of the masks of a real case.

    Masks of lesions get the label of what is nearest to them: they are not taken over.

    Args:
        masks: On the scan's grid.

    Raises:
        DataError: No structure that a phantom could show, or a label for both organs of a pair.
    """
    shape = masks.layers[0].shape
    if any((masks.layers[at.layer] == at.label).any() for at in masks.pairs.values()):
        raise DataError(
            explain(
                expected="left and right organs with labels of their own",
                got=f"one label for both: {', '.join(sorted(masks.pairs))}",
                where="label map",
                remedy="Split the label into left and right.",
            )
        )
    labels, parts = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    for key, at in masks.structures.items():
        inside = masks.layers[at.layer] == at.label
        if key.startswith(("liver_segment_", "pancreas_")) or "_lobe_" in key:
            parts[inside] = LABELS.get(key, 0)
        organ = _painted_as(key)
        if organ is not None:
            labels[inside] = LABELS[organ]
    if not labels.any():
        shown = [key for key in masks.structures if _painted_as(key) is not None]
        raise DataError(
            explain(
                expected="masks of organs that a phantom can show, such as liver or kidney_left",
                got=f"no voxel of {', '.join(sorted(shown))}"
                if shown
                else ", ".join(sorted(masks.structures)) or "no known structure",
                where="label map",
                remedy="Give masks that are not empty, name the labels, or say their label scheme.",
            )
        )
    holes = _lesion_voxels(masks, None) & (labels == 0)
    if holes.any():
        nearest = ndimage.distance_transform_edt(
            labels == 0, return_distances=False, return_indices=True
        )
        z, y, x = (axis[holes] for axis in nearest)
        labels[holes], parts[holes] = labels[z, y, x], parts[z, y, x]
    return labels, parts


def _lesion_voxels(masks: CaseMasks, organs: Sequence[str] | None) -> BoolArray:
    """Voxels of masked lesions, of some organs or of all."""
    found = np.zeros(masks.layers[0].shape, dtype=bool)
    for mask, at in masks.lesions.items():
        if organs is None or mask.organ in organs or mask.organ is None:
            found |= masks.layers[at.layer] == at.label
    return found


def _painted_as(key: str) -> str | None:
    if key.startswith("liver_segment_"):
        return "liver"
    if key.startswith("pancreas_"):
        return "pancreas"
    if key.startswith("lung_") and "_lobe_" in key:
        return "lung_left" if key.endswith("left") else "lung_right"
    if key in LABELS and "_lobe_" not in key:
        return key
    return next((name for start, name in _RENAMED.items() if key.startswith(start)), None)


def subject_from_labels(
    seed: int,
    masks: CaseMasks,
    grid: Grid,
    *,
    source: str,
    config: SubjectConfig = _DEFAULT,
    device: str | torch.device = "cpu",
) -> Subject:
    """A scan rendered from a real label map that is turned, scaled and warped a little.

    What no label covers inside the body becomes skin, fat and a ring of muscle. The deformation has
    no mirroring: left stays left.

    Args:
        seed: Any integer.
        masks: Organs, on ``grid``.
        grid: Of the label map; the rendered scan has the same.
        source: Key of the patient, which is no name and no number of a hospital.
        config: Phase, modality, lesions, noise; the grid decides the number of voxels.
        device: Where voxels are computed.

    Raises:
        DataError: No structure that a phantom could show.
    """
    if min(grid.shape_zyx) < _LEAST_SIDE:
        raise DataError(
            explain(
                expected=f"at least {_LEAST_SIDE} voxels along every axis",
                got=f"{grid.shape_zyx} (z, y, x)",
                where="label map",
                remedy="Give the whole label map.",
            )
        )
    draw = Draw(seed)
    plan = plan_subject(draw, config, seed)
    fatty = [each for each in plan.pathologies if each in ("steatosis", "pancreatic_steatosis")]
    labels, parts = anatomy_of(masks)
    body = body_around(labels, grid)
    labels, parts, body = _deformed((labels, parts, body), grid, draw)
    canvas = _canvas(grid, labels, draw, device)
    canvas.parts = torch.from_numpy(parts).to(canvas.device)
    present = {key for key, n in LABELS.items() if (labels == n).any()}
    plan = replace(plan, pathologies=tuple(fatty), lesions=_fitting(plan.lesions, present, parts))
    trunk = Trunk(canvas, plan, draw)
    _paint_body(trunk, labels, body.astype(bool))
    for key in sorted(present, key=lambda each: LABELS[each]):
        _paint_organ(trunk, key, labels == LABELS[key])
    depth = {key: signed_depth(labels == LABELS[key], grid) for key in _lesion_organs(plan.lesions)}
    ids, lesions = paint_lesions(canvas, plan, draw, depth=depth, vessels={}, radii_mm={})
    voxels = (scan_ct if plan.modality == "CT" else scan_mr)(canvas, plan, draw)
    volume = Volume.from_array(
        voxels.cpu().numpy(),
        grid,
        modality=plan.modality,
        unit="HU" if plan.modality == "CT" else "arbitrary",
        acquisition=Acquisition(is_contrast_given=plan.phase != "unenhanced", kvp=plan.scan.kvp),
    )
    return Subject(
        volume=volume,
        labels_zyx=canvas.labels.cpu().numpy(),
        parts_zyx=canvas.parts.cpu().numpy(),
        lesions_zyx=ids,
        lesions=lesions,
        plan=plan,
        seed=seed,
        source=source,
    )


def implant_lesions(
    seed: int,
    volume: Volume,
    masks: CaseMasks,
    *,
    source: str,
    clear_organs: Sequence[str],
    config: SubjectConfig,
    device: str | torch.device = "cpu",
) -> Subject:
    """A real CT with synthetic lesions; every voxel away from them stays as it was scanned.

    The grain of the scan goes on inside a lesion, and its border has the scan's own blur.

    Args:
        seed: Any integer.
        volume: CT in HU.
        masks: Organs of the scan.
        source: Key of the patient, which is no name and no number of a hospital.
        clear_organs: Groups, such as ``liver`` or ``kidney``, that are known to have no lesion of
            their own; lesions are put into these only, so that the masks show every lesion.
        config: ``phase`` of the scan; ``lesions``, or else some are drawn until one finds room.
        device: Where voxels are computed.

    Raises:
        ConfigError: No phase, or a clear organ that the masks do not show.
        DataError: Not a CT in HU, or a clear organ has masked lesions.
    """
    if volume.unit != "HU":
        raise DataError(
            explain(
                expected="a CT in HU",
                got=f"{volume.modality} in {volume.unit} units",
                where="implant_lesions",
                remedy="Lesions of MR are made by rendering a label map instead.",
            )
        )
    draw = Draw(seed)
    plan = plan_subject(draw, config, seed)
    labels, parts = anatomy_of(masks)
    present = {key for key, n in LABELS.items() if (labels == n).any()}
    usable = {key for key in present if _group(key) in clear_organs}
    wrong = sorted(set(clear_organs) - {_group(key) for key in present})
    if config.phase is None or not usable or wrong:
        raise ConfigError(
            explain(
                expected="the scan's phase and at least one masked organ known to be clear",
                got=f"phase {config.phase}, clear organs {', '.join(clear_organs) or 'none'}",
                where="implant_lesions",
                remedy=f"Masked are: {', '.join(sorted({_group(key) for key in present}))}.",
            )
        )
    if _lesion_voxels(masks, clear_organs).any():
        raise DataError(
            explain(
                expected=f"no masked lesion in what is said to be clear: {', '.join(clear_organs)}",
                got="masks with voxels of lesions there",
                where="implant_lesions",
                remedy="Leave the organ out of the clear ones.",
            )
        )
    canvas = _canvas(volume.grid, labels, draw, device)
    canvas.parts = torch.from_numpy(parts).to(canvas.device)
    before = torch.from_numpy(volume.voxels_zyx.astype(np.float64)).to(canvas.device)
    canvas.labels = torch.from_numpy(labels).to(canvas.device)
    is_fat = (canvas.labels == 0) & (before < _FAT_BELOW_HU) & (before > -160.0)
    canvas.labels[is_fat] = FREE
    canvas.hu = before.clone()
    depth = {key: signed_depth(labels == LABELS[key], volume.grid) for key in sorted(usable)}
    wanted = _fitting(plan.lesions, usable, parts)
    for _ in range(_TRIES):
        plan = replace(plan, pathologies=(), lesions=wanted)
        ids, lesions = paint_lesions(canvas, plan, draw, depth=depth, vessels={}, radii_mm={})
        if lesions or config.lesions is not None:
            break
        wanted = _fitting(draw_lesions(draw, config, set()), usable, parts)
    inside = torch.from_numpy(ids).to(canvas.device) > 0
    made = _blended(before, canvas.hu, inside, volume.grid, draw)
    canvas.labels[is_fat & (canvas.labels == FREE)] = 0
    voxels = made.round().clamp(-32768, 32767).to(torch.int16).cpu().numpy()
    return Subject(
        volume=Volume.from_array(
            voxels, volume.grid, modality="CT", unit="HU", acquisition=volume.acquisition
        ),
        labels_zyx=canvas.labels.cpu().numpy(),
        parts_zyx=canvas.parts.cpu().numpy(),
        lesions_zyx=ids,
        lesions=lesions,
        plan=plan,
        seed=seed,
        source=source,
        looked_in=tuple(clear_organs),
    )


def _group(key: str) -> str:
    return key.removesuffix("_left").removesuffix("_right")


def _lesion_organs(lesions: Sequence[LesionPlan]) -> set[str]:
    return {lesion.organ for lesion in lesions}


def _fitting(
    lesions: Sequence[LesionPlan], organs: set[str], parts: ByteArray
) -> tuple[LesionPlan, ...]:
    """Lesions of organs that are there; a part or a vessel that no mask shows is left open."""
    made = []
    for lesion in lesions:
        if lesion.organ not in organs:
            continue
        part = lesion.part if lesion.part and (parts == LABELS[lesion.part]).any() else None
        made.append(replace(lesion, part=part, vessel=None, vessel_angle_deg=0.0))
    return tuple(made)


def _blended(
    before: torch.Tensor, painted: torch.Tensor, inside: torch.Tensor, grid: Grid, draw: Draw
) -> torch.Tensor:
    """Lesions with the grain and the blur of the scan; no voxel further off changes."""
    weight = softened(inside.double(), 0.6 / grid.spacing_zyx_mm[1])
    flat = torch.where(inside, painted, before)
    made = before * (1.0 - weight) + (softened(flat, 0.5) + _grain(before, draw)) * weight
    return torch.where(weight > 0, made, before)


def _grain(before: torch.Tensor, draw: Draw) -> torch.Tensor:
    """The noise of a scan: what is finer than its organs, where soft tissue is even.

    Beside edges, in stool and in the sinus of a kidney the fine differences are anatomy, which must
    not shine through a lesion: there drawn noise of the same strength takes their place.
    """
    smooth = softened(before, _GRAIN_VOXELS)
    grain = before - smooth
    is_soft = (smooth > 0.0) & (smooth < 150.0) & (grain.abs() < 100.0)
    if not bool(is_soft.any()):
        return torch.zeros_like(before)
    local = softened(grain.square(), _GRAIN_VOXELS).sqrt()
    even = local[is_soft].flatten()
    sd = float(even.kthvalue(1 + int(_EVEN_SHARE * (even.numel() - 1))).values)
    share = (1.2 * sd / local.clamp(min=1e-3)).clamp(max=1.0) ** 3
    noise = softened(torch.randn(before.shape, generator=draw.generator, dtype=REAL), _NOISE_VOXELS)
    noise = noise.to(before.device) * (sd / float(noise.std().clamp(min=1e-3)))
    return share * grain.clamp(-3.0 * sd, 3.0 * sd) + (1.0 - share.square()).sqrt() * noise


def _canvas(grid: Grid, labels: ByteArray, draw: Draw, device: str | torch.device) -> Canvas:
    """An empty canvas whose template mm are world mm around the first lumbar vertebra."""
    spine = np.argwhere(labels == LABELS["vertebrae"])
    middle = spine.mean(axis=0) if len(spine) else (np.array(labels.shape) - 1) / 2
    x, y, z = (grid.affine @ np.array([*middle[::-1], 1.0]))[:3].tolist()
    pose = Pose(origin_ras_mm=(x, y, z), scale_xyz=(1.0, 1.0, 1.0), warp_mm=0.0)
    return Canvas(grid, pose, draw, torch.device(device))


def body_around(labels: ByteArray, grid: Grid) -> ByteArray:
    """1 inside the body: 18 mm around labelled voxels, bays and holes of axial slices filled.

    Args:
        labels: (z, y, x), 0 where nothing is labelled.
        grid: Their grid.
    """
    near = ndimage.distance_transform_edt(labels == 0, sampling=grid.spacing_zyx_mm)
    wide = np.pad(near <= _BODY_REACH_MM + _BAY_MM, 1, mode="edge")
    deep = ndimage.distance_transform_edt(wide, sampling=grid.spacing_zyx_mm)[1:-1, 1:-1, 1:-1]
    body = np.stack([ndimage.binary_fill_holes(plane) for plane in deep > _BAY_MM])
    return body.astype(np.uint8)


def _deformed(
    arrays: tuple[ByteArray, ByteArray, ByteArray], grid: Grid, draw: Draw
) -> tuple[ByteArray, ByteArray, ByteArray]:
    """Label arrays seen through one small turn, stretch and smooth displacement."""
    shape, spacing = grid.shape_zyx, np.array(grid.spacing_zyx_mm)
    turn = rotation(
        (
            draw.uniform(-_TURN_DEG, _TURN_DEG),
            draw.uniform(-_TURN_DEG, _TURN_DEG),
            draw.uniform(-_TURN_DEG, _TURN_DEG),
        )
    )[::-1, ::-1]
    stretch = np.array([draw.uniform(1 - _SCALE, 1 + _SCALE) for _ in range(3)])
    matrix = (turn / stretch) * spacing[None, :] / spacing[:, None]
    middle = (np.array(shape) - 1) / 2
    index = np.indices(shape, dtype=np.float64).reshape(3, -1) - middle[:, None]
    at = (matrix @ index) + middle[:, None]
    knots = [max(round(n * mm / _KNOT_MM), 1) + 1 for n, mm in zip(shape, spacing, strict=True)]
    for axis in range(3):
        coarse = (
            torch.randn(knots, generator=draw.generator, dtype=REAL).clamp_(-2.0, 2.0) * WARP_SD_MM
        )
        smooth = interpolate(coarse[None, None], size=shape, mode="trilinear", align_corners=True)
        at[axis] += smooth[0, 0].numpy().reshape(-1) / spacing[axis]
    z, y, x = (np.clip(np.rint(at[axis]), 0, shape[axis] - 1).astype(np.intp) for axis in range(3))
    labels, parts, body = (array[z, y, x].reshape(shape) for array in arrays)
    return labels, parts, body


def signed_depth(inside: BoolArray, grid: Grid) -> Shape:
    """A structure's box and the signed distance from its border in it, mm, negative inside.

    Args:
        inside: (z, y, x).
        grid: Their grid.
    """
    box = _box(inside)
    deep = ndimage.distance_transform_edt(np.pad(inside[box], 1), sampling=grid.spacing_zyx_mm)[
        1:-1, 1:-1, 1:-1
    ]
    distance = np.where(inside[box], -deep, _OUTSIDE)
    return box, torch.from_numpy(distance)


def _box(inside: BoolArray) -> Box:
    found = ndimage.find_objects(inside.astype(np.uint8))
    return found[0] if found else (slice(0, 0), slice(0, 0), slice(0, 0))


def _paint_body(trunk: Trunk, labels: ByteArray, body: BoolArray) -> None:
    """Skin, fat and a ring of muscle where nothing is labelled."""
    canvas, grid = trunk.canvas, trunk.canvas.grid
    # slices beyond the first and the last one continue the body
    padded = np.pad(body, ((1, 1), (0, 0), (0, 0)), mode="edge")
    deep = ndimage.distance_transform_edt(padded, sampling=grid.spacing_zyx_mm)[1:-1]
    fat_mm = trunk.draw.uniform(9.0, 16.0)
    canvas.labels = torch.from_numpy(np.where(labels > 0, labels, 0)).to(canvas.device)
    canvas.hu = torch.full(grid.shape_zyx, -1000.0, device=canvas.device, dtype=REAL)
    rest = body & (labels == 0)
    for key, where, hu in (
        ("fat_of_cavity", rest, trunk.hu("fat") + 3.0),
        ("muscle", rest & (deep <= fat_mm + 9.0), trunk.hu("muscle")),
        ("fat", rest & (deep <= fat_mm), trunk.hu("fat")),
        ("skin", rest & (deep <= 2.0), 10.0),
    ):
        inside = torch.from_numpy(where).to(canvas.device)
        canvas.labels[inside] = LABELS[key]
        canvas.hu[inside] = hu


def _paint_organ(trunk: Trunk, key: str, inside: BoolArray) -> None:
    """HU of an organ: one number, or a wall and a content, or a dense rim."""
    canvas, draw = trunk.canvas, trunk.draw
    box, distance = signed_depth(inside, canvas.grid)
    distance = distance.to(canvas.device)
    where, hu = distance < 0, canvas.hu[box]
    group = _group(key)
    if group in _BONES:
        spongy = 130.0 + 90.0 * draw.uniform(0.0, 1.0)
        hu[where] = spongy
        hu[where & (distance > -2.5)] = spongy + 330.0
    elif group in _BOWEL:
        hu[where] = trunk.hu("bowel_wall")
        lumen = where & (distance < -3.0)
        noise = softened(torch.randn(distance.shape, generator=draw.generator, dtype=REAL), 1.2)
        noise = noise.to(canvas.device) / noise.std().clamp(min=1e-3)
        height = canvas.at(box)[1] * trunk.swing
        height = (height - height.mean()) / 25.0
        hu[lumen] = (trunk.hu("bowel_content") + 20.0 * noise)[lumen]
        hu[lumen & (noise + 1.2 * height > draw.uniform(0.4, 1.8))] = -900.0
    elif group == "liver":
        hu[where] = trunk.liver_hu()
    elif group == "trachea":
        hu[where] = -990.0
    elif group == "cartilage":
        hu[where] = 95.0
    elif group in _MUSCLES or group not in _TISSUES:
        hu[where] = trunk.hu("muscle") - 4.0
    else:
        hu[where] = trunk.hu(*_TISSUES[group])
        if group == "kidney":
            hu[where & (distance < -7.0)] = trunk.hu("kidney_medulla", "kidney")
        if group == "pancreas" and trunk.plan.has("pancreatic_steatosis"):
            hu[where] -= 42.0
