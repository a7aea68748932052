"""What a checkpoint says about itself: how it was made, what was validated, what may be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vol3d.errors import CheckpointError, explain

CARD_FILE = "vol3d_card.json"


class ModelCard(BaseModel):
    """Machine-readable facts beside the weights.

    Args:
        name: Name of the checkpoint.
        trained_on: What it has learned from, in words.
        trained_on_short: The same as a short phrase for headings.
        applies_to: (modality, region) pairs of scans that the model may be asked about.
        validated: (modality, region, finding) triples with a validation on real data. Only these
            may be stated as findings; everything else is an unvalidated candidate.
        question_grammar: The grammar outside of which questions are refused; None for free text.
        report_prompt: The prompt that makes the model write findings.
        patch_size_zyx_mm: Size of one patch at the finest spacing.
        max_patches: Patches per volume that the encoder takes.
        max_visual_tokens: Tokens per volume that the language model gets.
        vol3d_version: Version that wrote the checkpoint.
        training: Steps, minutes and seed of the run.
        evaluation: Measured figures, with what they were measured on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    name: str
    trained_on: str
    trained_on_short: str = "synthetic phantoms"
    applies_to: tuple[tuple[str, str], ...] = (("CT", "abdomen"),)
    validated: tuple[tuple[str, str, str], ...] = ()
    question_grammar: Literal["phantom-v1"] | None = None
    report_prompt: str = "Describe the findings."
    patch_size_zyx_mm: tuple[float, float, float] | None = None
    max_patches: int | None = None
    max_visual_tokens: int | None = None
    vol3d_version: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)
    disclaimer: str = "Research use only, not for clinical use."

    def save(self, folder: Path) -> None:
        """Writes the card into a checkpoint folder, for programs and (README.md) for people."""
        (folder / CARD_FILE).write_text(self.model_dump_json(indent=2) + "\n")
        (folder / "README.md").write_text(self.render())

    def render(self) -> str:
        """The card as Markdown; every figure in it comes from this record."""
        scans = ", ".join(f"{modality} of the {region}" for modality, region in self.applies_to)
        lines = [
            f"# vol3d model `{self.name}`",
            "",
            f"**{self.disclaimer}**",
            "",
            f"- Trained on: {self.trained_on}.",
            f"- May be asked about: {scans or 'nothing yet'}.",
            f"- Validated on real data for: {self._validated_words()}.",
            "- Everything it says about a patient's scan is an unvalidated candidate.",
        ]
        if self.question_grammar:
            lines.append("- Questions outside of its grammar are refused.")
        if self.patch_size_zyx_mm:
            z, y, x = self.patch_size_zyx_mm
            lines.append(f"- Patch (z, y, x): {z:g} x {y:g} x {x:g} mm.")
        if self.max_patches and self.max_visual_tokens:
            lines.append(
                f"- Budget: {self.max_patches} patches in the encoder, "
                f"{self.max_visual_tokens} visual tokens per volume."
            )
        if self.training:
            minutes, steps = self.training.get("minutes"), self.training.get("steps")
            lines.append(f"- Training: {minutes} minutes, steps {steps}.")
        bench = self.evaluation.get("phantom_bench")
        return "\n".join([*lines, *(_bench_lines(bench) if bench else ()), ""])

    def _validated_words(self) -> str:
        return ", ".join(" / ".join(triple) for triple in self.validated) or "nothing"

    @classmethod
    def load(cls, folder: Path) -> ModelCard:
        """The card of a checkpoint folder.

        Raises:
            CheckpointError: There is no card, or it does not fit the schema.
        """
        path = folder / CARD_FILE
        if not path.is_file():
            raise CheckpointError(
                explain(
                    expected=f"a checkpoint with {CARD_FILE}",
                    got="a folder without it",
                    where="checkpoint",
                    remedy="Use a folder written by `vol3d train`, or the name `embedded`.",
                )
            )
        try:
            return cls.model_validate_json(path.read_text())
        except ValueError as error:
            raise CheckpointError(
                explain(
                    expected="a card of schema version 1",
                    got=str(error),
                    where=CARD_FILE,
                    remedy="The checkpoint was written by another version of vol3d.",
                )
            ) from error


def _bench_lines(bench: dict[str, Any]) -> list[str]:
    """Markdown of the phantom benchmark in a card."""
    seen, blank = bench["accuracy"], bench["blank"]
    lines = [
        "",
        "## Held-out phantoms, free generation",
        "",
        f"{bench['questions']} questions on {bench['volumes']} phantoms that no training run has "
        "seen, answers balanced within each type; exact match; 95 % intervals clustered by volume.",
        "",
        f"- With the scan: {seen['percent']} % ({seen['low']} to {seen['high']}).",
        f"- The same model with a blank volume: {blank['percent']} % "
        f"({blank['low']} to {blank['high']}).",
        "",
        "| question type | questions | with the scan % | blank volume % |",
        "|---|---|---|---|",
    ]
    for kind, row in bench["kinds"].items():
        lines.append(f"| {kind} | {row['questions']} | {row['accuracy']} | {row['blank']} |")
    lines += [
        "",
        f"It claims a lesion in {bench['presence_false_alarms']} % of the organs that hold none; "
        "read the share of lesions found, by longest diameter, beside that:",
        "",
    ]
    lines += ["| diameter mm | lesions | found % |", "|---|---|---|"]
    for row in bench["presence_by_size"]:
        lines.append(f"| {row['from_mm']} to {row['to_mm']} | {row['lesions']} | {row['found']} |")
    return lines
