"""A report on measured facts: sentences with the ids of the facts behind them, and a table."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from vol3d.anatomy import Language

Style = Literal["structured", "narrative"]
SectionKey = Literal["exam", "findings", "not_assessed", "impression", "provenance"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Sentence(_Record):
    """One sentence and its evidence."""

    text: str
    fact_ids: tuple[str, ...] = Field(
        min_length=1, description="Paths that vol3d.measure.facts.fact_value resolves."
    )
    organ: str | None = Field(default=None, description="Organ group that it speaks of: kidney.")
    lesion_id: str | None = Field(default=None, description="Lesion that it speaks of: kidney-1.")


class ReportSection(_Record):
    """One heading with its sentences, in order."""

    key: SectionKey
    heading: str
    sentences: tuple[Sentence, ...]


class TableRow(_Record):
    """One measured or derived value, rounded as in the text."""

    structure: str
    quantity: str
    value: float | int | str
    unit: str
    fact_id: str


class FindingsReport(_Record):
    """A report written from facts alone. Research use only, not for clinical use."""

    schema_version: Literal[1] = 1
    sections: tuple[ReportSection, ...]
    table: tuple[TableRow, ...]
    table_heading: str
    language: Language
    style: Style
    disclaimer: str

    @property
    def text(self) -> str:
        """The whole report as plain text; the disclaimer is its last line.

        The structured style has one sentence per line and the table; the narrative style has one
        paragraph per organ and no table. Lines of the impression are numbered.
        """
        blocks = [self._block(section) for section in self.sections if section.sentences]
        if self.style == "structured" and self.table:
            blocks.append("\n".join((self.table_heading, *map(_table_line, self.table))))
        return "\n\n".join((*blocks, self.disclaimer))

    def sentences(self) -> tuple[Sentence, ...]:
        """All sentences in order."""
        return tuple(each for section in self.sections for each in section.sentences)

    def _block(self, section: ReportSection) -> str:
        if section.key == "impression":
            texts = [each.text for each in section.sentences]
            lines = [f"{number}. {text}" for number, text in enumerate(texts, 1)]
        elif self.style == "structured":
            lines = [("  " if s.lesion_id else "") + s.text for s in section.sentences]
        else:
            lines = self._paragraphs(section.sentences)
        return "\n".join((section.heading, *lines))

    def _paragraphs(self, sentences: tuple[Sentence, ...]) -> list[str]:
        paragraphs: list[list[str]] = []
        organ: str | None = None
        for each in sentences:
            if not paragraphs or each.organ != organ:
                paragraphs.append([])
            paragraphs[-1].append(each.text)
            organ = each.organ
        return [("" if self.language == "zh" else " ").join(texts) for texts in paragraphs]


def _table_line(row: TableRow) -> str:
    value = f"{row.value:.{_DECIMALS.get(row.unit, 1)}f}" if isinstance(row.value, float) else None
    return " | ".join((row.structure, row.quantity, f"{value or row.value} {row.unit}".strip()))


_DECIMALS = {"": 2}
"""Decimals of numbers without a unit, ratios; all others have one."""
