"""Systems under evaluation: what answers questions about a case, and how answers are combined.

A system is told a question's text and shown a case. It never sees the key, the true answer or the
subtype: these are not in :class:`Asked`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

from vol3d.anatomy import group_members, is_group
from vol3d.evaluate.cases import Case
from vol3d.evaluate.prompt import ReadPrompt, direct_prompt, read_prompt
from vol3d.evaluate.rows import Form, Source
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.answerer import answer_parsed, choose_option
from vol3d.vqa.dataset import UNASSESSABLE, QaRecord
from vol3d.vqa.options import LETTERS
from vol3d.vqa.parse import ParsedPrompt, parse_prompt
from vol3d.vqa.table import ALL_SUBTYPES
from vol3d.vqa.values import Number, Value, plain, value_text


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question as a system sees it.

    Args:
        prompt: The whole prompt.
        read: What can be read from it.
    """

    prompt: str
    read: ReadPrompt

    @property
    def options(self) -> tuple[str, ...]:
        """Texts of the options; empty in free form."""
        return self.read.options

    @cached_property
    def parsed(self) -> ParsedPrompt | None:
        """Subtype and slots as the question's words tell them."""
        return parse_prompt(self.read.question)


def asked_of_prompt(prompt: str) -> Asked:
    """A question of which only the prompt is known."""
    return Asked(prompt=prompt, read=read_prompt(prompt))


def asked_of_record(record: QaRecord, form: Form) -> Asked:
    """A question of a data set, without its answer."""
    return asked_of_prompt(direct_prompt(record, form))


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a system answers.

    Args:
        text: What is scored: a letter, number, word or phrase.
        raw: All that was said; ``text`` if nothing more.
        confidence: Probability that the answer is right, if the system has one.
        source: What settled it.
        is_abstention: Whether the answer is that the scan does not settle the question.
    """

    text: str
    raw: str = ""
    confidence: float | None = None
    source: Source = "model"
    is_abstention: bool = False


class System(Protocol):
    """What is evaluated."""

    @property
    def name(self) -> str:
        """How results call it."""
        ...

    def fingerprint(self) -> Mapping[str, str]:
        """What changes its answers: weights, prompts, evidence."""
        ...

    def look(self, case: Case) -> Any:
        """Whatever :meth:`answer` needs of a case; called once per volume."""
        ...

    def answer(self, seen: Any, asked: Sequence[Asked]) -> list[Given | None]:
        """Answers to questions about one case, ``None`` where the system has none."""
        ...


class RulesSystem:
    """Rules on measured facts; silent without facts, or where they do not settle the question."""

    name = "rules"

    def __init__(self, *, may_abstain: bool = True) -> None:
        self.may_abstain = may_abstain

    def fingerprint(self) -> Mapping[str, str]:
        """Whether it may say that a question cannot be answered."""
        return {"rules": "abstaining" if self.may_abstain else "never abstaining"}

    def look(self, case: Case) -> CaseFacts | None:
        """The facts of the case."""
        return case.facts

    def answer(self, seen: CaseFacts | None, asked: Sequence[Asked]) -> list[Given | None]:
        """Answers that the facts settle."""
        return [None if seen is None else self._one(seen, each) for each in asked]

    def _one(self, facts: CaseFacts, asked: Asked) -> Given | None:
        if asked.parsed is None:
            return None
        value = answer_parsed(asked.parsed, facts)
        if value is not None:
            return _worded(value, asked)
        reason = why_not_assessable(asked.parsed, facts) if self.may_abstain else None
        if reason is None:
            return None
        raw = f"{UNASSESSABLE}: {reason}"
        return Given(text=UNASSESSABLE, raw=raw, source="rule", is_abstention=True)


def _worded(value: Value, asked: Asked) -> Given | None:
    """A value as a letter or a text; a number among numbers has a margin for its confidence."""
    language = "en" if asked.parsed is None else asked.parsed.language
    text = value_text(value, language)
    if not asked.options:
        return Given(text=text, source="rule")
    index = choose_option(value, asked.options)
    if index is None:
        return None
    confidence = _margin(value, asked.options) if isinstance(value, Number) else None
    return Given(text=LETTERS[index], raw=text, confidence=confidence, source="rule")


def _margin(value: Number, options: Sequence[str]) -> float | None:
    """0.5 half-way between the two nearest options, 1 at one of them."""
    gaps = []
    for option in options:
        try:
            gaps.append(abs(float(option.rstrip("%")) - value.value))
        except ValueError:
            return None
    nearest, second = sorted(gaps)[:2] if len(gaps) > 1 else (0.0, 0.0)
    return second / (nearest + second) if nearest + second else None


def why_not_assessable(parsed: ParsedPrompt, facts: CaseFacts) -> str | None:
    """Why a scan does not settle a question that its masks could have settled.

    Args:
        parsed: The question.
        facts: The case.

    Returns:
        ``None`` where no organ in question is cut off, absent or unseen: then the masks are at
        fault, and not the scan.
    """
    row = ALL_SUBTYPES[parsed.subtype]
    named = [parsed.slots.get("organ") or row.organ, parsed.slots.get("organ_b")]
    keys = [key for name in named if name for key in _members(name)]
    states = {key: facts.organs[key].status for key in keys if key in facts.organs}
    open_ones = {key: status for key, status in states.items() if status != "whole"}
    if not open_ones:
        return None
    words = {"truncated": "cut off by the field of view", "absent": "absent"}
    return "; ".join(f"{k}: {words.get(s, 'not in the scan')}" for k, s in open_ones.items())


def _members(name: str) -> Sequence[str]:
    return group_members(name) if is_group(name) else (name,)


class PriorSystem:
    """Answers from the words of the question alone, as a table of training answers suggests."""

    name = "prior"

    def __init__(self, table: PriorTable) -> None:
        self.table = table

    def fingerprint(self) -> Mapping[str, str]:
        """The table, and what it was counted on."""
        return {"prior": self.table.sha256, "prior_origin": self.table.origin}

    def look(self, case: Case) -> None:
        """Nothing: priors do not look."""

    def answer(self, seen: None, asked: Sequence[Asked]) -> list[Given | None]:
        """An answer to every question."""
        return [self.table.guess(each) for each in asked]


@dataclass(frozen=True, kw_only=True)
class PriorTable:
    """Answers of training questions: shares of phrases, and medians of numbers.

    Args:
        phrases: Shares of answers by subtype.
        medians: Median by subtype and organ, as ``subtype`` and ``subtype|organ``.
        origin: What it was counted on.
    """

    phrases: Mapping[str, Mapping[str, float]]
    medians: Mapping[str, float]
    origin: str

    @cached_property
    def sha256(self) -> str:
        """Hash of the table."""
        text = json.dumps([self.phrases, self.medians], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def guess(self, asked: Asked) -> Given:
        """The likeliest answer; without any hint, an option that the question's hash picks."""
        parsed = asked.parsed
        subtype = "" if parsed is None else parsed.subtype
        number = self._median(parsed)
        shares = self.phrases.get(subtype, {})
        if asked.options:
            return self._choose(asked, number, shares)
        if number is not None:
            return Given(text=f"{number:g}", source="prior")
        if shares:
            best = max(shares, key=lambda answer: (shares[answer], answer))
            return Given(text=best, confidence=shares[best], source="prior")
        fallback = {"numeric": "1", "binary": "no"}.get(asked.read.kind, "unknown")
        return Given(text=fallback, source="prior")

    def _median(self, parsed: ParsedPrompt | None) -> float | None:
        if parsed is None:
            return None
        own = f"{parsed.subtype}|{parsed.slots.get('organ', '')}"
        return self.medians.get(own, self.medians.get(parsed.subtype))

    def _choose(self, asked: Asked, number: float | None, shares: Mapping[str, float]) -> Given:
        count = len(asked.options)
        if number is not None:
            index = choose_option(Number(value=number), asked.options)
            if index is not None:
                return Given(text=LETTERS[index], source="prior")
        by_text = {plain(answer): share for answer, share in shares.items()}
        known = [by_text.get(plain(option), 0.0) for option in asked.options]
        if sum(known) > 0:
            index = max(range(count), key=lambda i: (known[i], -i))
            confidence = known[index] / sum(known)
            return Given(text=LETTERS[index], confidence=confidence, source="prior")
        digest = hashlib.sha256(asked.read.question.encode()).digest()
        return Given(text=LETTERS[digest[0] % count], confidence=1 / count, source="prior")


