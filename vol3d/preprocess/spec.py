"""How a checkpoint wants its scans: the one record of what happens between file and encoder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from vol3d.errors import ConfigError, explain

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class PreprocessSpec:
    """Everything that turns a scan into model input; saved in the checkpoint, hashed into outputs.

    Volumes are always turned to S, A, R first. Nothing is ever resized to a fixed grid.

    Args:
        spacings_zyx_mm: Allowed voxel sizes (z, y, x), finest first; the first one whose kept
            patches fit ``max_patches`` is used.
        patch_zyx: Voxels of one patch along (z, y, x); volumes are padded to multiples of it.
        max_patches: Budget of patches kept after air is dropped.
        ct_windows_hu: One (lower, upper) pair per input channel, in HU.
        mr_percentiles: The same number of (lower, upper) percentiles of the foreground, for MR.
        is_body_cropped: Whether the volume is cropped to the body before resampling.
        body_margin_mm: What is left around the body by the crop.
        is_air_dropped: Whether patches that do not touch the dilated body mask are dropped.
        kept_fraction_range: Outside of this range of kept fractions nothing is dropped.
        pad_value_hu: HU written where padding adds voxels (MR: the volume's minimum).
        schema_version: Meaning of these fields; raised whenever a value would change its meaning.
    """

    spacings_zyx_mm: tuple[Triple, ...] = ((6.0, 6.0, 6.0),)
    patch_zyx: tuple[int, int, int] = (4, 4, 4)
    max_patches: int = 3000
    ct_windows_hu: tuple[tuple[float, float], ...] = (
        (-1000.0, 1000.0),
        (-160.0, 240.0),
        (0.0, 160.0),
    )
    mr_percentiles: tuple[tuple[float, float], ...] = ((0.5, 99.5), (5.0, 95.0), (25.0, 75.0))
    is_body_cropped: bool = True
    body_margin_mm: float = 12.0
    is_air_dropped: bool = True
    kept_fraction_range: tuple[float, float] = (0.05, 1.0)
    pad_value_hu: int = -1024
    schema_version: int = 1

    def __post_init__(self) -> None:
        if len(self.ct_windows_hu) != len(self.mr_percentiles):
            raise ConfigError(
                explain(
                    expected="as many MR percentile ranges as CT windows",
                    got=f"{len(self.mr_percentiles)} and {len(self.ct_windows_hu)}",
                    where="PreprocessSpec.mr_percentiles",
                    remedy="Each input channel needs one CT window and one MR range.",
                )
            )
        for name, pairs in (
            ("ct_windows_hu", self.ct_windows_hu),
            ("mr_percentiles", self.mr_percentiles),
        ):
            for lower, upper in pairs:
                if not lower < upper:
                    raise ConfigError(
                        explain(
                            expected="lower < upper",
                            got=f"({lower}, {upper})",
                            where=f"PreprocessSpec.{name}",
                            remedy="Order each pair as (lower, upper).",
                        )
                    )
        sizes = [value for triple in self.spacings_zyx_mm for value in triple]
        if not sizes or min(sizes) <= 0 or min(self.patch_zyx) < 1 or self.max_patches < 1:
            raise ConfigError(
                explain(
                    expected="spacings > 0 mm, a patch of at least 1 voxel, a budget of at least 1",
                    got=f"{self.spacings_zyx_mm}, {self.patch_zyx}, {self.max_patches}",
                    where="PreprocessSpec",
                    remedy="Correct the preprocessing section of the configuration.",
                )
            )

    @property
    def num_channels(self) -> int:
        """Input channels of the encoder: one per window."""
        return len(self.ct_windows_hu)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; ``from_dict`` of it is equal to this spec."""
        return dict(json.loads(json.dumps(dataclasses.asdict(self))))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PreprocessSpec:
        """The spec in a dictionary; unknown keys and wrong types fail.

        Raises:
            ConfigError: A field is unknown, missing its type, or contradicts another.
        """
        try:
            return _ADAPTER.validate_python(data)
        except ValidationError as error:
            raise ConfigError(
                explain(
                    expected="the fields of PreprocessSpec",
                    got=str(error),
                    where="preprocessing spec",
                    remedy="Compare it with the spec of a working checkpoint.",
                )
            ) from error

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON form; written into every output."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


PreprocessSpec.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
_ADAPTER: TypeAdapter[PreprocessSpec] = TypeAdapter(PreprocessSpec)
