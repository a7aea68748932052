"""Clinical metrics of the package RadEval, run in its own Python and never over the network.

RadEval pins older versions of transformers and numpy than vol3d needs, so it lives in an
environment of its own, whose Python is named here. The process is started offline
(``HF_HUB_OFFLINE=1``): a model that is not on disk is refused, not fetched. Metrics that send text
to a service, or that download when they start, are not offered.

Source: Xu et al., RadEval: a framework for radiology text evaluation, EMNLP 2025 (demonstrations);
PyPI ``RadEval`` 0.1.8.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from vol3d.errors import ConfigError, DataError, explain
from vol3d.evaluate.report_metrics.pairs import ReportPair

RadEvalMetric = Literal["f1radbert_ct", "radeval_bertscore", "ratescore", "green"]
MODELS: Mapping[RadEvalMetric, tuple[str, ...]] = {
    "f1radbert_ct": ("IAMJB/RadBERT-CT",),
    "radeval_bertscore": ("IAMJB/RadEvalModernBERT",),
    "ratescore": ("Angelakeke/RaTE-NER-Deberta", "FremyCompany/BioLORD-2023-C"),
    "green": ("StanfordAIMI/GREEN-radllama2-7b",),
}
"""Models on the Hugging Face hub that each metric loads."""
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
_CHILD = Path(__file__).resolve().parent / "radeval_child.py"


def score_with_radeval(
    pairs: Sequence[ReportPair],
    metrics: Sequence[RadEvalMetric],
    *,
    python: Path,
    timeout_s: float = 3600.0,
) -> dict[str, float]:
    """RadEval's scores of predicted reports by name, such as ``f1radbert_ct_micro_f1``.

    Args:
        pairs: Reports; every reference must be a text.
        metrics: Which to compute.
        python: Of the environment in which RadEval is installed.
        timeout_s: After which the process is ended.

    Raises:
        DataError: No pairs, or a reference that is not a text.
        ConfigError: An unknown metric, no such Python, RadEval or a model's files not there, or
            RadEval itself failed.
    """
    references = _references(pairs)
    unknown = [each for each in metrics if each not in get_args(RadEvalMetric)]
    if unknown or not metrics:
        raise _refusal(
            f"metrics among {', '.join(get_args(RadEvalMetric))}",
            ", ".join(unknown) or "none",
            "Other metrics of RadEval use the network; compute them with RadEval itself.",
        )
    if not python.is_file():
        raise _refusal(
            "the Python of an environment with RadEval",
            str(python),
            'Make one: "python -m venv radeval; radeval/bin/pip install RadEval".',
        )
    request = {
        "references": references,
        "predictions": [pair.prediction for pair in pairs],
        "metrics": list(metrics),
        "models": {metric: MODELS[metric] for metric in metrics},
    }
    return _scores(_run(python, request, timeout_s))


def _references(pairs: Sequence[ReportPair]) -> list[str]:
    texts = [pair.reference for pair in pairs if isinstance(pair.reference, str)]
    if not pairs or len(texts) != len(pairs):
        raise DataError(
            explain(
                expected="at least one pair, each with a text as reference",
                got=f"{len(pairs)} pairs, {len(texts)} of them with a text",
                where="RadEval",
                remedy="Leave out pairs whose reference is measured facts.",
            )
        )
    return texts


def _run(python: Path, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(python), str(_CHILD)],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **_OFFLINE},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _refusal(
            f"an answer within {timeout_s:g} s", "none", "Give fewer pairs or a longer timeout_s."
        ) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise _refusal("an answer of RadEval", last, "Check the environment of RadEval.")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def _scores(answer: Mapping[str, Any]) -> dict[str, float]:
    match answer:
        case {"scores": dict(found)}:
            return {str(name): float(value) for name, value in found.items()}
        case {"missing_package": str(name)}:
            raise _refusal(
                "the package RadEval in its Python", f"no module {name}", "Run pip install RadEval."
            )
        case {"missing_models": list(names)}:
            raise _refusal(
                "the files of every model on this machine",
                f"none of {', '.join(names)}",
                "vol3d downloads nothing; fetch them yourself, for example with "
                f'"hf download {names[0]}".',
            )
        case _:
            raise _refusal(
                "scores of RadEval", str(answer.get("failure", answer)), "See RadEval's own notes."
            )


def _refusal(expected: str, got: str, remedy: str) -> ConfigError:
    return ConfigError(explain(expected=expected, got=got, where="RadEval", remedy=remedy))