def prior_of(records: Sequence[QaRecord], *, origin: str) -> PriorTable:
    """The table of a set of training questions.

    Args:
        records: Never those that are evaluated.
        origin: What they are, for results.
    """
    from collections import Counter
    from statistics import median

    counts: dict[str, Counter[str]] = {}
    numbers: dict[str, list[float]] = {}
    for record in records:
        subtype = record.question_subtype
        if ALL_SUBTYPES[subtype].answer_type != "numeric":
            counts.setdefault(subtype, Counter())[record.answer] += 1
            continue
        try:
            value = float(record.answer.rstrip("%"))
        except ValueError:
            continue  # an answer that is no number has no share in a median
        parsed = parse_prompt(record.question)
        organ = "" if parsed is None else parsed.slots.get("organ", "")
        for key in {subtype, f"{subtype}|{organ}" if organ else subtype}:
            numbers.setdefault(key, []).append(value)
    return PriorTable(
        phrases={
            name: {a: round(n / sum(own.values()), 4) for a, n in sorted(own.items())}
            for name, own in sorted(counts.items())
        },
        medians={key: round(median(own), 3) for key, own in sorted(numbers.items())},
        origin=origin,
    )


@cache
def shipped_prior() -> PriorTable:
    """The table of synthetic training cases that comes with the package."""
    path = Path(__file__).resolve().parent / "priors.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    return PriorTable(phrases=table["phrases"], medians=table["medians"], origin=table["origin"])


class Cascade:
    """Several systems: the first that has an answer gives it."""

    def __init__(self, name: str, systems: Sequence[System]) -> None:
        self.name, self.systems = name, tuple(systems)

    def fingerprint(self) -> Mapping[str, str]:
        """Those of all systems."""
        return {k: v for system in self.systems for k, v in system.fingerprint().items()}

    def look(self, case: Case) -> list[Any]:
        """The case itself: each system looks when it is first needed."""
        return [case, *([_UNSEEN] * len(self.systems))]

    def answer(self, seen: list[Any], asked: Sequence[Asked]) -> list[Given | None]:
        """Answers of the first system that has one, by question."""
        found: list[Given | None] = [None] * len(asked)
        for place, system in enumerate(self.systems, start=1):
            missing = [i for i, given in enumerate(found) if given is None]
            if not missing:
                break
            if seen[place] is _UNSEEN:
                seen[place] = system.look(seen[0])
            answers = system.answer(seen[place], [asked[i] for i in missing])
            for i, given in zip(missing, answers, strict=True):
                found[i] = given
        return found


_UNSEEN = object()
