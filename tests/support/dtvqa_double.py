"""A stand-in for the official evaluator of DeepTumorVQA, as its contract is specified.

Questions are asked one at a time, in the order of the file, with the prompt's text and the path of
``ct.nii.gz`` alone; a missing file is ``None``; an exception becomes the text of an answer.
"""

from __future__ import annotations

import json
import sys
import types
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from vol3d.evaluate.official import aggregate
from vol3d.evaluate.prompt import direct_prompt
from vol3d.vqa.dataset import load_questions


class HFVLMEvaluator(ABC):
    """What a plug-in extends for direct questions."""

    system_prompt = "You answer questions about CT scans."

    def __init__(self, model_id: str, device: str = "cuda", **kwargs: Any) -> None:
        self.model_id, self.device, self.kwargs = model_id, device, kwargs

    @abstractmethod
    def generate(
        self, prompt: str, images: list[Any] | None = None, video_path: str | None = None
    ) -> str:
        """The answer to one prompt."""

    def run(
        self, *, fmt: str, output_path: Path, data_dir: Path, limit: int | None = None, **_: Any
    ) -> dict[str, Any]:
        """Asks all questions and writes the result file."""
        records = load_questions(Path(data_dir) / "benchmark" / "test_qa.json")
        rows = []
        for record in records[:limit]:
            scan = Path(data_dir) / "benchmark" / "ct" / record.image_id / "ct.nii.gz"
            path = str(scan) if scan.exists() else None
            prompt = direct_prompt(record, fmt)  # type: ignore[arg-type]
            try:
                said = self.generate(prompt, images=None, video_path=path)
            except Exception as error:  # scored, as the contract says
                said = f"[ERROR] {type(error).__name__}: {error}"
            rows.append({"qid": record.qid, "raw_output": said, "pred_answer": said})
        index = {record.qid: record.model_dump() for record in records}
        metrics = aggregate(rows, index, fmt)
        whole = {"metrics": metrics, "n_processed": len(rows), "results": rows}
        Path(output_path).write_text(json.dumps(whole))
        return metrics


class AgentEvaluator(ABC):
    """What a plug-in extends for a tool loop."""

    system_prompt = "You may call tools."

    def __init__(
        self,
        model_id: str,
        mode: str = "oracle",
        tool_cache_path_override: str | Path | None = None,
        max_steps: int = 5,
        force_answer_on_last: bool = True,
        **kwargs: Any,
    ) -> None:
        self.model_id, self.mode, self.max_steps = model_id, mode, max_steps
        self.tool_cache_path_override = tool_cache_path_override
        self.force_answer_on_last, self.kwargs = force_answer_on_last, kwargs

    @abstractmethod
    def chat(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
        """The next turn of the model."""


def install(monkeypatch: Any) -> None:
    """Puts the stand-in where the official package would be."""
    names = ("deeptumorvqa", "deeptumorvqa.eval")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for name, member in (("vqa_evaluator", HFVLMEvaluator), ("agent_evaluator", AgentEvaluator)):
        module = types.ModuleType(f"deeptumorvqa.eval.{name}")
        setattr(module, member.__name__, member)
        monkeypatch.setitem(sys.modules, module.__name__, module)
