"""Ways to answer a benchmark without understanding a scan; a good one does not pay for them."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import cc3d
import numpy as np
import torch
from scipy import ndimage

from vol3d.data.phantom_bench import BenchCase, bench_case
from vol3d.measure.case_masks import CaseMasks, assemble_masks
from vol3d.measure.engine import MeasureOptions, measure_case_masks
from vol3d.measure.facts import CaseFacts
from vol3d.measure.masks import MaskLayer, Masks
from vol3d.phantom.subjects import STRUCTURE_LABELS, Subject
from vol3d.vqa.answerer import answer_prompt
from vol3d.vqa.dataset import QaRecord
from vol3d.vqa.parse import split_options

LESION_SUBTYPES = frozenset(
    {
        *("liver lesion existence", "kidney lesion existence", "kidney tumor existence"),
        *("kidney cyst existence", "pancreatic lesion existence", "PDAC existence"),
        *("PNET existence", "colon lesion existence", "lesion counting", "lesion outlier"),
        *("largest lesion diameter", "largest lesion slice", "lesion volume measurement"),
        *("largest lesion attenuation", "largest lesion location", "lesion count by location"),
    }
)
_ORGANS = ("liver", "kidney_left", "kidney_right", "pancreas", "colon")


def blob_case(index: int) -> tuple[BenchCase, CaseFacts]:
    """A case, and the facts that a detector of dark and bright blobs would state of it.

    The detector is given the true organs and takes every blob that deviates by two and a half
    deviations from its organ's median, and is at least 5 mm wide, for a lesion of its organ: dark
    ones for cysts, the others for tumours.
    """
    torch.set_num_threads(1)
    subject, case = bench_case(index)
    facts = measure_case_masks(
        subject.volume, _blobs(subject), MeasureOptions(phase=subject.plan.phase)
    )
    return case, facts


def _blobs(subject: Subject) -> CaseMasks:
    voxels = ndimage.gaussian_filter(subject.volume.voxels_zyx.astype(np.float32), 1.0)
    numbers = {key: n for n, key in STRUCTURE_LABELS.items()}
    marked = np.zeros(subject.labels_zyx.shape, dtype=np.uint8)
    names: dict[int, str] = {}
    for key in _ORGANS:
        inside = ndimage.binary_erosion(subject.labels_zyx == numbers[key])
        group, _, side = key.partition("_")
        end = f"_{side}" if side else ""
        cold, hot = (
            ("pancreas_cyst", "pancreas_pdac")
            if group == "pancreas"
            else (f"{group}_cyst{end}", f"{group}_tumor{end}")
        )
        if group == "colon":
            cold = "colon_tumor"
        codes = []
        for name in (cold, hot):
            code = next((n for n, known in names.items() if known == name), len(names) + 1)
            names[code] = name
            codes.append(code)
        if not inside.any():
            continue
        values = voxels[inside]
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle))) + 1e-3
        for code, blob in (
            (codes[0], voxels < middle - 2.5 * spread),
            (codes[1], voxels > middle + 2.5 * spread),
        ):
            parts = cc3d.connected_components(inside & blob, connectivity=26)
            size = np.bincount(parts.ravel()) * subject.volume.grid.voxel_volume_mm3
            keep = np.flatnonzero(size > 65.0)
            marked[np.isin(parts, keep[keep > 0])] = code
    organs = np.where(
        np.isin(subject.labels_zyx, [numbers[k] for k in (*_ORGANS, "spleen")]),
        subject.labels_zyx,
        0,
    )
    table = {numbers[k]: k for k in (*_ORGANS, "spleen")}
    parts_present = set(np.unique(subject.parts_zyx).tolist()) - {0}
    layers = (
        MaskLayer(labels_zyx=organs.astype(np.uint8), names=table, declared=table),
        MaskLayer(
            labels_zyx=subject.parts_zyx,
            names={n: STRUCTURE_LABELS[n] for n in parts_present},
            declared={n: STRUCTURE_LABELS[n] for n in parts_present},
        ),
        MaskLayer(labels_zyx=marked, names=names, declared=names),
    )
    return assemble_masks([Masks(layers=layers, scheme=None)])


def guess_rates(records: Sequence[QaRecord], *, folds: int = 5) -> dict[str, float]:
    """Multiple-choice accuracy of guessing from priors, and from text and header, cross-validated.

    Both learn on other cases which answer (a phrase, or the rank of a number among the options) is
    most frequent: by subtype and number of options, or by the stem's words, phase, sex, age, shape
    and spacing as well.
    """
    images = sorted({record.image_id for record in records})
    random.Random(0).shuffle(images)
    fold = {image: number % folds for number, image in enumerate(images)}
    chance = [1 / len(split_options(record.mc_question)[1]) for record in records]
    return {
        "guessing": sum(chance) / len(records),
        "answer priors": majority_rate(records),
        "answer priors of other cases": _rate(records, fold, folds, _prior_key),
        "stem": _rate(records, fold, folds, _stem_key),
        "stem, phase and sex": _rate(records, fold, folds, _header_key),
        "subtype, age, shape and spacing": _rate(records, fold, folds, _scan_key),
    }


def majority_rate(records: Sequence[QaRecord]) -> float:
    """Accuracy of giving each subtype's most frequent answer that is among the options.

    It is taken on the questions themselves: where answers are evened out exactly, those of other
    cases point the wrong way, and a prior learned on them stays below chance.
    """
    right = 0
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        truth = _features(record)["ABCD".index(record.correct_option)]
        counts[record.question_subtype][truth] += 1
    for record in records:
        features, table = _features(record), counts[record.question_subtype]
        best = max(range(len(features)), key=lambda i: table[features[i]])
        right += best == "ABCD".index(record.correct_option)
    return right / len(records)


def _prior_key(record: QaRecord) -> str:
    return record.question_subtype


def _stem_key(record: QaRecord) -> str:
    return f"{record.question_subtype}|{split_options(record.mc_question)[0]}"


def _header_key(record: QaRecord) -> str:
    return f"{record.question_subtype}|{record.organ}|{record.contrast}|{record.sex}"


def _scan_key(record: QaRecord) -> str:
    z = float(record.spacing.strip("[]").split()[-1])
    old = int(float(record.age or 0) > 55)
    return f"{record.question_subtype}|{old}|{record.shape}|{round(z)}"


def _features(record: QaRecord) -> list[str]:
    """What an option is called when options of many questions are compared."""
    _, options = split_options(record.mc_question)
    try:
        numbers = [float(each) for each in options]
    except ValueError:
        return [each.casefold() for each in options]
    return [f"rank {sum(other < number for other in numbers)}" for number in numbers]


def _rate(
    records: Sequence[QaRecord],
    fold: dict[str, int],
    folds: int,
    key: Callable[[QaRecord], str],
) -> float:
    right = 0.0
    for held_out in range(folds):
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        prior: dict[str, Counter[str]] = defaultdict(Counter)
        for record in records:
            if fold[record.image_id] != held_out:
                truth = _features(record)["ABCD".index(record.correct_option)]
                seen[key(record)][truth] += 1
                prior[record.question_subtype][truth] += 1
        for record in records:
            if fold[record.image_id] == held_out:
                table, spare = seen[key(record)], prior[record.question_subtype]
                scores = [(table[f], spare[f]) for f in _features(record)]
                best = [i for i, score in enumerate(scores) if score == max(scores)]
                is_hit = "ABCD".index(record.correct_option) in best
                right += is_hit / len(best)
    return right / len(records)


def blob_points(record: QaRecord, facts: CaseFacts) -> float:
    """1 for the right letter, the chance of guessing where the detector has no answer, else 0."""
    letter = answer_prompt(record.mc_question, facts)
    if letter is None:
        return 1 / len(split_options(record.mc_question)[1])
    return float(letter == record.correct_option)
