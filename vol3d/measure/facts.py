"""The facts of a case: one record, measured from masks, that questions and report text share.

Every value has an id, its path in the record (``organs.liver.volume_cm3``), by which a sentence or
an answer names its evidence; :func:`fact_value` reads a value back by its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from vol3d.errors import DataError, explain
from vol3d.volume import Modality, Unit

Side = Literal["left", "right"]
Attenuation = Literal["hypoattenuating", "isoattenuating", "hyperattenuating"]
Phase = Literal["unenhanced", "arterial", "venous", "delayed"]
MaskSource = Literal["annotator", "segmenter", "own_head", "phantom", "unknown"]
Profile = Literal["native", "radgpt"]
OrganStatus = Literal["whole", "truncated", "absent", "not_seen"]
TStage = Literal["T1", "T2", "T3", "T4"]
Resectability = Literal["resectable", "borderline resectable", "unresectable"]
SpleenGrade = Literal["normal", "mild", "moderate", "severe"]
SteatosisGrade = Literal[0, 1, 2, 3]
Clustering = Literal["highly clustered", "somewhat clustered", "widely distributed"]
KidneyBurden = Literal["left", "right", "symmetric"]
PointRAS = tuple[float, float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def rounded(self) -> Self:
        """The same facts with every number to ten significant digits.

        Processors sum in different orders, and the last digits differ. Rules and files read what
        is left, so that both are the same everywhere.
        """
        return self.model_copy(update={name: _rounded(value) for name, value in self})


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, _Frozen):
        return value.rounded()
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_rounded(each) for each in value)
    return value


class PhaseFacts(_Frozen):
    """Contrast phase of a CT and how it is known; ``value`` is ``None`` where it is not."""

    value: Phase | None = None
    source: Literal["declared", "header", "estimated", "unknown"] = "unknown"
    reason: str = ""


class ScanFacts(_Frozen):
    """What the measurements rest on; holds no name, date or identifier."""

    modality: Modality
    unit: Unit
    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    phase: PhaseFacts = PhaseFacts()
    kvp: float | None = None
    sex: Literal["F", "M"] | None = None
    age_years: float | None = None
    regions: tuple[str, ...] = ()


class OrganFacts(_Frozen):
    """What a mask says about one structure: an organ, a vessel, or a part such as a segment.

    ``status`` keeps three things apart: ``truncated`` (cut off by the field of view: the volume is
    a lower bound), ``absent`` (the mask could have shown it, its place lies in the scan, and it is
    not there) and ``not_seen`` (the same, but the scan does not settle whether it exists). A
    structure that no mask could have shown is not in ``CaseFacts.organs`` at all. ``volume_cm3``
    includes the structure's lesions; the intensities leave them out.
    """

    key: str = Field(description="Structure key of vol3d.anatomy, such as kidney_left.")
    status: OrganStatus
    volume_cm3: float = Field(ge=0)
    mean_intensity: float | None = Field(default=None, description="In scan.unit.")
    std_intensity: float | None = Field(default=None, description="In scan.unit.")
    centroid_ras_mm: PointRAS | None = None
    num_voxels: int | None = Field(default=None, description="Of the mask, on the scan's grid.")
    box_zyx: tuple[int, int, int, int, int, int] | None = Field(
        default=None, description="First z, y, x and last z, y, x of the mask, counted from 0."
    )

    @property
    def is_measured(self) -> bool:
        """Whether some of it is in the scan."""
        return self.status in ("whole", "truncated")


class Contact(_Frozen):
    """How near a structure lies to a lesion.

    ``gap_mm`` is the least distance between the two surfaces (0 where they touch or overlap);
    ``near_voxels`` counts the structure's voxels within ``contact.reach_mm`` of the lesion.
    """

    structure: str
    gap_mm: float = Field(ge=0)
    near_voxels: int = Field(ge=0)


class LesionFacts(_Frozen):
    """What a mask says about one lesion (one 26-connected component).

    ``id`` is the organ and the lesion's rank by volume in it, such as ``liver-1``. ``segments``
    are the parts that hold more than a tenth of the lesion, in ascending order: liver ``1`` to
    ``8``, pancreas ``head``, ``body``, ``tail``, kidney ``left``, ``right``, lung and brain lobes.
    ``vessel_angles_deg`` is the share of each vessel's wall that the tumour touches, 0 to 360.
    """

    id: str
    organ: str = Field(description="Parent organ key without side: liver, kidney, lung, brain ...")
    side: Side | None = None
    type: str = Field(description="Lesion type key of vol3d.anatomy: lesion, tumor, cyst, pdac ...")
    volume_cm3: float = Field(gt=0)
    longest_axial_diameter_mm: float = Field(gt=0)
    perpendicular_diameter_mm: float = Field(gt=0)
    feret_3d_mm: float = Field(gt=0)
    slice_index: int = Field(ge=0, description="0-based from inferior, of the longest diameter.")
    slice_percent: float = Field(ge=0, le=100, description="100 * slice_index / (slices - 1).")
    mean_intensity: float
    std_intensity: float = Field(ge=0)
    attenuation: Attenuation | None = Field(default=None, description="CT in HU only.")
    centroid_ras_mm: PointRAS
    is_truncated: bool = False
    segments: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = Field(default=(), description="Nearest first.")
    vessel_angles_deg: dict[str, float] = {}


class Gate(_Frozen):
    """Why a rule may not speak about this case."""

    rule: str
    reason: str


class DerivedFacts(_Frozen):
    """What follows from organs and lesions by the rules of ``vol3d.measure.rules``.

    ``None``, or a key that is not there, means that the facts do not settle it; where a rule was
    kept from speaking, ``gates`` says why. Percentages and ratios are not rounded.
    """

    liver_spleen_ratio: float | None = None
    pancreas_spleen_ratio: float | None = None
    total_kidney_volume_cm3: float | None = None
    burden_percent: dict[str, float] = Field(
        default={}, description="By organ (kidney: both): lesion volume / organ volume * 100."
    )
    lesion_volume_cm3: dict[str, float] = Field(default={}, description="Total by organ.")
    lesion_counts: dict[str, dict[str, int]] = Field(
        default={}, description="By organ, then by type; 'any' counts all types."
    )
    counts_by_segment: dict[str, dict[str, int]] = {}
    is_enlarged: dict[str, bool] = {}
    spleen_grade: SpleenGrade | None = None
    is_fatty_liver: bool | None = None
    steatosis_grade: SteatosisGrade | None = None
    is_fatty_pancreas: bool | None = None
    is_portal_hypertension: bool | None = None
    is_outlier: dict[str, bool] = Field(
        default={}, description="By organ: one lesion is far larger than all others."
    )
    liver_clustering: Clustering | None = None
    kidney_burden: KidneyBurden | None = None
    t_stage: TStage | None = None
    resectability: Resectability | None = None
    gates: tuple[Gate, ...] = ()


class ChestFacts(_Frozen):
    """Measurements of a chest CT; ``None`` where the masks or the scan do not allow them."""

    lung_volume_cm3: float | None = None
    emphysema_index_percent: float | None = Field(
        default=None, description="Lung voxels below -950 HU / lung voxels * 100."
    )
    cardiothoracic_ratio: float | None = None
    abnormalities: dict[str, bool] = Field(
        default={}, description="CT-RATE abnormality words that the facts settle."
    )


class BrainFacts(_Frozen):
    """Measurements of a brain MR or CT."""

    midline_shift_mm: float | None = Field(
        default=None, description="Positive towards the patient's right."
    )
    has_mass_effect: bool | None = None


class Provenance(_Frozen):
    """Where the masks came from and by what conventions they were measured."""

    mask_source: MaskSource = "unknown"
    mask_tool: str | None = Field(default=None, description="Label scheme or tool and version.")
    profile: Profile = "native"
    vol3d_version: str
    rules_sha256: str = Field(description="Of the table of thresholds.")


class CaseFacts(_Frozen):
    """Everything measured on one scan and its masks.

    ``annotated`` names the lesion types that were looked for, by organ (without side): only for
    these is "no lesion" a statement and not a gap. ``lesion`` stands for a mask of lesions of any
    type.
    """

    schema_version: Literal[1] = 1
    case_id: str = Field(default="case", description="The user's own; never a patient's id.")
    scan: ScanFacts
    organs: dict[str, OrganFacts]
    lesions: tuple[LesionFacts, ...] = ()
    annotated: dict[str, tuple[str, ...]] = {}
    derived: DerivedFacts = DerivedFacts()
    chest: ChestFacts | None = None
    brain: BrainFacts | None = None
    provenance: Provenance

    def organ(self, key: str) -> OrganFacts | None:
        """The organ if some of it is in the scan, else ``None``."""
        found = self.organs.get(key)
        return found if found is not None and found.is_measured else None

    def whole_organ(self, key: str) -> OrganFacts | None:
        """The organ if all of it is in the scan, else ``None``."""
        found = self.organs.get(key)
        return found if found is not None and found.status == "whole" else None

    def lesions_of(
        self, organ: str, lesion_type: str | None = None, *, side: Side | None = None
    ) -> tuple[LesionFacts, ...]:
        """Lesions of an organ, largest volume first.

        Args:
            organ: Without side, such as ``kidney``.
            lesion_type: Only this type; all types if ``None``.
            side: Only this side of a paired organ.
        """
        own = (
            lesion
            for lesion in self.lesions
            if lesion.organ == organ
            and lesion_type in (None, lesion.type)
            and side in (None, lesion.side)
        )
        return tuple(sorted(own, key=lambda lesion: (-lesion.volume_cm3, lesion.id)))


def fact_value(facts: CaseFacts, fact_id: str) -> Any:
    """The value of a fact by its id.

    Args:
        facts: The record.
        fact_id: Path of keys with dots, such as ``organs.liver.volume_cm3``,
            ``lesions.liver-1.type`` or ``derived.lesion_counts.kidney.cyst``.

    Raises:
        DataError: The record holds no such value.
    """
    value: Any = facts
    for key in fact_id.split("."):
        if isinstance(value, BaseModel) and key in type(value).model_fields:
            value = getattr(value, key)
        elif isinstance(value, dict) and key in value:
            value = value[key]
        elif value is facts.lesions:
            value = next((lesion for lesion in facts.lesions if lesion.id == key), None)
        else:
            value = None
        if value is None:
            raise DataError(
                explain(
                    expected="the path of a value in the facts, such as organs.liver.volume_cm3",
                    got=fact_id,
                    where=f"case {facts.case_id}",
                    remedy="Use an id that the report or the facts themselves give.",
                )
            )
    return value
