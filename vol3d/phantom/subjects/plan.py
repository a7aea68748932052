"""What a subject is and how the scanner sees it, drawn before any voxel exists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from vol3d.errors import ConfigError, explain
from vol3d.phantom.plan import Draw, Range
from vol3d.phantom.subjects.tissues import PHASES, Phase

Region = Literal["abdomen", "chest", "head"]
Pathology = Literal[
    "splenomegaly",
    "hepatomegaly",
    "small_liver",
    "steatosis",
    "pancreatic_steatosis",
    "no_kidney_left",
    "no_kidney_right",
    "small_kidney_left",
    "small_kidney_right",
    "large_kidney_left",
    "large_kidney_right",
    "dilated_ducts",
    "ascites",
    "cholecystectomy",
    "effusion_left",
    "effusion_right",
    "emphysema",
    "cardiomegaly",
    "consolidation",
    "midline_shift",
]
Kernel = Literal["soft", "standard", "sharp"]

NORMAL_CM3: Mapping[str, Range] = {
    "liver": (1100.0, 1900.0),
    "spleen": (110.0, 290.0),
    "pancreas": (45.0, 105.0),
    "kidney_left": (120.0, 200.0),
    "kidney_right": (115.0, 195.0),
    "gallbladder": (15.0, 55.0),
    "stomach": (140.0, 420.0),
    "urinary_bladder": (60.0, 380.0),
}
"""Adult ranges that organs without a pathology are drawn from, cm3.

