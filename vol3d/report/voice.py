"""Choosing words: templates of one language and style filled with names and numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from vol3d.anatomy import Language, group_name, structures
from vol3d.measure.facts import CaseFacts, LesionFacts
from vol3d.report import wording_en, wording_zh
from vol3d.report.records import Sentence, Style

_TEMPLATES: Mapping[str, Mapping[Style, Mapping[str, tuple[str, ...]]]] = {
    "en": {"structured": wording_en.STRUCTURED, "narrative": wording_en.NARRATIVE},
    "zh": {"structured": wording_zh.STRUCTURED, "narrative": wording_zh.NARRATIVE},
}
_WORDS: Mapping[str, Mapping[str, str]] = {"en": wording_en.WORDS, "zh": wording_zh.WORDS}
_QUANTITIES: Mapping[str, Mapping[str, str]] = {
    "en": wording_en.QUANTITIES,
    "zh": wording_zh.QUANTITIES,
}
_FEW_EN = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, kw_only=True, slots=True)
class Voice:
    """The words of one report.

    Args:
        facts: What the report speaks of.
        language: Of the text.
        style: ``structured`` has one wording per sentence, ``narrative`` several.
        seed: Picks the wording; 0 is always the first one.
    """

    facts: CaseFacts
    language: Language
    style: Style
    seed: int = 0

    @property
    def is_ct_in_hu(self) -> bool:
        """Whether intensities may be written as HU."""
        return self.facts.scan.unit == "HU" and self.facts.scan.modality == "CT"

    def word(self, key: str) -> str:
        """One word or phrase of the language's table."""
        return _WORDS[self.language][key]

    def has_word(self, key: str) -> bool:
        """Whether the language's table holds it."""
        return key in _WORDS[self.language]

    def quantity(self, key: str) -> str:
        """Name of a quantity or unit in the table."""
        return _QUANTITIES[self.language][key]

    def structured(self) -> Voice:
        """The same voice in the structured style, for names that the other one cannot inflect."""
        return replace(self, style="structured")

    def structure(self, key: str) -> str:
        """Name of a structure, such as ``left kidney``."""
        return structures()[key].name(self.language)

    def group(self, group: str) -> str:
        """Name of an organ without side; both organs of a pair: ``kidneys``."""
        pair = f"group.{group}"
        return self.word(pair) if self.has_word(pair) else group_name(group, self.language)

    def listing(self, names: Iterable[str]) -> str:
        """``a, b and c``."""
        found = list(names)
        if self.language == "zh":
            return "、".join(found)
        return " and ".join(filter(None, (", ".join(found[:-1]), found[-1])))

    def count(self, number: int) -> str:
        """A number of things: English words up to ten, else digits."""
        is_few = self.language == "en" and number < len(_FEW_EN)
        return _FEW_EN[number] if is_few else str(number)

    def kind(self, lesion_type: str, organ: str, *, number: int = 1) -> str:
        """What lesions of a type are called: ``cyst``, ``masses annotated as tumour``."""
        form = "one" if number == 1 or self.language == "zh" else "many"
        for key in (f"type.{lesion_type}.{organ}.{form}", f"type.{lesion_type}.{form}"):
            if self.has_word(key):
                return self.word(key)
        return self.word(f"type.lesion.{form}")

    def fill(self, key: str, fact_ids: Iterable[str], fields: Mapping[str, str]) -> str:
        """A phrase from its template, in this style if it has one."""
        own = _TEMPLATES[self.language]
        variants = own[self.style].get(key) or own["structured"][key]
        pick = 0
        if self.seed and len(variants) > 1:
            chooser = random.Random(f"{self.seed}/{key}/{'/'.join(fact_ids)}")
            pick = chooser.randrange(len(variants))
        return variants[pick].format(**fields)

    def say(
        self,
        key: str,
        fact_ids: Iterable[str],
        *,
        about: str | None = None,
        lesion: LesionFacts | None = None,
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> Sentence:
        """A sentence from its template.

        Args:
            key: Of the template.
            fact_ids: Ids of the facts behind it.
            about: Organ group that it speaks of.
            lesion: Lesion that it speaks of.
            fields: Names and numbers for the template.
        """
        ids = tuple(dict.fromkeys(fact_ids))
        text = self.fill(key, ids, fields)
        return Sentence(
            text=text[:1].upper() + text[1:] if self.language == "en" else text,
            fact_ids=ids,
            organ=about or (lesion.organ if lesion else None),
            lesion_id=lesion.id if lesion else None,
        )
