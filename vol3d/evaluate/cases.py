"""One volume under evaluation: read once, measured once, or taken away to see what remains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from vol3d.errors import DataError, explain
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.evidence import Facts, PatientHints
from vol3d.measure.facts import CaseFacts
from vol3d.volume import Volume, read_volume

Ablation = Literal["blank", "shuffle", "text-only"]
"""``blank``: voxels of one value and no facts; ``shuffle``: scan and facts of another case;
``text-only``: neither scan nor facts."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A volume with what may be known about it; nothing is read before it is asked for.

    Args:
        place: Files of the scan that is shown: another case's under ``shuffle``.
        evidence: Where facts come from; ``None`` for none.
        hints: What the questions' text tells.
        ablation: What was taken away.
    """

    place: ScanPlace
    evidence: Facts | None = None
    hints: PatientHints = field(default_factory=PatientHints)
    ablation: Ablation | None = None

    @property
    def has_scan(self) -> bool:
        """Whether there is a scan to look at, be it blank."""
        return self.ablation != "text-only" and self.place.scan is not None

    @cached_property
    def scan(self) -> Volume:
        """The scan as its file holds it; :attr:`shown` is what a system may see of it.

        Raises:
            DataError: There is no file, or it is refused.
        """
        if self.place.scan is None:
            raise DataError(
                explain(
                    expected="a scan, such as benchmark/ct/<image_id>/ct.nii.gz",
                    got="none",
                    where=f"case {self.place.image_id}",
                    remedy="Copy the scan there, or leave its questions out.",
                )
            )
        is_named_ct = self.place.scan.name.startswith("ct.")
        return read_volume(self.place.scan, modality="CT" if is_named_ct else None)

    @cached_property
    def shown(self) -> Volume:
        """The scan that a system may see: under ``blank``, air alone on the same grid."""
        if self.ablation != "blank":
            return self.scan
        import numpy as np

        low = -1000.0 if self.scan.unit == "HU" else float(self.scan.voxels_zyx.min())
        return Volume.from_array(
            np.full_like(self.scan.voxels_zyx, low),
            self.scan.grid,
            modality=self.scan.modality,
            unit=self.scan.unit,
        )

    @cached_property
    def facts(self) -> CaseFacts | None:
        """The facts, or ``None`` without evidence.

        Raises:
            DataError: The scan or its masks are missing or refused.
        """
        if self.evidence is None or self.ablation in ("blank", "text-only"):
            return None
        return self.evidence.of(self.place, lambda: self.scan, self.hints)


def shuffled(image_ids: Sequence[str]) -> Mapping[str, str]:
    """For every image the next one, so that no image keeps its own scan.

    Args:
        image_ids: At least two different ones.

    Raises:
        DataError: There is only one.
    """
    if len(image_ids) < 2:
        raise DataError(
            explain(
                expected="at least two volumes",
                got=str(len(image_ids)),
                where="--ablate shuffle",
                remedy="Evaluate more volumes.",
            )
        )
    return dict(zip(image_ids, [*image_ids[1:], image_ids[0]], strict=True))