Source: CT volumetry of adults (liver 1.1-1.9 l, spleen below 300, pancreas 40-170 with a mean near
75, kidney 110-230 cm3); the limits of DeepTumorVQA's size rules lie outside.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionPlan:
    """One lesion to be made.

    Args:
        organ: Structure key of the organ with side: ``kidney_left``, ``lung_left``, ``brain``.
        kind: ``cyst``, ``tumor``, ``pdac``, ``pnet``, ``lesion``, ``nodule``, ``metastasis``.
        diameter_mm: Intended longest diameter.
        part: Part of the organ, such as ``pancreas_head``; anywhere if ``None``.
        vessel: A vessel that it touches.
        vessel_angle_deg: How much of the vessel's wall it touches, 0 to 360.
        character: How it looks inside.
    """

    organ: str
    kind: str
    diameter_mm: float
    part: str | None = None
    vessel: str | None = None
    vessel_angle_deg: float = 0.0
    character: Literal["plain", "rim", "necrotic", "hypervascular", "fatty", "dense"] = "plain"


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectConfig:
    """What may be drawn; what is ``None`` is drawn at random.

    Args:
        region: Part of the body.
        modality: ``CT``, or ``MR`` with random contrasts.
        shape_zyx: Number of voxels; with it the field of view decides the spacing.
        in_plane_spacing_mm: Range of voxel sizes along y and x, where no shape is given.
        slice_spacing_mm: Range of voxel sizes along z, where no shape is given.
        phase: Contrast phase.
        pathologies: Exactly these.
        pathology_probability: Of each kind of pathology, where they are drawn.
        likely: Pathologies that every second subject has.
        lesions: Exactly these.
        max_lesions: Of those drawn.
        is_prone: Position of the patient.
        is_cut: Whether the field of view cuts organs off along the body.
        max_tilt_deg: Largest angle by which the slices are tilted.
        noise_hu: Range of the standard deviation of the noise.
        artifact_probability: Of streaks of metal, of beam hardening, and of motion, each.
        is_distracted: Whether things that resemble lesions are added.

    Raises:
        ConfigError: A range is upside down, or a probability is none.
    """

    region: Region = "abdomen"
    modality: Literal["CT", "MR"] | None = None
    shape_zyx: tuple[int, int, int] | None = None
    in_plane_spacing_mm: Range = (0.6, 1.0)
    slice_spacing_mm: Range = (0.8, 5.0)
    phase: Phase | None = None
    pathologies: tuple[Pathology, ...] | None = None
    pathology_probability: float = 0.18
    likely: tuple[Pathology, ...] = ()
    lesions: tuple[LesionPlan, ...] | None = None
    max_lesions: int = 6
    is_prone: bool | None = None
    is_cut: bool | None = None
    max_tilt_deg: float = 8.0
    noise_hu: Range = (6.0, 24.0)
    artifact_probability: float = 0.12
    is_distracted: bool = True

    def __post_init__(self) -> None:
        ranges = ("in_plane_spacing_mm", "slice_spacing_mm", "noise_hu")
        shares = ("pathology_probability", "artifact_probability")
        wrong = [
            name for name in ranges if not 0 < getattr(self, name)[0] <= getattr(self, name)[1]
        ]
        wrong += [name for name in shares if not 0 <= getattr(self, name) <= 1]
        if wrong:
            raise ConfigError(
                explain(
                    expected="ranges (lower, upper) above 0 and probabilities within 0..1",
                    got=", ".join(f"{name} = {getattr(self, name)}" for name in wrong),
                    where="SubjectConfig",
                    remedy="Correct the configuration.",
                )
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Habitus:
    """The build of a person, in template mm unless said otherwise."""

    scale_xyz: tuple[float, float, float]
    fat_front_mm: float
    fat_side_mm: float
    fat_back_mm: float
    depth_mm: float = 0.0
    """How much deeper the cavity is than the template's (visceral fat)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanPlan:
    """How the scanner sees the subject."""

    kernel: Kernel
    noise_hu: float
    is_prone: bool
    is_feet_first: bool
    are_arms_down: bool
    tilt_deg: float
    metal: bool
    beam_hardening: bool
    motion: bool
    cut: Literal["top", "bottom"] | None
    slice_thickness_factor: float
    kvp: float

    @property
    def patient_position(self) -> str:
        """How the patient lies, in DICOM's words: ``HFS``, ``HFP``, ``FFS`` or ``FFP``."""
        return ("FF" if self.is_feet_first else "HF") + ("P" if self.is_prone else "S")


@dataclass(frozen=True, kw_only=True, slots=True)
class SubjectPlan:
    """Everything that is decided before painting."""

    seed: int
    region: Region
    modality: Literal["CT", "MR"]
    sex: Literal["F", "M"]
    age_years: int
    phase: Phase
    habitus: Habitus
    organ_cm3: Mapping[str, float]
    pathologies: tuple[Pathology, ...]
    lesions: tuple[LesionPlan, ...]
    scan: ScanPlan
    steatosis_grade: int = 0
    hu_shift: Mapping[str, float] = field(default_factory=dict)

    def has(self, pathology: Pathology) -> bool:
        """Whether the subject has a pathology."""
        return pathology in self.pathologies


def plan_subject(draw: Draw, config: SubjectConfig, seed: int) -> SubjectPlan:
    """The plan of one subject.

    Args:
        draw: Random numbers.
        config: What may be drawn.
        seed: Kept in the plan.
    """
    modality = config.modality or ("MR" if config.region == "head" else "CT")
    phase = config.phase or PHASES[(0, 0, 1, 2, 2, 2, 3)[draw.integer(7)]]
    sex: Literal["F", "M"] = "F" if draw.chance(0.5) else "M"
    age = round(draw.uniform(22.0, 88.0))
    pathologies = (
        _draw_pathologies(draw, config) if config.pathologies is None else config.pathologies
    )
    scan = _plan_scan(draw, config)
    grade = (1 + draw.integer(3)) * ("steatosis" in pathologies)
    volumes = _draw_volumes(draw, pathologies, sex)
    lesions = config.lesions
    if lesions is None:
        lesions = draw_lesions(draw, config, set(pathologies))
    return SubjectPlan(
        seed=seed,
        region=config.region,
        modality=modality,
        sex=sex,
        age_years=age,
        phase=phase,
        habitus=_draw_habitus(draw, sex),
        organ_cm3=volumes,
        pathologies=tuple(pathologies),
        lesions=lesions,
        scan=scan,
        steatosis_grade=grade,
        hu_shift={
            key: draw.uniform(-1.0, 1.0)
            for key in ("aorta", "portal", "liver", "spleen", "pancreas", "kidney", "other")
        },
    )


def _draw_habitus(draw: Draw, sex: str) -> Habitus:
    size = draw.uniform(0.92, 1.05) if sex == "F" else draw.uniform(0.97, 1.1)
    obesity = draw.uniform(0.0, 1.0) ** 1.5
    return Habitus(
        scale_xyz=(
            size * draw.uniform(0.97, 1.03),
            size * draw.uniform(0.97, 1.04),
            size * draw.uniform(0.96, 1.04),
        ),
        fat_front_mm=5.0 + 38.0 * obesity * draw.uniform(0.6, 1.2),
        fat_side_mm=5.0 + 32.0 * obesity * draw.uniform(0.6, 1.2),
        fat_back_mm=6.0 + 24.0 * obesity * draw.uniform(0.6, 1.2),
        depth_mm=-6.0 + 30.0 * obesity * draw.uniform(0.5, 1.1),
    )


def _draw_pathologies(draw: Draw, config: SubjectConfig) -> tuple[Pathology, ...]:
    found: list[Pathology] = []
    p = config.pathology_probability
    beyond: dict[str, tuple[tuple[Pathology, ...], ...]] = {
        "chest": (
            ("effusion_left", "effusion_right", "effusion_left"),
            ("emphysema",),
            ("cardiomegaly",),
            ("consolidation",),
        ),
        "head": (("midline_shift",),),
    }
    abdomen: tuple[tuple[Pathology, ...], ...] = (
        ("splenomegaly",),
        ("hepatomegaly", "small_liver"),
        ("steatosis",),
        ("pancreatic_steatosis",),
        (
            "no_kidney_left",
            "no_kidney_right",
            "small_kidney_left",
            "small_kidney_right",
            "large_kidney_left",
            "large_kidney_right",
        ),
        ("dilated_ducts",),
        ("ascites",),
        ("cholecystectomy",),
    )
    for group in beyond.get(config.region, abdomen):
        share = 0.5 if set(group) & set(config.likely) else p * (2.0 if len(group) > 2 else 1.0)
        is_there = draw.chance(min(1.0, share))
        chosen = group[draw.integer(len(group))]
        if is_there:
            found.append(chosen)
    if "small_liver" in found and "splenomegaly" not in found and draw.chance(0.5):
        found.append("splenomegaly")
    return tuple(found)


def _draw_volumes(draw: Draw, pathologies: tuple[Pathology, ...], sex: str) -> dict[str, float]:
    body = 0.93 if sex == "F" else 1.05
    found = {}
    for key, (low, high) in NORMAL_CM3.items():
        found[key] = min(max(draw.uniform(low, high) * body, low), high)
    extreme: dict[Pathology, tuple[str, Range]] = {
        "splenomegaly": ("spleen", (380.0, 1150.0)),
        "hepatomegaly": ("liver", (2050.0, 2700.0)),
        "small_liver": ("liver", (700.0, 1000.0)),
    }
    for side in ("left", "right"):
        key = f"kidney_{side}"
        extreme[cast(Pathology, f"no_{key}")] = (key, (0.0, 0.0))
        extreme[cast(Pathology, f"small_{key}")] = (key, (45.0, 85.0))
        extreme[cast(Pathology, f"large_{key}")] = (key, (235.0, 330.0))
    for pathology, (key, (low, high)) in extreme.items():
        value = draw.uniform(low, high)
        if pathology in pathologies:
            found[key] = value
    if "cholecystectomy" in pathologies:
        found["gallbladder"] = 0.0
    return found


def _plan_scan(draw: Draw, config: SubjectConfig) -> ScanPlan:
    kernels: tuple[Kernel, ...] = ("soft", "standard", "standard", "sharp")
    p = config.artifact_probability
    is_cut = draw.chance(0.15) if config.is_cut is None else config.is_cut
    is_prone = draw.chance(0.06) if config.is_prone is None else config.is_prone
    tilt = draw.uniform(-1.0, 1.0) * config.max_tilt_deg if draw.chance(0.25) else 0.0
    return ScanPlan(
        kernel=kernels[draw.integer(4)],
        noise_hu=draw.uniform(*config.noise_hu),
        is_prone=is_prone,
        is_feet_first=draw.chance(0.12),
        are_arms_down=config.region != "head" and draw.chance(0.12),
        tilt_deg=tilt,
        metal=draw.chance(p * 0.5),
        beam_hardening=draw.chance(p),
        motion=draw.chance(p * 0.5),
        cut=("top", "bottom")[draw.integer(2)] if is_cut else None,
        slice_thickness_factor=draw.uniform(1.0, 1.4),
        kvp=(100.0, 120.0, 120.0, 120.0)[draw.integer(4)],
    )


_ORGAN_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("liver", ("cyst", "tumor", "tumor", "lesion")),
    ("kidney", ("cyst", "tumor")),
    ("pancreas", ("pdac", "pnet", "cyst")),
    ("colon", ("tumor",)),
)
_PART_OF_PANCREAS = ("pancreas_head", "pancreas_body", "pancreas_tail")
_VESSELS = {
    "pancreas_head": ("superior_mesenteric_artery", "superior_mesenteric_vein"),
    "pancreas_body": ("celiac_trunk", "portal_vein_and_splenic_vein"),
    "pancreas_tail": ("portal_vein_and_splenic_vein",),
}


