"""Whether a test set was trained on: ids, patients, id mappings, voxels, and question texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from vol3d.errors import DataError
from vol3d.evaluate.public_sets.images import without_ending
from vol3d.evaluate.scan_digest import ScanDigest, digest_scan
from vol3d.evaluate.set_items import IdMapping, SetItem, shown_id
from vol3d.report.schema import DISCLAIMER

Kind = Literal[
    "image_id", "patient", "mapped_id", "voxels", "voxels_other_grid", "question_on_image", "text"
]
"""``image_id``: same name. ``mapped_id``: same scan by an id mapping. ``voxels``: same content.
``voxels_other_grid``: same voxels, placed elsewhere. ``question_on_image``: same question about the
same scan. ``text``: same question about any scan, which says little where texts come from
templates."""
KINDS: tuple[Kind, ...] = get_args(Kind)
_FIRST = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """Test items that training has too.

    Args:
        count: Of test scans, or of test questions for the two kinds that are about questions.
        first: Some of them: name in the test set and in training, as :func:`shown_id` gives them.
    """

    count: int
    first: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContaminationReport:
    """What a test set shares with training. Research use only, not for clinical use.

    Args:
        overlaps: All kinds, with 0 where nothing is shared.
        test_without_patient: Test scans whose patient is not known: for these the check of
            patients says nothing.
        compared_voxels: Training and test scans whose voxels were compared.
        unreadable: Scans that could not be read for it, with the kind of error.
    """

    training_images: int
    test_images: int
    test_questions: int
    overlaps: dict[Kind, Overlap]
    test_without_patient: int
    compared_voxels: tuple[int, int]
    unreadable: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing but question texts is shared, by the checks that could be made."""
        return all(each.count == 0 for kind, each in self.overlaps.items() if kind != "text")

    def to_json(self) -> dict[str, Any]:
        """The report with JSON types."""
        return {
            "disclaimer": DISCLAIMER,
            "is_clean": self.is_clean,
            "training_images": self.training_images,
            "test_images": self.test_images,
            "test_questions": self.test_questions,
            "test_without_patient": self.test_without_patient,
            "compared_voxels": {
                "training": self.compared_voxels[0],
                "test": self.compared_voxels[1],
            },
            "unreadable": list(self.unreadable),
            "overlaps": {
                kind: {"count": each.count, "first": [list(pair) for pair in each.first]}
                for kind, each in self.overlaps.items()
            },
        }


