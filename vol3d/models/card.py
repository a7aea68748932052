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
    vol3d_version: str = ""
    training: dict[str, Any] = Field(default_factory=dict)
    evaluation: dict[str, Any] = Field(default_factory=dict)
    disclaimer: str = "Research use only, not for clinical use."

    def save(self, folder: Path) -> None:
        """Writes the card into a checkpoint folder."""
        (folder / CARD_FILE).write_text(self.model_dump_json(indent=2) + "\n")

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