def draw_diameter_mm(draw: Draw, low_mm: float, high_mm: float) -> float:
    """A diameter whose logarithm is uniform: small lesions are the frequent ones."""
    return math.exp(draw.uniform(math.log(low_mm), math.log(high_mm)))


def draw_lesions(
    draw: Draw, config: SubjectConfig, pathologies: set[Pathology]
) -> tuple[LesionPlan, ...]:
    """Lesions of a subject: how many and of which kind does not depend on anything else."""
    count = draw.integer(config.max_lesions + 1)
    made: list[LesionPlan] = []
    if config.region == "chest":
        return tuple(_lung_nodule(draw) for _ in range(count))
    if config.region == "head":
        return tuple(_metastasis(draw) for _ in range(min(count, 5)))
    focus = draw.integer(len(_ORGAN_KINDS))  # one organ may have many
    for _ in range(count):
        place = focus if draw.chance(0.4) else draw.integer(len(_ORGAN_KINDS))
        organ, kinds = _ORGAN_KINDS[place]
        lesion = _abdominal_lesion(draw, organ, kinds[draw.integer(len(kinds))])
        is_second = lesion.organ in ("pancreas", "colon") and any(
            other.organ == lesion.organ and (organ == "colon" or other.kind == lesion.kind)
            for other in made
        )
        if f"no_{lesion.organ}" not in pathologies and not is_second:
            made.append(lesion)
    return tuple(made)