def check_contamination(
    training: Sequence[SetItem],
    test: Sequence[SetItem],
    *,
    mapping: IdMapping | None = None,
    compare_voxels: bool = False,
    on_scan: Callable[[int], None] | None = None,
) -> ContaminationReport:
    """What a test set shares with training.

    Two sets that number their patients alike give overlaps of patients that are none; leave the
    numbers out, or put the set's name before them. Voxels find copies that were renamed, compressed
    again, stored in another direction or with another number type; not ones that were cropped,
    resampled or rescaled.

    Args:
        training: Scans and questions of training.
        test: Scans and questions of the test set.
        mapping: Names of the same scan in other sets.
        compare_voxels: Read and hash every scan that is on this machine, one at a time.
        on_scan: Called with the number of scans hashed so far.
    """
    leaders = mapping.groups() if mapping is not None else {}
    known = _Training(leaders=leaders)
    for item in training:
        known.add(item)
    found = _Found()
    images = _images(test)
    for item in images:
        found.compare_image(item, known)
    questions = [item for item in test if item.question is not None]
    for item in questions:
        found.compare_question(item, known)
    digests = _Digests(on_scan=on_scan)
    if compare_voxels:
        digests.compare(_images(training), images, found)
    return ContaminationReport(
        training_images=len(_images(training)),
        test_images=len(images),
        test_questions=len(questions),
        overlaps=found.overlaps(),
        test_without_patient=sum(item.patient is None for item in images),
        compared_voxels=(digests.num_training, digests.num_test),
        unreadable=tuple(digests.unreadable),
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _images(items: Iterable[SetItem]) -> list[SetItem]:
    """One item per scan: the first one of each name that has a file, else the first."""
    chosen: dict[str, SetItem] = {}
    for item in items:
        name = without_ending(item.image_id)
        if name not in chosen or (chosen[name].path is None and item.path is not None):
            chosen[name] = item
    return list(chosen.values())


def _names(item: SetItem) -> tuple[str, ...]:
    return tuple(without_ending(name) for name in (item.image_id, *item.aliases))


@dataclass(kw_only=True, slots=True)
class _Training:
    """What training holds, by everything that is compared."""

    leaders: dict[str, str]
    by_name: dict[str, str] = field(default_factory=dict)
    by_scan: dict[str, str] = field(default_factory=dict)
    by_patient: dict[str, str] = field(default_factory=dict)
    by_text: dict[str, str] = field(default_factory=dict)
    by_question: dict[tuple[str, str], str] = field(default_factory=dict)

    def scans(self, item: SetItem) -> list[str]:
        """Names of the item, with each name that a mapping knows replaced by its scan's."""
        return [self.leaders.get(name, name) for name in _names(item)]

    def add(self, item: SetItem) -> None:
        for name in _names(item):
            self.by_name.setdefault(name, item.image_id)
        for scan in self.scans(item):
            self.by_scan.setdefault(scan, item.image_id)
            if item.question is not None:
                self.by_question.setdefault((scan, _plain(item.question)), item.image_id)
        if item.patient is not None:
            self.by_patient.setdefault(item.patient, item.image_id)
        if item.question is not None:
            self.by_text.setdefault(_plain(item.question), item.image_id)


def _empty() -> dict[Kind, list[tuple[str, str]]]:
    return {kind: [] for kind in KINDS}


@dataclass(kw_only=True, slots=True)
class _Found:
    """Pairs of a test name and a training name, by kind."""

    pairs: dict[Kind, list[tuple[str, str]]] = field(default_factory=_empty)

    def compare_image(self, item: SetItem, known: _Training) -> None:
        same = [known.by_name[name] for name in _names(item) if name in known.by_name]
        mapped = [known.by_scan[scan] for scan in known.scans(item) if scan in known.by_scan]
        if same:
            self.pairs["image_id"].append((item.image_id, same[0]))
        elif mapped:
            self.pairs["mapped_id"].append((item.image_id, mapped[0]))
        if item.patient is not None and item.patient in known.by_patient:
            self.pairs["patient"].append((item.image_id, known.by_patient[item.patient]))

    def compare_question(self, item: SetItem, known: _Training) -> None:
        text = _plain(item.question or "")
        if text in known.by_text:
            self.pairs["text"].append((item.image_id, known.by_text[text]))
        asked = [(scan, text) for scan in known.scans(item)]
        same = [known.by_question[each] for each in asked if each in known.by_question]
        if same:
            self.pairs["question_on_image"].append((item.image_id, same[0]))

    def overlaps(self) -> dict[Kind, Overlap]:
        return {
            kind: Overlap(
                count=len(pairs),
                first=tuple((shown_id(a), shown_id(b)) for a, b in pairs[:_FIRST]),
            )
            for kind, pairs in self.pairs.items()
        }


@dataclass(kw_only=True, slots=True)
class _Digests:
    """Fingerprints of scans on this machine, and those that could not be read."""

    on_scan: Callable[[int], None] | None
    num_training: int = 0
    num_test: int = 0
    unreadable: list[str] = field(default_factory=list)

    def compare(self, training: list[SetItem], test: list[SetItem], found: _Found) -> None:
        known: dict[str, list[tuple[ScanDigest, str]]] = {}
        for item in training:
            digest = self._digest(item, "training")
            if digest is not None:
                self.num_training += 1
                known.setdefault(digest.voxels_sha256, []).append((digest, item.image_id))
        for item in test:
            digest = self._digest(item, "test")
            if digest is None:
                continue
            self.num_test += 1
            same = known.get(digest.voxels_sha256, [])
            placed = [name for other, name in same if other.has_grid_of(digest)]
            if placed:
                found.pairs["voxels"].append((item.image_id, placed[0]))
            elif same:
                found.pairs["voxels_other_grid"].append((item.image_id, same[0][1]))

    def _digest(self, item: SetItem, side: str) -> ScanDigest | None:
        if item.path is None:
            return None
        try:
            digest = digest_scan(item.path)
        except DataError as error:
            self.unreadable.append(f"{side} {shown_id(item.image_id)}: {type(error).__name__}")
            return None
        if self.on_scan is not None:
            self.on_scan(self.num_training + self.num_test + 1)
        return digest
