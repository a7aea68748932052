"""Options of multiple-choice questions: one right answer and distractors that are surely wrong."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from vol3d.anatomy import Language
from vol3d.measure.facts import CaseFacts
from vol3d.measure.neighbours import part_names
from vol3d.vqa.answers import neighbours
from vol3d.vqa.values import NO, YES, Number, Phrase, Slots, Value, value_text

LETTERS = "ABCD"
DISTRACTOR_SHARES = (0.08, 0.45)
"""Numeric distractors lie this far from the truth, as shares of it."""
LEAST_APART = 0.05
"""Share of the truth by which any two numeric options differ at least."""
_NUM_NUMBERS = 4
_SIDES = ("left side", "right side", "both sides")
_SETS: dict[str, tuple[str, ...]] = {
    "pleural effusion side": _SIDES,
    "brain lesion side": _SIDES,
    "midline shift direction": _SIDES[:2],
    "largest lesion attenuation": ("hypoattenuating", "isoattenuating", "hyperattenuating"),
    "liver lesion clustering": ("highly clustered", "somewhat clustered", "widely distributed"),
    "kidney volume comparison": ("left kidney", "right kidney", "the same"),
    "bilateral kidney asymmetry": ("left kidney", "right kidney", "symmetric"),
    "splenomegaly grading": ("normal spleen", "mild spleen", "moderate spleen", "severe spleen"),
    "PDAC vs PNET classification": ("pdac", "pnet"),
    "pancreatic tumor staging": ("T1", "T2", "T3", "T4"),
    "pancreatic lesion resectability": ("resectable", "borderline resectable", "unresectable"),
    "hepatic steatosis grading": ("G0", "G1", "G2", "G3"),
    "lesion type classification": ("cyst", "tumor"),
    "renal mass characterization": (
        "simple cyst",
        "indeterminate",
        "hyperattenuating cyst",
        "rcc",
        "fat-containing",
    ),
}
"""Every answer of the subtypes with a fixed vocabulary."""


@dataclass
class KeyBalancer:
    """Puts the right answer under every letter equally often, by subtype and number of options."""

    counts: Counter[tuple[str, int, int]] = field(default_factory=Counter)

    def place(self, subtype: str, num_options: int, rng: random.Random) -> int:
        """Index of the right answer of the next question."""
        used = [self.counts[subtype, num_options, index] for index in range(num_options)]
        rarest = [index for index, count in enumerate(used) if count == min(used)]
        index = rng.choice(rarest)
        self.counts[subtype, num_options, index] += 1
        return index


def make_distractors(
    subtype: str, facts: CaseFacts, slots: Slots, truth: Value, rng: random.Random
) -> list[Value] | None:
    """Wrong answers to one question, at most three; ``None`` if there are no sure ones."""
    if isinstance(truth, Number):
        return _numbers(truth, rng, is_percent=subtype in _PERCENT)
    if truth.key in ("yes", "no"):
        return [NO if truth.key == "yes" else YES]
    if subtype in _SETS:
        others: list[Value] = [Phrase(key=key) for key in _SETS[subtype] if key != truth.key]
        return sorted(rng.sample(others, min(3, len(others))), key=others.index)
    if subtype == "largest lesion location":
        return _locations(slots["organ"], truth.key, rng)
    if truth.kind == "part":
        return _parts(facts, truth.key, rng)
    if subtype == "inter-segment comparison":
        every = [*(Phrase(key=slots[k], kind="segment") for k in ("segment", "segment_b"))]
        return [each for each in (*every, Phrase(key="equal")) if each.key != truth.key]
    if subtype == "multi-organ lesion burden comparison":
        every = [*(Phrase(key=slots[k], kind="organ") for k in ("organ", "organ_b"))]
        return [each for each in (*every, Phrase(key="equal")) if each.key != truth.key]
    return _other_organs(facts, slots["organ"], truth.key, rng)


def all_answers(subtype: str) -> tuple[str, ...]:
    """Keys of every answer of a subtype with a fixed vocabulary; empty for the others."""
    return _SETS.get(subtype, ())


_PERCENT = ("tumor burden percentage", "largest lesion slice", "emphysema index")


def _numbers(truth: Number, rng: random.Random, *, is_percent: bool) -> list[Value] | None:
    if truth.decimals == 0:
        return _counts(int(truth.value), rng)
    low, high = DISTRACTOR_SHARES
    rank = rng.randrange(_NUM_NUMBERS)  # how many distractors are smaller: no hint by order
    for _ in range(200):
        size = abs(truth.value) or 1.0
        offs = [rng.uniform(low, high) * (-1 if i < rank else 1) for i in range(_NUM_NUMBERS - 1)]
        values = [truth.value + off * size for off in offs]
        if is_percent and any(not 0 <= value <= 100 for value in values):
            rank = rng.randrange(_NUM_NUMBERS)
            continue
        every = sorted([truth.value, *values])
        apart = min(b - a for a, b in pairwise(every))
        made = [Number(value=value, decimals=truth.decimals) for value in values]
        texts = {truth.text(), *(each.text() for each in made)}
        if apart > LEAST_APART * size and len(texts) == _NUM_NUMBERS:
            return list(made)
    return None


def _counts(truth: int, rng: random.Random) -> list[Value]:
    """Three other whole numbers close by, none negative."""
    reach = max(3, round(0.6 * truth))
    below = list(range(max(0, truth - reach), truth))
    above = list(range(truth + 1, truth + reach + 1))
    num_below = min(rng.randrange(_NUM_NUMBERS), len(below))
    chosen = rng.sample(below, num_below) + rng.sample(above, _NUM_NUMBERS - 1 - num_below)
    return [Number(value=value, decimals=0) for value in chosen]


def _locations(organ: str, truth: str, rng: random.Random) -> list[Value] | None:
    """Places that share no part with the true one, of as many parts where there are enough."""
    parts = truth.split("/")
    free = [name for name in part_names(organ).values() if name not in parts]
    if not free:
        return None
    order = list(part_names(organ).values())
    size = min(len(parts), 2) if len(free) >= 4 else 1
    made: set[str] = set()
    for _ in range(50):
        if len(made) == 3:
            break
        made.add("/".join(sorted(rng.sample(free, size), key=order.index)))
    return [Phrase(key=each, kind="segments") for each in sorted(made)]


def _parts(facts: CaseFacts, truth: str, rng: random.Random) -> list[Value] | None:
    """Other parts of the same organ that the scan shows, such as lobes."""
    organ = "lung" if truth.startswith("lung_") else "brain"
    others = [key for key in part_names(organ) if key != truth and facts.organ(key) is not None]
    if not others:
        return None
    return [Phrase(key=key, kind="part") for key in rng.sample(others, min(3, len(others)))]


_ORGANS_AROUND = (
    "duodenum",
    "small_bowel",
    "stomach",
    "spleen",
    "colon",
    "liver",
    "pancreas",
    "kidney_left",
    "kidney_right",
    "adrenal_gland_left",
    "common_bile_duct",
    "gallbladder",
)


def _other_organs(
    facts: CaseFacts, organ: str, truth: str, rng: random.Random
) -> list[Value] | None:
    """Organs that do not touch the lesion: in the scan, and clearly farther than the true one."""
    found = {each.structure: each for each in neighbours(facts, organ)}
    best = found[truth]
    wrong = []
    for key in _ORGANS_AROUND:
        other = found.get(key)
        if key == truth or key.startswith(organ) or facts.organ(key) is None:
            continue
        if other is None or (other.near_voxels == 0 and other.gap_mm > best.gap_mm + 2.0):
            wrong.append(key)
    if len(wrong) < 3:
        return None
    return [Phrase(key=key, kind="organ") for key in rng.sample(wrong, 3)]


def option_texts(options: list[Value], language: Language) -> list[str]:
    """The options' texts in their order."""
    return [value_text(each, language) for each in options]


def mc_text(stem: str, options: list[str]) -> str:
    """``stem A: x B: y`` on one line."""
    shown = " ".join(f"{LETTERS[i]}: {text}" for i, text in enumerate(options))
    return f"{stem} {shown}"
