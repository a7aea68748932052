"""Where the questions and scans of DeepTumorVQA lie: a local folder, or the hub's cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vol3d.errors import ConfigError, DataError, explain
from vol3d.vqa.dataset import QaRecord, load_questions

HUB_IDS = {"v2": "tumor-vqa/DeepTumorVQA_2.0", "v1": "tumor-vqa/DeepTumorVQA_1.0"}
"""Data sets on the hub; the first version's name was not verified."""
_QUESTION_FILES = {
    "benchmark": ("benchmark/test_qa.json", "test_qa.json", "benchmark/test_qa.jsonl"),
    "train": ("train/train_qa.csv", "train_qa.csv"),
    "validation": ("train/val_qa_pool.csv", "val_qa_pool.csv", "train/val_qa.csv", "val_qa.csv"),
}
"""Question files of a split, the usual place first; the second of each is of version 1."""
_SCANS = (
    "{split}/ct/{id}/ct.nii.gz",
    "{split}/ct/{id}/series",
    "benchmark/ct/{id}/ct.nii.gz",
    "benchmark/ct/{id}/series",
    "image_only/{id}/ct.nii.gz",
    "ct/{id}/ct.nii.gz",
    "{id}/ct.nii.gz",
    "{id}/series",
)
"""Where scans lie below the root; the later ones are of AbdomenAtlas and of version 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanPlace:
    """Files of one image id; ``None`` where there is none.

    Args:
        image_id: As in the questions.
        scan: NIfTI file or folder of DICOM slices.
        masks: Folder with a mask per structure.
    """

    image_id: str
    scan: Path | None
    masks: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """Questions with the places of their scans.

    Args:
        root: Folder of the data set.
        questions: In the order of the file.
        file: The question file.
        split: ``benchmark``, ``train`` or ``validation``.
        masks_dir: Masks by image id that lie elsewhere than beside the scans.
    """

    root: Path
    questions: tuple[QaRecord, ...]
    file: Path
    split: str = "benchmark"
    masks_dir: Path | None = None

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Every image once, in the order of the questions."""
        return tuple(dict.fromkeys(record.image_id for record in self.questions))

    def place(self, image_id: str) -> ScanPlace:
        """Where the files of an image are."""
        paths = (self.root / pattern.format(split=self.split, id=image_id) for pattern in _SCANS)
        scan = next((path for path in paths if path.exists()), None)
        beside = None if scan is None else scan.parent / "segmentations"
        elsewhere = None if self.masks_dir is None else self.masks_dir / image_id
        if elsewhere is not None and (elsewhere / "segmentations").is_dir():
            elsewhere = elsewhere / "segmentations"
        masks = beside if elsewhere is None else elsewhere
        found = masks if masks is not None and masks.exists() else None
        return ScanPlace(image_id=image_id, scan=scan, masks=found)

    def only(
        self,
        *,
        subtypes: Sequence[str] = (),
        limit: int | None = None,
        part: tuple[int, int] = (0, 1),
    ) -> Benchmark:
        """A part of the questions.

        Args:
            subtypes: Only these; all if empty.
            limit: Only the first so many, counted after the choice of subtypes.
            part: Which of how many parts; every volume lies in one part as a whole.

        Raises:
            ConfigError: A subtype or part that does not exist.
        """
        part_id, num_parts = part
        if not 0 <= part_id < num_parts:
            raise _wrong_part(part_id, num_parts)
        unknown = set(subtypes) - {record.question_subtype for record in self.questions}
        if unknown:
            raise ConfigError(
                explain(
                    expected="subtypes that the questions have",
                    got=", ".join(sorted(unknown)),
                    where="--subtype",
                    remedy="Use names as in the column question_subtype.",
                )
            )
        kept = [r for r in self.questions if not subtypes or r.question_subtype in subtypes]
        kept = kept[:limit]
        images = dict.fromkeys(record.image_id for record in kept)
        own = {image for place, image in enumerate(images) if place % num_parts == part_id}
        return replace(self, questions=tuple(r for r in kept if r.image_id in own))


def _wrong_part(part_id: int, num_parts: int) -> ConfigError:
    return ConfigError(
        explain(
            expected="--part-id from 0 to --num-parts minus 1",
            got=f"part {part_id} of {num_parts}",
            where="--part-id",
            remedy="Run every part once, then vol3d evaluate merge-parts.",
        )
    )


def load_benchmark(
    source: str | Path,
    *,
    split: str = "benchmark",
    questions: Path | None = None,
    masks_dir: Path | None = None,
    allow_download: bool = False,
) -> Benchmark:
    """The questions of a data set.

    Args:
        source: Its folder, or ``v2`` or ``v1`` for what the hub's cache holds.
        split: ``benchmark``, ``train`` or ``validation``; the last without volumes of the
            benchmark.
        questions: A question file that lies elsewhere.
        masks_dir: Folder with masks by image id, if they do not lie beside the scans.
        allow_download: Whether the hub may be asked for what the cache lacks.

    Raises:
        DataError: No such folder, no question file, or a wrong record.
        ConfigError: No such split.
    """
    if split not in _QUESTION_FILES:
        raise ConfigError(
            explain(
                expected=f"one of {', '.join(_QUESTION_FILES)}",
                got=split,
                where="--split",
                remedy="DeepTumorVQA has a benchmark, training questions and a validation pool.",
            )
        )
    root = _root(source, allow_download=allow_download)
    names = _QUESTION_FILES[split]
    found = [questions] if questions is not None else [root / name for name in names]
    file = next((path for path in found if path.is_file()), None)
    if file is None:
        raise _no_questions(root, names if questions is None else [questions.name])
    records = load_questions(file)
    if split == "validation":
        held_out = _benchmark_images(root)
        records = tuple(record for record in records if record.image_id not in held_out)
    if not records:
        raise _no_questions(root, [f"{file.name} with questions"])
    return Benchmark(root=root, questions=records, file=file, split=split, masks_dir=masks_dir)


def _benchmark_images(root: Path) -> frozenset[str]:
    """Images of the benchmark, where its questions are here.

    The published pool for validation is what the benchmark was drawn from; choosing on its volumes
    would be choosing on the test.
    """
    names = (root / name for name in _QUESTION_FILES["benchmark"])
    file = next((path for path in names if path.is_file()), None)
    return frozenset() if file is None else frozenset(r.image_id for r in load_questions(file))


def _no_questions(root: Path, names: Sequence[str]) -> DataError:
    return DataError(
        explain(
            expected=f"a question file: {' or '.join(names)}",
            got="none of them",
            where=f"data set {root.name}",
            remedy="Pass the folder that holds benchmark/ and train/, or --questions FILE.",
        )
    )


def _root(source: str | Path, *, allow_download: bool) -> Path:
    if Path(source).is_dir():
        return Path(source)
    hub_id = HUB_IDS.get(str(source))
    if hub_id is None:
        raise DataError(
            explain(
                expected="a folder in the layout of DeepTumorVQA, or v2 or v1 for the hub's cache",
                got="no such folder",
                where=f"data set {Path(source).name}",
                remedy="Make one with: vol3d phantom bench -o DIR",
            )
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        found = snapshot_download(hub_id, repo_type="dataset", local_files_only=not allow_download)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise DataError(
            explain(
                expected=f"{hub_id} in the hub's cache",
                got=type(error).__name__,
                where=f"data set {source}",
                remedy="Pass its folder, or allow the download with --allow-download.",
            )
        ) from error
    return Path(found)
