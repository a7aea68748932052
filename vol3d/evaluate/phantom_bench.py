"""Free generation on held-out phantoms, beside the same model seeing nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vol3d.data.phantom_cases import BenchItem, make_case
from vol3d.evaluate.statistics import Interval, clustered_interval
from vol3d.infer.engine import Engine
from vol3d.measure.embedded_facts import EmbeddedFacts
from vol3d.preprocess.pipeline import blank_like, prepare
from vol3d.vqa import Question


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchAnswer:
    """One question with the model's words about the scan and about its blanked copy.

    ``largest_mm`` is the longest axial diameter of the largest lesion in the organ that a
    ``lesion_presence`` question asks about; ``None`` without one.
    """

    seed: int
    kind: str
    largest_mm: float | None
    answer: str
    said: str
    said_blank: str

    @property
    def is_right(self) -> bool:
        """Whether the words about the scan are exactly the answer."""
        return normalise(self.said) == normalise(self.answer)

    @property
    def is_right_blank(self) -> bool:
        """Whether the words about the blanked copy are exactly the answer."""
        return normalise(self.said_blank) == normalise(self.answer)


def normalise(text: str) -> str:
    """Lower case without surrounding blanks and without a closing full stop."""
    return text.strip().rstrip(".").lower()


def run_bench(
    engine: Engine,
    items: Sequence[BenchItem],
    *,
    on_volume: Callable[[int], None] | None = None,
) -> list[BenchAnswer]:
    """Answers to all items by greedy free generation; each phantom is encoded once.

    Args:
        engine: The model.
        items: Questions with the seeds of their phantoms.
        on_volume: Called with the number of finished volumes.
    """
    answers: list[BenchAnswer] = []
    by_seed = groupby(sorted(items, key=lambda item: item.seed), key=lambda item: item.seed)
    for number, (seed, group) in enumerate(by_seed, start=1):
        asked = list(group)
        case = make_case(seed)
        prepared = prepare(case.phantom.volume, engine.spec)
        texts = [item.question.text for item in asked]
        told = []
        for view in (prepared, blank_like(prepared)):
            encoded = engine.encode(view)
            told.append(engine.generate_batch([encoded] * len(texts), texts, max_new_tokens=16))
        answers += [
            BenchAnswer(
                seed=seed,
                kind=item.question.kind,
                largest_mm=_largest_mm(case.facts, item.question),
                answer=item.question.answer,
                said=said,
                said_blank=said_blank,
            )
            for item, said, said_blank in zip(asked, *told, strict=True)
        ]
        if on_volume is not None:
            on_volume(number)
    return answers


def summarise(answers: Sequence[BenchAnswer]) -> dict[str, Any]:
    """Accuracy with the scan and with a blank volume, overall and per type, in percent.

    Overall figures are means over all questions with 95 % intervals clustered by volume.
    """
    seeds = [answer.seed for answer in answers]
    seen = clustered_interval([float(a.is_right) for a in answers], seeds)
    blank = clustered_interval([float(a.is_right_blank) for a in answers], seeds)
    gain = clustered_interval([float(a.is_right) - float(a.is_right_blank) for a in answers], seeds)
    kinds = {}
    for kind in sorted({answer.kind for answer in answers}):
        own = [answer for answer in answers if answer.kind == kind]
        kinds[kind] = {
            "questions": len(own),
            "accuracy": _percent(sum(a.is_right for a in own) / len(own)),
            "blank": _percent(sum(a.is_right_blank for a in own) / len(own)),
        }
    return {
        "questions": len(answers),
        "volumes": len(set(seeds)),
        "accuracy": _interval(seen),
        "blank": _interval(blank),
        "gain": _interval(gain),
        "intervals_disjoint": seen.is_disjoint_from(blank),
        "kinds": kinds,
        "presence_by_size": _presence_by_size(answers),
        "presence_false_alarms": _false_alarms(answers),
    }


def _largest_mm(facts: EmbeddedFacts, question: Question) -> float | None:
    lesions = facts.lesions_of(question.slots["organ"]) if "organ" in question.slots else ()
    return max((lesion.longest_axial_diameter_mm for lesion in lesions), default=None)


def _false_alarms(answers: Sequence[BenchAnswer]) -> float:
    """Percent of organs without a lesion in which the model claims one."""
    own = [a for a in answers if a.kind == "lesion_presence" and a.largest_mm is None]
    return _percent(sum(normalise(a.said) == "yes" for a in own) / len(own)) if own else 0.0


def _presence_by_size(answers: Sequence[BenchAnswer]) -> list[dict[str, float]]:
    """Share of lesions found, by diameter; lesions of phantoms lie in these three ranges."""
    rows = []
    for low, high in ((0, 25), (25, 45), (45, 100)):
        own = [a for a in answers if a.largest_mm is not None and low <= a.largest_mm < high]
        if own:
            found = _percent(sum(a.is_right for a in own) / len(own))
            rows.append({"from_mm": low, "to_mm": high, "lesions": len(own), "found": found})
    return rows


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _interval(interval: Interval) -> dict[str, float]:
    return {
        "percent": _percent(interval.mean),
        "low": _percent(interval.low),
        "high": _percent(interval.high),
    }