def _abdominal_lesion(draw: Draw, organ: str, kind: str) -> LesionPlan:
    side = ("_left", "_right")[draw.integer(2)]
    look = draw.uniform(0.0, 1.0)
    if organ == "kidney":
        high = 70.0 if kind == "tumor" else 60.0
        looks = {"cyst": ("plain", "plain", "dense"), "tumor": ("plain", "necrotic", "fatty")}[kind]
        chosen = looks[min(int(look * 3), 2)]
        return LesionPlan(
            organ=organ + side,
            kind=kind,
            diameter_mm=draw_diameter_mm(draw, 6.0, high),
            character=chosen,  # type: ignore[arg-type]
        )
    if organ == "pancreas":
        part = _PART_OF_PANCREAS[draw.integer(3)]
        vessel, angle = None, 0.0
        if kind == "pdac" and draw.chance(0.75):
            vessel = _VESSELS[part][draw.integer(len(_VESSELS[part]))]
            angle = (60.0, 120.0, 200.0, 300.0)[draw.integer(4)] + draw.uniform(-25.0, 25.0)
        high = {"pdac": 60.0, "pnet": 45.0, "cyst": 55.0}[kind]
        return LesionPlan(
            organ="pancreas",
            kind=kind,
            diameter_mm=draw_diameter_mm(draw, 10.0, high),
            part=part,
            vessel=vessel,
            vessel_angle_deg=angle,
            character="dense" if kind == "cyst" and look < 0.5 else "plain",
        )
    if organ == "colon":
        return LesionPlan(
            organ="colon", kind="tumor", diameter_mm=draw_diameter_mm(draw, 18.0, 70.0)
        )
    character = "plain"
    if kind != "cyst":
        character = ("plain", "rim", "necrotic", "hypervascular")[min(int(look * 4), 3)]
    return LesionPlan(
        organ="liver",
        kind=kind,
        diameter_mm=draw_diameter_mm(draw, 5.0, 120.0),
        character=character,  # type: ignore[arg-type]
    )


def _lung_nodule(draw: Draw) -> LesionPlan:
    side = ("left", "right")[draw.integer(2)]
    return LesionPlan(
        organ=f"lung_{side}", kind="nodule", diameter_mm=draw_diameter_mm(draw, 3.5, 32.0)
    )


def _metastasis(draw: Draw) -> LesionPlan:
    character = ("plain", "rim")[draw.integer(2)]
    return LesionPlan(
        organ="brain",
        kind="metastasis",
        diameter_mm=draw_diameter_mm(draw, 5.0, 45.0),
        character=character,  # type: ignore[arg-type]
    )
