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

from vol3d.evaluate.agent.caches import CacheTools
from vol3d.evaluate.official import aggregate
from vol3d.evaluate.prompt import direct_prompt
from vol3d.vqa.dataset import QaRecord, load_questions


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

    def run(
        self, *, fmt: str, output_path: Path, data_dir: Path, limit: int | None = None, **_: Any
    ) -> dict[str, Any]:
        """Asks all questions, looking tools' results up in the cache."""
        records = load_questions(Path(data_dir) / "benchmark" / "test_qa.json")
        own = Path(data_dir) / "tool_cache" / "benchmark_oracle_tool_cache.json"
        tools = CacheTools.load(Path(self.tool_cache_path_override or own))
        rows = [{"qid": r.qid, "pred_answer": self._ask(r, tools, fmt)} for r in records[:limit]]
        metrics = aggregate(rows, {r.qid: r.model_dump() for r in records}, fmt)
        whole = {"metrics": metrics, "n_processed": len(rows), "results": rows}
        Path(output_path).write_text(json.dumps(whole))
        return metrics

    def _ask(self, record: QaRecord, tools: CacheTools, fmt: str) -> str:
        prompt = direct_prompt(record, fmt, view="2d_image")  # type: ignore[arg-type]
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.system_prompt},
            {"role": "user", "content": prompt},
        ]
        content = ""
        for step in range(self.max_steps):
            is_last = step == self.max_steps - 1
            reply = self.chat(messages, [] if is_last else list(tools.schemas()))
            content, calls = reply["content"] or "", reply["tool_calls"]
            if not calls:
                break
            messages.append({"role": "assistant", "content": content, "tool_calls": calls})
            for call in calls:
                found = tools.call(call["name"], call["arguments"], image_id=record.image_id)
                text = json.dumps(found.content)
                messages.append({"role": "tool", "name": call["name"], "content": text})
        return content


def install(monkeypatch: Any) -> None:
    """Puts the stand-in where the official package would be."""
    names = ("deeptumorvqa", "deeptumorvqa.eval")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for name, member in (("vqa_evaluator", HFVLMEvaluator), ("agent_evaluator", AgentEvaluator)):
        module = types.ModuleType(f"deeptumorvqa.eval.{name}")
        setattr(module, member.__name__, member)
        monkeypatch.setitem(sys.modules, module.__name__, module)
