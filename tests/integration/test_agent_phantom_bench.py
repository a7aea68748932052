"""The agent on two cases of PhantomBench: scans and masks from files, live tools and the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from vol3d.data.phantom_bench import make_phantom_bench
from vol3d.evaluate.agent.caches import CacheTools, load_tool_cache, make_tool_cache
from vol3d.evaluate.agent.cases import find_cases
from vol3d.evaluate.agent.embedded_client import EmbeddedClient
from vol3d.evaluate.agent.replay import replay
from vol3d.evaluate.agent.run import AgentRun, run_agent
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.toolset import ToolSet
from vol3d.evaluate.agent.trajectories import read_trajectories
from vol3d.evaluate.benchmark import load_benchmark
from vol3d.evaluate.casebook import CaseBook
from vol3d.evaluate.evidence import Facts, TrueMasks
from vol3d.vqa.dataset import load_questions

pytestmark = pytest.mark.slow
CACHE = Path("tool_cache/benchmark_oracle_tool_cache.json")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    make_phantom_bench(folder, num_cases=2, shape_zyx=(80, 112, 112))
    return folder


@pytest.fixture(scope="module")
def live(bench: Path) -> LiveTools:
    book = CaseBook(load_benchmark(bench), Facts(TrueMasks()))
    return LiveTools(book.facts, scan_of=book.scan)


def run(bench: Path, tools: ToolSet, out: Path) -> AgentRun:
    records = load_questions(bench / "benchmark" / "test_qa.json")
    return run_agent(records, lambda record: EmbeddedClient(), tools=tools, out=out)


def share_right(done: AgentRun) -> float:
    return sum(row.pred_answer == row.correct_option for row in done.rows) / len(done.rows)


def test_live_tools_find_every_answer_and_the_cache_does_not(
    bench: Path, live: LiveTools, tmp_path: Path
) -> None:
    done = run(bench, live, tmp_path / "live.jsonl")
    assert (done.num_faults, done.failed) == (0, {})
    assert share_right(done) == 1.0
    scalar = run(bench, CacheTools.load(bench / CACHE), tmp_path / "cache.jsonl")
    assert 0.4 < share_right(scalar) < 0.95
    for trajectory in read_trajectories(tmp_path / "live.jsonl")[::5]:
        assert replay(trajectory, live).is_same


def test_pictures_come_from_the_scans(live: LiveTools) -> None:
    result = live.call("crop_organ", {"organ": "liver"}, image_id="PHANTOM_20000000")
    assert result.fault is None
    assert result.content["image_base64"]


def test_a_cache_made_from_the_written_masks_is_that_of_the_bench(
    bench: Path, tmp_path: Path
) -> None:
    made = make_tool_cache(find_cases(bench), tmp_path / "cache.json")
    assert made.failed == {}
    assert load_tool_cache(tmp_path / "cache.json") == load_tool_cache(bench / CACHE)
