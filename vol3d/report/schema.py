"""The published form of a report, an answer and a run manifest.

Every record is frozen and refuses unknown fields; ``model_json_schema()`` of the three top-level
records is what ``vol3d config schema`` prints.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

DISCLAIMER = "Research use only, not for clinical use."
NOTHING_MEASURED = "No masks were given, so nothing was measured."
SCHEMA_VERSION: Literal[1] = 1

Triple = tuple[float, float, float]
IntTriple = tuple[int, int, int]
Row = tuple[float, float, float, float]
Affine = tuple[Row, Row, Row, Row]
Scalar = bool | int | float | str | None
RefusedKind = Literal["question", "scan", "model"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StoredGeometry(_Record):
    """The geometry exactly as the file stores it; triples run along the file's i, j, k."""

    shape_ijk: IntTriple = Field(description="Voxels along i, j, k (DICOM: column, row, slice).")
    spacing_mm: Triple = Field(description="Length of one step along i, j, k, in mm.")
    axcodes: str = Field(description="Closest patient directions of i, j, k, such as LPS.")
    affine_ras: Affine = Field(description="4x4 from (i, j, k, 1) to RAS+ mm.")
    voxel_volume_mm3: float = Field(description="Absolute determinant of the affine, in mm3.")
    extent_mm: Triple = Field(description="Shape times spacing along i, j, k, in mm.")
    stored_dtype: str = Field(description="Number type in the file.")


class AnalysedGeometry(_Record):
    """The same voxels with axes turned to S, A, R; triples run along the array's z, y, x."""

    shape_zyx: IntTriple
    spacing_zyx_mm: Triple
    extent_zyx_mm: Triple
    axcodes_xyz: str = Field(description="Directions of x, y, z; always RAS.")
    affine_ras: Affine = Field(description="4x4 from (x, y, z, 1) to RAS+ mm.")


class Region(_Record):
    """The part of the body in the field of view, estimated from the voxels."""

    names: tuple[str, ...] = Field(description="Estimated regions, head first; may be empty.")
    is_abdomen: bool = Field(description="Whether the abdomen is in the field of view.")
    length_mm: dict[str, float] = Field(description="Length along the body of each slice label.")
    reasons: tuple[str, ...] = Field(description="Sentences: what the estimate rests on.")


class Intensity(_Record):
    """Intensities of the scan, in ``Scan.unit``."""

    minimum: float = Field(description="Lowest value of the whole scan.")
    maximum: float = Field(description="Highest value of the whole scan.")
    body_mean: float | None = Field(description="Mean inside the body; null without a body.")
    body_standard_deviation: float | None
    body_volume_cm3: float = Field(description="Voxels of the body mask times the voxel volume.")


class Note(_Record):
    """Something the reader must know: what was found and what was done about it."""

    code: str = Field(description="Stable machine-readable name, such as gantry_tilt.")
    message: str


class Quality(_Record):
    """What limits the picture itself."""

    facts: dict[str, Scalar | tuple[str, ...]] = Field(description="Measured values, by name.")
    sentences: tuple[str, ...] = Field(description="The facts that matter to a reader.")


class Scan(_Record):
    """The scan as it was read; independent of any model."""

    stored: StoredGeometry
    analysed: AnalysedGeometry
    modality: Literal["CT", "MR", "unknown"]
    unit: Literal["HU", "arbitrary"]
    region: Region
    acquisition: dict[str, Scalar] = Field(
        description="Header facts without names, ids, dates or free text; only those given."
    )
    intensity: Intensity
    quality: Quality
    notes: tuple[Note, ...] = Field(description="What the geometry gate and preparation found.")


class Measured(_Record):
    """One value measured on a mask that the user gave."""

    structure: str
    quantity: str
    value: float
    unit: str


class Candidate(_Record):
    """One sentence of the model; not validated on real scans."""

    sentence: str


class Candidates(_Record):
    """The model's own findings, or why they are not shown."""

    heading: str = Field(description="Names what the model was trained on.")
    status: Literal["listed", "withheld"]
    withheld_reason: str | None = Field(description="Null exactly when status is listed.")
    items: tuple[Candidate, ...] = ()

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        is_withheld = self.status == "withheld"
        if is_withheld != bool(self.withheld_reason) or (is_withheld and self.items):
            raise ValueError("withheld candidates have a reason and no items; listed have none")
        return self


class ModelInfo(_Record):
    """Which model ran, and what it may claim."""

    name: str
    weights_sha256: str
    spec_sha256: str = Field(description="Hash of the preprocessing spec.")
    trained_on: str
    validated: tuple[str, ...] = Field(
        description="Modality, region and finding types validated on real data; may be empty."
    )


class Section(_Record):
    """One heading of the report's text with its sentences."""

    heading: str
    sentences: tuple[str, ...]


class Report(_Record):
    """A checkable report on one scan. Research use only, not for clinical use."""

    schema_version: Literal[1] = SCHEMA_VERSION
    disclaimer: str = DISCLAIMER
    scan: Scan
    measured: tuple[Measured, ...] = ()
    measured_note: str | None = NOTHING_MEASURED
    candidates: Candidates
    model: ModelInfo
    sections: tuple[Section, ...] = Field(description="The text of the report, in order.")

    @property
    def text(self) -> str:
        """The sections as plain text, one sentence per line, without the disclaimer."""
        blocks = [
            "\n".join((s.heading, *(f"  {line}" for line in s.sentences))) for s in self.sections
        ]
        return "\n\n".join(blocks)


class Answer(_Record):
    """An answer to one question, or the reason why there is none."""

    schema_version: Literal[1] = SCHEMA_VERSION
    disclaimer: str = DISCLAIMER
    status: Literal["unvalidated"] = "unvalidated"
    question: str
    text: str | None = Field(description="The answer; null when the question was refused.")
    refused: RefusedKind | None = Field(
        default=None, description="What the refusal is about; null exactly when text is not."
    )
    refused_reason: str | None = Field(default=None, description="The refusal as a sentence.")
    choices: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = Field(
        default=(), description="One per choice, of the model, not calibrated on real scans."
    )
    model: ModelInfo

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        is_refused = self.text is None
        if is_refused != (self.refused is not None) or is_refused != bool(self.refused_reason):
            raise ValueError("an answer has either a text or a reason for its refusal")
        return self


class RunManifest(_Record):
    """How a result was made; holds hashes, never a path or a file name."""

    schema_version: Literal[1] = SCHEMA_VERSION
    disclaimer: str = DISCLAIMER
    versions: dict[str, str] = Field(description="python, vol3d, torch, transformers, monai, ...")
    weights_sha256: str
    spec_sha256: str
    series_uid_sha256: str | None = Field(description="Null when the file has no series UID.")
    input_sha256: str = Field(description="Of the canonical voxels and their affine.")
    seed: int | None = Field(description="Null for greedy decoding: no randomness, no seed.")
    device: str
    num_threads: int
    seconds_per_stage: dict[str, float]
    peak_memory_mb: float = Field(
        description="Largest resident set of the process until the record was written."
    )
    warnings: tuple[str, ...] = Field(description="Codes of all notes, in order of appearance.")
