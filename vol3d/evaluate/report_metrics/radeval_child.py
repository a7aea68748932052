"""Runs RadEval in the environment that holds it; started by ``radeval.py``, imports no vol3d.

One JSON request on stdin; the last line of stdout is one JSON answer: ``scores``,
``missing_package``, ``missing_models`` or ``failure``.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    try:
        hub = import_module("huggingface_hub")
        constants = import_module("huggingface_hub.constants")
        package = import_module("RadEval")
    except ModuleNotFoundError as error:
        return {"missing_package": error.name}
    if not constants.HF_HUB_OFFLINE:
        return {"failure": "the Hugging Face hub is not offline"}
    models = [model for own in request["models"].values() for model in own]
    missing = [model for model in models if not _is_on_disk(hub, model)]
    if missing:
        return {"missing_models": missing}
    flags = {f"do_{metric}": True for metric in request["metrics"]}
    scorer = package.RadEval(**flags, show_progress=False)
    found = scorer(refs=request["references"], hyps=request["predictions"])
    return {"scores": {name: float(value) for name, value in found.items()}}


def _is_on_disk(hub: Any, model: str) -> bool:
    """Whether the hub's cache holds the model; asked so, it never goes to the network."""
    errors = import_module("huggingface_hub.errors")
    try:
        hub.snapshot_download(model, local_files_only=True)
    except errors.LocalEntryNotFoundError:
        return False
    return True


def main() -> None:
    """Answers the request on stdin; a failure of RadEval itself is part of the answer."""
    request = json.loads(sys.stdin.read())
    try:
        answer = answer_to(request)
    except Exception as error:  # the other process turns it into an error of its own
        answer = {"failure": f"{type(error).__name__}: {error}"}
    print("\n" + json.dumps(answer))


if __name__ == "__main__":
    main()
