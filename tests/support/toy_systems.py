"""Systems that know their answers beforehand, and a benchmark without scans, for tests of runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vol3d.evaluate.benchmark import Benchmark
from vol3d.evaluate.cases import Case
from vol3d.evaluate.systems import Asked, Given
from vol3d.vqa.dataset import QaRecord


def toy_record(number: int, *, image: int, **fields: object) -> QaRecord:
    """Question ``pb_<number>`` about the kidneys of an image."""
    return QaRecord.model_validate(
        {
            "qid": f"pb_{number:05d}",
            "image_id": f"TOY_{image:08d}",
            "spacing": "[1 1 1]",
            "shape": "(9, 9, 9)",
            "question": "Which kidney is larger?",
            "answer": "right kidney",
            "mc_question": f"Which kidney is larger ({number})? "
            "A: left kidney B: right kidney C: the same",
            "correct_option": "B",
            "organ": "kidney",
            "lesion": False,
            "question_type": "visual reasoning",
            "question_subtype": "kidney volume comparison",
            **fields,
        }
    )


def toy_benchmark(num_images: int = 4, per_image: int = 3) -> Benchmark:
    """Questions of images in turn, so that questions of one image do not lie together."""
    records = tuple(
        toy_record(place * num_images + image + 1, image=image)
        for place in range(per_image)
        for image in range(num_images)
    )
    return Benchmark(root=Path("nowhere"), questions=records, file=Path("test_qa.json"))


class HashSystem:
    """A letter by the hash of the question and of the image that was shown."""

    name = "hash"

    def __init__(self, failing: Sequence[str] = ()) -> None:
        self.failing = tuple(failing)
        self.looked: list[str] = []
        self.asked: list[str] = []

    def fingerprint(self) -> Mapping[str, str]:
        """Nothing changes it."""
        return {"hash": "sha256"}

    def look(self, case: Case) -> str:
        """The image's id; one that is named as failing cannot be opened."""
        self.looked.append(case.place.image_id)
        if case.place.image_id in self.failing:
            raise OSError("cannot be opened")
        return case.place.image_id

    def answer(self, seen: Any, asked: Sequence[Asked]) -> list[Given | None]:
        """A letter for every question; one whose number is named as failing raises."""
        found: list[Given | None] = []
        for each in asked:
            self.asked.append(each.prompt)
            if any(f"({number})" in each.prompt for number in self.failing):
                raise RuntimeError("no answer")
            digest = hashlib.sha256(f"{seen} {each.prompt}".encode()).digest()
            found.append(Given(text="ABC"[digest[0] % 3], confidence=digest[1] / 255))
        return found
