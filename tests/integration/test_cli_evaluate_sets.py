"""``vol3d evaluate`` over files that exist: reports, public sets, retrieval, shared cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_systems import toy_record

from vol3d.cli.evaluate_sets import lines_of
from vol3d.cli.main import run
from vol3d.cli.outcome import FAILED, OK, REFUSED, USAGE
from vol3d.data.phantom_bench import make_phantom_bench
from vol3d.vqa.dataset import write_json

REFERENCE = "There is a 2.4 cm mass in the left kidney. The liver is normal without focal lesion."
MIRRORED = "There is a 2.4 cm mass in the right kidney. The liver is normal without focal lesion."


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    rows = [
        {"case_id": "a", "reference": REFERENCE, "prediction": REFERENCE},
        {"case_id": "b", "reference": REFERENCE, "prediction": MIRRORED},
    ]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def test_a_report_with_the_wrong_side_is_told(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", "reports", str(pairs), "--no-text", "--json"]) == OK
    found = printed(capsys)
    assert "Research use only" in found["disclaimer"]
    assert [case["laterality_errors"] for case in found["cases"]] == [0, 1]


def test_overlap_of_words_hardly_sees_the_wrong_side(
    pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sacrebleu")
    assert run(["evaluate", "reports", str(pairs), "--json"]) == OK
    assert "text" in printed(capsys)


def test_radeval_needs_its_own_python(pairs: Path) -> None:
    assert run(["evaluate", "reports", str(pairs), "--radeval", "green"]) == USAGE


def test_scores_are_saved(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.json"
    assert run(["evaluate", "reports", str(pairs), "--no-text", "-q", "-o", str(out)]) == OK
    assert "Research use only" in json.loads(out.read_text())["disclaimer"]


def test_retrieval_of_embeddings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "e.npz", images=np.eye(12), texts=np.eye(12))
    (tmp_path / "t.csv").write_text("text\n" + "".join(f"text {n}\n" for n in range(12)))
    files = [str(tmp_path / name) for name in ("e.npz", "t.csv")]
    assert run(["evaluate", "retrieval", *files, "--json"]) == OK
    assert "Research use only" in printed(capsys)["disclaimer"]


def test_a_public_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("qid,prediction\n")
    command = ["evaluate", "public", "3d-rad", str(tmp_path), str(tmp_path / "p.csv"), "-q"]
    assert run(command) == REFUSED


def test_shared_scans_end_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, images in (("train", (1, 2)), ("test", (2, 3)), ("other", (4,))):
        records = [toy_record(n, image=image) for n, image in enumerate(images, start=1)]
        write_json(tmp_path / f"{name}.json", records)
    train, test, other = (str(tmp_path / f"{n}.json") for n in ("train", "test", "other"))
    assert run(["evaluate", "contamination", train, test, "--json"]) == FAILED
    assert printed(capsys)["overlaps"]["image_id"]["count"] == 1
    assert run(["evaluate", "contamination", train, other, "-q"]) == OK


def test_scores_are_told_as_lines() -> None:
    assert lines_of({"a": {"b": 0.5, "c": [1, 2]}, "d": ["x"] * 9, "disclaimer": "r"}) == [
        "a.b: 0.5000",
        "a.c: [1, 2]",
        "d: 9 entries",
    ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    make_phantom_bench(folder, num_cases=1, shape_zyx=(64, 80, 80))
    return folder


def agent(bench: Path, out: Path, *options: str) -> int:
    command = ["evaluate", "agent", str(bench), "-o", str(out), "-q", "--model", "none"]
    return run([*command, *options])


def accuracy(out: Path) -> float:
    found = json.loads((out / "summary.json").read_text())
    return float(found["overall"]["scores"]["strict"]["mean"])


def test_live_tools_settle_what_a_cache_of_scalars_does_not(bench: Path, tmp_path: Path) -> None:
    assert agent(bench, tmp_path / "live") == OK
    assert agent(bench, tmp_path / "cache", "--tools", "oracle-cache") == OK
    assert accuracy(tmp_path / "live") == 1.0
    assert accuracy(tmp_path / "cache") < 1.0


def test_a_cache_made_of_masks_answers_like_the_data_sets_own(bench: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    assert run(["evaluate", "make-tool-cache", str(bench), "-o", str(cache), "-q"]) == OK
    own = json.loads(cache.read_text())["cache"]
    given = json.loads((bench / "tool_cache" / "benchmark_oracle_tool_cache.json").read_text())
    assert own == given["cache"]


def test_a_run_is_not_continued_with_other_masks(
    bench: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    degraded = ("--tools", "live-predicted", "--degrade")
    assert agent(bench, tmp_path, *degraded, "1,0.1", "--limit", "3") == OK
    assert agent(bench, tmp_path, *degraded, "2,0.1", "--limit", "3") == USAGE
    assert "another facts, tools" in capsys.readouterr().err
