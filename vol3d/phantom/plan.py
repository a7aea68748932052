"""What a phantom will show, drawn before any voxel exists: cheap, and balanced by design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from vol3d.errors import ConfigError, explain
from vol3d.phantom.labels import LESION_ORGANS, Organ

Attenuation = Literal["hypoattenuating", "hyperattenuating"]
Range = tuple[float, float]
_KIDNEYS = (Organ.KIDNEY_LEFT, Organ.KIDNEY_RIGHT)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomConfig:
    """How phantoms are drawn; the defaults make every question type nearly balanced.

    Args:
        in_plane_spacing_mm: Range of the voxel size along y and x.
        slice_spacing_mm: Range of the voxel size along z.
        z_extent_mm: Range of the scan's length from feet to head.
        field_of_view_mm: Range of the width of the (square) slices.
        warp_mm: Standard deviation of the smooth random displacement of the anatomy.
        noise_hu: Range of the standard deviation of the voxel noise.
        contrast_probability: Share of portal venous cases; the others are native.
        missing_kidney_probability: Share of cases without the left kidney, and again without the
            right one; never both.
        enlarged_spleen_probability: Share of cases with splenomegaly.
        normal_spleen_cm3: Range of a normal spleen's volume.
        enlarged_spleen_cm3: Range of an enlarged spleen's volume.
        max_lesions: Lesions per case are uniform over 0..max_lesions.
        lesion_size_classes_mm: Ranges of the longest axial diameter, small to large; the class of
            a case's largest lesion is uniform.
        hypo_hu: Range by which a hypoattenuating lesion lies below its organ (as a negative shift).
        hyper_hu: Range by which a hyperattenuating lesion lies above its organ.

    Raises:
        ConfigError: A range is not (lower, upper), or probabilities leave no room.
    """

    in_plane_spacing_mm: Range = (2.5, 4.0)
    slice_spacing_mm: Range = (3.0, 6.0)
    z_extent_mm: Range = (240.0, 380.0)
    field_of_view_mm: Range = (340.0, 460.0)
    warp_mm: float = 4.0
    noise_hu: Range = (6.0, 22.0)
    contrast_probability: float = 0.6
    missing_kidney_probability: float = 0.3
    enlarged_spleen_probability: float = 0.5
    normal_spleen_cm3: Range = (110.0, 270.0)
    enlarged_spleen_cm3: Range = (500.0, 950.0)
    max_lesions: int = 3
    lesion_size_classes_mm: tuple[Range, ...] = ((14.0, 21.5), (29.0, 41.5), (52.0, 72.0))
    hypo_hu: Range = (-95.0, -50.0)
    hyper_hu: Range = (50.0, 110.0)

    def __post_init__(self) -> None:
        ranges = {
            name: value
            for name in self.__dataclass_fields__
            if isinstance(value := getattr(self, name), tuple) and isinstance(value[0], float)
        }
        ranges |= {
            f"lesion_size_classes_mm[{i}]": r for i, r in enumerate(self.lesion_size_classes_mm)
        }
        wrong = {name: value for name, value in ranges.items() if not value[0] <= value[1]}
        if wrong or not 0 <= 2 * self.missing_kidney_probability <= 1 or self.max_lesions < 0:
            raise ConfigError(
                explain(
                    expected="ranges as (lower, upper), missing_kidney_probability within 0..0.5 "
                    "and max_lesions >= 0",
                    got=str(wrong or (self.missing_kidney_probability, self.max_lesions)),
                    where="PhantomConfig",
                    remedy="Correct the phantom section of the configuration.",
                )
            )


class Draw:
    """Random scalars from one seeded CPU generator, the same on every machine and thread count."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator(device="cpu").manual_seed(seed)

    def uniform(self, lower: float, upper: float) -> float:
        """A number between ``lower`` and ``upper``."""
        share = float(torch.rand((), generator=self.generator, dtype=torch.float64))
        return lower + (upper - lower) * share

    def integer(self, count: int) -> int:
        """An integer in 0..count-1."""
        return int(torch.randint(count, (), generator=self.generator))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform(0.0, 1.0) < probability


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionPlan:
    """One lesion to be placed: where, how large (longest axial diameter) and its shift in HU."""

    organ: Organ
    diameter_mm: float
    shift_hu: float

    @property
    def attenuation(self) -> Attenuation:
        """Whether the lesion is darker or brighter than its organ."""
        return "hypoattenuating" if self.shift_hu < 0 else "hyperattenuating"


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePlan:
    """Everything about a case that questions ask for; lesions run from largest to smallest."""

    is_contrast_given: bool
    missing_kidney: Organ | None
    spleen_cm3: float
    lesions: tuple[LesionPlan, ...]


def plan_case(draw: Draw, config: PhantomConfig) -> CasePlan:
    """The plan of one case; each property is drawn independently of the others where it can be."""
    is_contrast_given = draw.chance(config.contrast_probability)
    share, p = draw.uniform(0.0, 1.0), config.missing_kidney_probability
    missing = Organ.KIDNEY_LEFT if share < p else Organ.KIDNEY_RIGHT if share < 2 * p else None
    is_enlarged = draw.chance(config.enlarged_spleen_probability)
    spleen = config.enlarged_spleen_cm3 if is_enlarged else config.normal_spleen_cm3
    return CasePlan(
        is_contrast_given=is_contrast_given,
        missing_kidney=missing,
        spleen_cm3=draw.uniform(*spleen),
        lesions=_plan_lesions(draw, config, missing),
    )


def _plan_lesions(
    draw: Draw, config: PhantomConfig, missing: Organ | None
) -> tuple[LesionPlan, ...]:
    # a kidney is there in 70 % of cases only: with one ticket more each organ is equally frequent
    tickets = [
        organ
        for organ in LESION_ORGANS
        for _ in range(3 if organ in _KIDNEYS else 2)
        if organ != missing
    ]
    classes = config.lesion_size_classes_mm
    largest_class = draw.integer(len(classes))
    lesions: list[LesionPlan] = []
    for index in range(draw.integer(config.max_lesions + 1)):
        size_class = largest_class if index == 0 else draw.integer(largest_class + 1)
        diameter = draw.uniform(*classes[size_class])
        if lesions:  # the largest lesion stays the largest by a margin that can be seen
            diameter = max(min(diameter, 0.8 * lesions[0].diameter_mm), classes[0][0])
        shift = config.hypo_hu if draw.chance(0.5) else config.hyper_hu
        organ = tickets[draw.integer(len(tickets))]
        lesions.append(LesionPlan(organ=organ, diameter_mm=diameter, shift_hu=draw.uniform(*shift)))
    return tuple(lesions)
