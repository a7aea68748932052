"""Facts of single lesions: size, place, intensity, and what they touch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vol3d.anatomy import group_members, structure, threshold
from vol3d.measure.body import midline_x_mm
from vol3d.measure.case_masks import CaseMasks
from vol3d.measure.diameters import axial_diameters, feret_3d_mm
from vol3d.measure.facts import Attenuation, Contact, LesionFacts, PointRAS, Profile, Side
from vol3d.measure.instances import BoolArray, Box, Instance, cut_grid, in_box, padded_box
from vol3d.measure.neighbours import lesion_contacts, lesion_segments, structure_in_box
from vol3d.measure.radgpt import radgpt_size, volume_factor
from vol3d.volume import Grid, Volume

UNKNOWN_ORGAN = "unspecified"
"""Organ of a lesion that lies in no masked organ and whose mask does not name one."""
SOLID_ORGANS = ("liver", "spleen", "pancreas", "kidney", "adrenal_gland")
"""Organs with whose tissue a lesion is compared."""
VESSELS = (
    "superior_mesenteric_artery",
    "celiac_trunk",
    "common_hepatic_artery",
    "splenic_artery",
    "aorta",
    "portal_vein_and_splenic_vein",
    "portal_vein",
    "superior_mesenteric_vein",
    "splenic_vein",
    "inferior_vena_cava",
)
VESSEL_MARGIN_MM = 60.0

MeanStd = Callable[[str], tuple[float, float] | None]


@dataclass(kw_only=True)
class LesionMeasurer:
    """Measures the lesions of one case.

    Args:
        volume: The scan.
        masks: Its masks.
        profile: Conventions of sizes.
        healthy: Mean and standard deviation of a structure without its lesions.
    """

    volume: Volume
    masks: CaseMasks
    profile: Profile
    healthy: MeanStd
    voxels_outside_organs: dict[str, int] = field(default_factory=dict)
    """Lesion voxels that their organ's mask leaves out, by structure key; after ``measure``."""

    @property
    def grid(self) -> Grid:
        """The scan's grid."""
        return self.volume.grid

    @cached_property
    def midline_mm(self) -> float | None:
        """World x of the middle of the body."""
        return midline_x_mm(self.volume)

    def measure(self, instances: Iterable[Instance]) -> tuple[LesionFacts, ...]:
        """Facts of all lesions: organ by organ, largest first."""
        placed = [(self._organ(each), each) for each in instances]
        order = sorted(range(len(placed)), key=lambda i: (-placed[i][1].num_voxels, i))
        ranks: dict[str, int] = {}
        found = []
        for index in order:
            organ, instance = placed[index]
            ranks[organ] = ranks.get(organ, 0) + 1
            same = [other for its, other in placed if its == organ]
            found.append(self._lesion(f"{organ}-{ranks[organ]}", organ, instance, same))
        return tuple(sorted(found, key=lambda lesion: (lesion.organ, -lesion.volume_cm3)))

    def _organ(self, instance: Instance) -> str:
        """The mask's own organ, else the masked organ that holds most of the lesion."""
        if instance.mask.organ is not None:
            return instance.mask.organ
        best, most = UNKNOWN_ORGAN, instance.num_voxels // 2
        for key in self.masks.structures:
            if structure(key).kind != "organ":
                continue
            inside = structure_in_box(key, self.masks, instance.box) & instance.inside_zyx
            if (count := int(np.count_nonzero(inside))) > most:
                best, most = structure(key).group, count
        return best

    def _lesion(
        self, lesion_id: str, organ: str, instance: Instance, same_organ: list[Instance]
    ) -> LesionFacts:
        zyx = instance.voxels_zyx
        values = self.volume.voxels_zyx[instance.box][instance.inside_zyx].astype(np.float64)
        centroid = self._world(zyx.mean(axis=0))
        side = self._side(instance, organ, centroid)
        key = organ if side is None else f"{organ}_{side}"
        self._count_outside(instance, key)
        mean, std = float(values.mean()), float(values.std())
        volume_cm3 = len(zyx) * self.grid.voxel_volume_mm3 / 1000.0
        longest, across, index = self._size(instance)
        slices = self.grid.shape_zyx[0]
        contacts = lesion_contacts(instance, organ, self.masks, self.grid)
        segments = lesion_segments(instance, organ, self.masks)
        return LesionFacts(
            id=lesion_id,
            organ=organ,
            side=side,
            type=instance.mask.type,
            volume_cm3=volume_cm3 * self._factor,
            longest_axial_diameter_mm=longest,
            perpendicular_diameter_mm=across,
            feret_3d_mm=feret_3d_mm(zyx, self.grid),
            slice_index=index,
            slice_percent=100.0 * index / (slices - 1) if slices > 1 else 0.0,
            mean_intensity=mean,
            std_intensity=std,
            attenuation=self._attenuation(mean, organ, key),
            centroid_ras_mm=centroid,
            is_truncated=self._is_truncated(instance.box),
            segments=segments or ((side,) if organ == "kidney" and side else ()),
            contacts=contacts,
            vessel_angles_deg=self._angles(instance, organ, contacts, same_organ),
        )

    @cached_property
    def _factor(self) -> float:
        return volume_factor(self.grid) if self.profile == "radgpt" else 1.0

    def _size(self, instance: Instance) -> tuple[float, float, int]:
        if self.profile == "radgpt":
            parity = radgpt_size(instance, self.grid)
            return parity.longest_mm, parity.perpendicular_mm, parity.slice_index
        found = axial_diameters(instance.voxels_zyx, self.grid)
        return found.longest_mm, found.perpendicular_mm, found.slice_index

    def _world(self, zyx: npt.ArrayLike) -> PointRAS:
        right, front, head = self.grid.index_to_world_mm(zyx).tolist()
        return right, front, head

    def _is_truncated(self, box: Box) -> bool:
        return any(
            each.start == 0 or each.stop == n
            for each, n in zip(box, self.grid.shape_zyx, strict=True)
        )

    def _side(self, instance: Instance, organ: str, centroid: PointRAS) -> Side | None:
        """The mask's own side, the side of the organ that holds it, or that of the midline."""
        members = group_members(organ)
        if len(members) == 1 or (not members and organ != UNKNOWN_ORGAN):
            if organ != "brain":
                return None
        elif instance.mask.side is not None:
            return instance.mask.side
        else:
            held = self._side_of_organ(instance, members)
            if held is not None:
                return held
        midline = self._organ_midline(organ)
        if midline is None:
            return None
        return "right" if centroid[0] > midline else "left"

    def _organ_midline(self, organ: str) -> float | None:
        """Middle of the brain's mask for lesions of the brain, of the body for all others."""
        if organ == "brain" and "brain" in self.masks.structures:
            at = self.masks.structures["brain"]
            columns = np.count_nonzero(self.masks.layers[at.layer] == at.label, axis=(0, 1))
            if columns.any():
                z, y, _ = (n / 2 for n in self.grid.shape_zyx)
                x = float(np.average(np.arange(len(columns)), weights=columns))
                return float(self.grid.index_to_world_mm((z, y, x))[0])
        return self.midline_mm

    def _side_of_organ(self, instance: Instance, members: tuple[str, ...]) -> Side | None:
        """The side of the pair that touches more of the lesion."""
        box = padded_box(instance.box, self.grid, max(self.grid.spacing_zyx_mm))
        inside = in_box(instance, box)
        near = _grown(inside)
        counts = {}
        for key in members:
            if key in self.masks.structures:
                own = structure_in_box(key, self.masks, box)
                held = int(np.count_nonzero(own & inside))
                counts[key] = held or int(np.count_nonzero(own & near))
        best = max(counts, key=lambda key: counts[key], default=None)
        return None if best is None or not counts[best] else structure(best).side

    def _count_outside(self, instance: Instance, key: str) -> None:
        if key not in self.masks.structures:
            return
        own = structure_in_box(key, self.masks, instance.box)
        outside = int(np.count_nonzero(instance.inside_zyx & ~own))
        self.voxels_outside_organs[key] = self.voxels_outside_organs.get(key, 0) + outside

    def _attenuation(self, mean: float, organ: str, key: str) -> Attenuation | None:
        is_compared = organ in SOLID_ORGANS or (organ == "colon" and self.profile == "radgpt")
        healthy = self.healthy(key) if is_compared and self.volume.unit == "HU" else None
        if healthy is None:
            return None
        difference = mean - healthy[0]
        if abs(difference) < threshold("attenuation.std_share") * healthy[1]:
            return "isoattenuating"
        return "hypoattenuating" if difference < 0 else "hyperattenuating"

    def _angles(
        self,
        instance: Instance,
        organ: str,
        contacts: tuple[Contact, ...],
        same_organ: list[Instance],
    ) -> dict[str, float]:
        """Contact with vessels: of the pancreas' lesions always, of others where they touch."""
        from vol3d.measure.vessels import vessel_angles

        if instance.mask.type == "cyst":
            return {}
        touched = {each.structure for each in contacts if each.gap_mm == 0}
        near = {each.structure for each in contacts}
        masked = [
            vessel
            for vessel in VESSELS
            if vessel in self.masks.structures and self._has_voxels(vessel)
        ]
        asked = [v for v in masked if v in (near if self.profile == "radgpt" else touched)]
        if organ != "pancreas":
            asked = [v for v in asked if v in touched]
        angles = dict.fromkeys(masked if organ == "pancreas" else asked, 0.0)
        if not asked:
            return angles
        tumour = [instance]
        if self.profile == "radgpt" and organ == "pancreas":
            tumour = [each for each in same_organ if each.mask.type != "cyst"]
        box = padded_box(_union([each.box for each in tumour]), self.grid, VESSEL_MARGIN_MM)
        voxels = np.zeros([each.stop - each.start for each in box], dtype=bool)
        for each in tumour:
            voxels |= in_box(each, box)
        vessels = {v: structure_in_box(v, self.masks, box) for v in asked}
        part = cut_grid(self.grid, box)
        return angles | vessel_angles(voxels, vessels, part, profile=self.profile)

    def _has_voxels(self, key: str) -> bool:
        if key not in self._present:
            at = self.masks.structures[key]
            self._present[key] = bool((self.masks.layers[at.layer] == at.label).any())
        return self._present[key]

    @cached_property
    def _present(self) -> dict[str, bool]:
        return {}


def _union(boxes: list[Box]) -> Box:
    z, y, x = (
        slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
        for axis in range(3)
    )
    return z, y, x


def _grown(inside: BoolArray) -> BoolArray:
    from scipy import ndimage

    grown: BoolArray = ndimage.binary_dilation(inside, np.ones((3, 3, 3), dtype=bool))
    return grown
