"""``vol3d evaluate reports | public | retrieval | contamination``: scores of files that exist."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from vol3d.cli.evaluate import app
from vol3d.cli.options import JsonFlag, QuietFlag, VerboseFlag
from vol3d.cli.outcome import FAILED, OK, print_json

SavedFlag = Annotated[
    Path | None,
    typer.Option("--output", "-o", dir_okay=False, help="File for the scores as JSON."),
]
SetSplitFlag = Annotated[
    str | None, typer.Option("--split", help="Of the set; default: its usual test split.")
]


@app.command("reports")
def reports(
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS",
            help="JSONL or CSV with case_id, reference, prediction; or a folder of references "
            "(<case_id>.txt, or .json with facts).",
        ),
    ],
    predictions: Annotated[
        Path | None,
        typer.Argument(metavar="[PREDICTIONS]", help="Folder of <case_id>.txt, beside a folder."),
    ] = None,
    text_metrics: Annotated[
        bool,
        typer.Option("--text/--no-text", help="BLEU, ROUGE, METEOR, CIDEr (extra: evaluate)."),
    ] = True,
    radeval: Annotated[
        list[str] | None,
        typer.Option("--radeval", help="A clinical metric of RadEval; may be given repeatedly."),
    ] = None,
    radeval_python: Annotated[
        Path | None,
        typer.Option("--radeval-python", help="Python of the environment that has RadEval."),
    ] = None,
    output: SavedFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Score reports: which tumours they find, miss, invent or put on the wrong side."""
    from vol3d.evaluate.report_metrics import load_pairs, score_reports, score_with_radeval

    found = load_pairs(pairs, predictions)
    clinical = None
    if radeval:
        if radeval_python is None:
            raise typer.BadParameter("--radeval needs --radeval-python.")
        clinical = score_with_radeval(found, radeval, python=radeval_python)  # type: ignore[arg-type]
    scores = score_reports(found, with_text=text_metrics, radeval=clinical).to_json()
    _tell(scores, output, is_json=is_json, is_quiet=quiet)


class PublicSetOption(StrEnum):
    """Public sets that predictions can be scored on."""

    M3D_VQA = "m3d-vqa"
    M3D_CAP = "m3d-cap"
    RAD_3D = "3d-rad"
    CT_RATE = "ct-rate"
    CT_RATE_REPORTS = "ct-rate-reports"
    MERLIN = "merlin"
    MERLIN_FIVE_YEAR = "merlin-five-year"
    MERLIN_REPORTS = "merlin-reports"


@app.command("public")
def public(
    name: Annotated[PublicSetOption, typer.Argument(metavar="SET", help="Which public set.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Its folder, as published.")],
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="CSV or JSONL with qid (or image_id) and prediction; for findings a CSV with "
            "image_id and a probability for each.",
        ),
    ],
    split: SetSplitFlag = None,
    threshold_predictions: Annotated[
        Path | None,
        typer.Option("--threshold-predictions", help="Probabilities to choose thresholds on."),
    ] = None,
    threshold_split: Annotated[
        str | None, typer.Option("--threshold-split", help="The split they are of.")
    ] = None,
    text_metrics: Annotated[
        bool,
        typer.Option("--text/--no-text", help="BLEU, ROUGE, METEOR, CIDEr (extra: evaluate)."),
    ] = True,
    output: SavedFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Score predictions on M3D, CT-RATE, Merlin or 3D-RAD, in their published layout."""
    from vol3d.evaluate.public_sets.scores import ScoreOptions, evaluate_predictions

    options = ScoreOptions(
        split=split,
        threshold_predictions=threshold_predictions,
        threshold_split=threshold_split,
        text_metrics=_text_scores if text_metrics else None,
    )
    scores = evaluate_predictions(name.value, data, predictions, options=options)
    _tell(scores, output, is_json=is_json, is_quiet=quiet)


def _text_scores(references: Any, words: Any) -> dict[str, Any]:
    """Overlap of words, for open questions and reports."""
    from vol3d.evaluate.report_metrics import score_texts

    return score_texts(references, words).to_json()


@app.command("retrieval")
def retrieval(
    embeddings: Annotated[
        Path,
        typer.Argument(
            metavar="EMBEDDINGS",
            help="NumPy .npz file with images (N, D) and texts (N, D) of a contrastive encoder.",
        ),
    ],
    texts: Annotated[
        Path,
        typer.Argument(
            metavar="TEXTS", help="CSV with a row per pair: text, and patient if it is known."
        ),
    ],
    output: SavedFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Recall at 1, 5 and 10 from scan to text and back; equal texts answer each other."""
    from vol3d.evaluate.retrieval import load_embeddings, retrieval_json

    _tell(
        retrieval_json(load_embeddings(embeddings, texts)), output, is_json=is_json, is_quiet=quiet
    )


@app.command("contamination")
def contamination(
    training: Annotated[
        Path,
        typer.Argument(metavar="TRAINING", help="Manifest, folder of cases, or question file."),
    ],
    test: Annotated[Path, typer.Argument(metavar="TEST", help="The same, of the test set.")],
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping",
            exists=True,
            dir_okay=False,
            help="CSV of ids of the same scan, as AbdomenAtlas has one.",
        ),
    ] = None,
    voxels: Annotated[
        bool, typer.Option("--voxels", help="Also compare the voxels of scans that are here.")
    ] = False,
    output: SavedFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Whether training shares scans, patients or questions with a test set; exit code 1 if so."""
    from vol3d.evaluate.contamination import check_contamination
    from vol3d.evaluate.set_items import read_id_mapping, read_items

    report = check_contamination(
        read_items(training),
        read_items(test),
        mapping=None if mapping is None else read_id_mapping(mapping),
        compare_voxels=voxels,
    )
    _tell(report.to_json(), output, is_json=is_json, is_quiet=quiet)
    return OK if report.is_clean else FAILED


def _tell(scores: dict[str, Any], output: Path | None, *, is_json: bool, is_quiet: bool) -> None:
    """Saves scores, prints them as JSON on stdout, or as lines on stderr."""
    if output is not None:
        from vol3d.evaluate.evidence import write_whole

        write_whole(output, json.dumps(scores, indent=2, ensure_ascii=True))
    if is_json:
        print_json(scores)
    if not is_quiet and not is_json:
        for line in lines_of(scores):
            print(line, file=sys.stderr)
        print(scores["disclaimer"], file=sys.stderr)


def lines_of(scores: Any, name: str = "") -> list[str]:
    """Scores as lines ``name: value``; lists are told by their length.

    Args:
        scores: As JSON has them.
        name: Of the value.
    """
    if isinstance(scores, dict):
        start = f"{name}." if name else ""
        return [
            line
            for key, value in scores.items()
            if key != "disclaimer"
            for line in lines_of(value, f"{start}{key}")
        ]
    if isinstance(scores, list):
        is_short = len(scores) <= 3 and all(isinstance(each, (int, float)) for each in scores)
        return [f"{name}: {scores}" if is_short else f"{name}: {len(scores)} entries"]
    return [f"{name}: {scores:.4f}" if isinstance(scores, float) else f"{name}: {scores}"]
