"""Sets of tools by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_cases import IMAGE, liver_case

from vol3d.errors import ConfigError, DataError
from vol3d.evaluate.agent.tool_choice import ToolSources, choose_tools
from vol3d.vqa.tool_cache import case_tools


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set with one scan's place and both published caches."""
    scan = tmp_path / "benchmark" / "ct" / IMAGE / "ct.nii.gz"
    scan.parent.mkdir(parents=True)
    scan.write_bytes(b"")
    (tmp_path / "tool_cache").mkdir()
    for name, spleen in (("oracle_tool", 350.0), ("totalsegmentator", 340.0)):
        cache = {"cache": {IMAGE: case_tools(liver_case(spleen_cm3=spleen))}}
        (tmp_path / "tool_cache" / f"benchmark_{name}_cache.json").write_text(json.dumps(cache))
    return tmp_path


def spleen_cm3(kind: str, sources: ToolSources) -> float:
    tools = choose_tools(kind, sources)  # type: ignore[arg-type]
    assert tools.name == kind
    arguments = {"target": "spleen", "measurement_type": "volume_cm3"}
    return float(tools.call("measure", arguments, image_id=IMAGE).content["value"])


def test_published_caches(data: Path) -> None:
    assert spleen_cm3("oracle cache", ToolSources(data_dir=data)) == 350.0
    assert spleen_cm3("predicted cache", ToolSources(data_dir=data)) == 340.0


def test_another_cache_takes_the_place_of_the_published_one(data: Path) -> None:
    other = data / "tool_cache" / "benchmark_totalsegmentator_cache.json"
    assert spleen_cm3("oracle cache", ToolSources(data_dir=data, cache=other)) == 340.0


def test_predicted_facts(data: Path) -> None:
    sources = ToolSources(data_dir=data, predicted=lambda image_id: liver_case(spleen_cm3=330.0))
    assert spleen_cm3("live predicted", sources) == 330.0


def test_predicted_needs_something_to_rest_on(data: Path) -> None:
    with pytest.raises(ConfigError, match="live predicted"):
        choose_tools("live predicted", ToolSources(data_dir=data))


def test_live_measures_the_masks(data: Path) -> None:
    tools = choose_tools("live", ToolSources(data_dir=data))
    result = tools.call("describe_scan", {}, image_id=IMAGE)
    assert result.fault is not None
    assert IMAGE in result.fault  # the case has no masks, and is named


def test_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        choose_tools("live", ToolSources(data_dir=tmp_path))
