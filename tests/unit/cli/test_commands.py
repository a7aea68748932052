"""What each command prints and writes, and how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import typer
import yaml

from vol3d.cli import doctor, main
from vol3d.cli.doctor import check_scan
from vol3d.errors import CheckpointError
from vol3d.infer import Vol3d
from vol3d.report import Answer, Report
from vol3d.volume import Volume

Cli = Callable[..., Any]
ScanFile = Callable[[Volume], Path]
SPLEEN = "Is the spleen enlarged?"


@pytest.fixture
def scan(trunk_ct: Volume, scan_file: ScanFile) -> Path:
    return scan_file(trunk_ct)


@pytest.fixture
def mr_scan(trunk_mr: Volume, scan_file: ScanFile) -> Path:
    return scan_file(trunk_mr)


def test_report_writes_five_files(cli: Cli, scan: Path, tmp_path: Path) -> None:
    result = cli("report", scan, "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert len(list((tmp_path / "out").iterdir())) == 5
    assert result.out == ""
    assert "Research use only" in result.err


def test_report_json_is_the_report(cli: Cli, scan: Path, tmp_path: Path) -> None:
    result = cli("report", scan, "-o", tmp_path / "out", "--json", "--quiet")
    assert Report.model_validate_json(result.out).candidates.status == "listed"
    assert result.err == ""


def test_report_on_mr_withholds_and_ends_well(cli: Cli, mr_scan: Path, tmp_path: Path) -> None:
    result = cli("report", mr_scan, "-o", tmp_path / "out", "--modality", "mr", "--json")
    assert result.code == 0
    assert Report.model_validate_json(result.out).candidates.status == "withheld"


def test_verbose_names_the_stages(cli: Cli, scan: Path, tmp_path: Path) -> None:
    result = cli("report", scan, "-o", tmp_path / "out", "--verbose")
    assert result.err.index("Reading the scan") < result.err.index("Loading the model")


def test_progress_is_silent_without_a_terminal(cli: Cli, scan: Path, tmp_path: Path) -> None:
    assert "Reading" not in cli("report", scan, "-o", tmp_path / "out").err


def test_output_file_is_a_usage_error(cli: Cli, scan: Path, tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    result = cli("report", scan, "-o", tmp_path / "out", "--json")
    assert result.code == 2
    assert json.loads(result.out)["error"]["type"] == "ConfigError"
    assert "existing file" in result.err


def test_missing_scan_is_refused(cli: Cli, tmp_path: Path) -> None:
    result = cli("report", tmp_path / "none.nii", "-o", tmp_path / "out", "--json")
    assert result.code == 3
    assert json.loads(result.out)["error"]["exit_code"] == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no scan at all", b"\x1f\x8b\x08\x00damaged"])
def test_damaged_scan_is_refused_the_same_by_info(cli: Cli, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(content)
    report, info = cli("report", path, "-o", tmp_path / "out"), cli("info", path)
    assert report.code == info.code == 3
    assert report.err == info.err


def test_refused_scan_loads_no_model(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vol3d, "from_pretrained", lambda *a, **k: pytest.fail("was loaded"))
    assert cli("report", tmp_path / "none.nii", "-o", tmp_path / "out").code == 3


def test_checkpoint_error_is_a_failure(
    cli: Cli, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> Vol3d:
        raise CheckpointError("weights are missing")

    monkeypatch.setattr(Vol3d, "from_pretrained", fail)
    result = cli("report", scan, "-o", tmp_path / "out", "--json")
    assert result.code == 1
    assert result.err == "vol3d: weights are missing\n"


def test_unexpected_error_is_one_message_without_a_traceback(
    cli: Cli, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> Vol3d:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Vol3d, "from_pretrained", fail)
    quiet = cli("report", scan, "-o", tmp_path / "out")
    assert quiet.code == 1
    assert quiet.err.startswith("vol3d: RuntimeError: out of memory\n")
    assert "Traceback" not in quiet.err
    assert "Traceback" in cli("report", scan, "-o", tmp_path / "out", "--verbose").err


def _commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command of the program, as its words."""
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        is_group = hasattr(command, "commands")
        found += _commands(command, (*path, name)) if is_group else [(*path, name)]
    return found


MODEL_CHECK = doctor.Check(subject="model", verdict="ok", found="not looked at")
COMMANDS = _commands(typer.main.get_command(main.app))


def test_commands_are_found() -> None:
    assert {("report",), ("info",), ("doctor",), ("config", "show")} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_quiet_and_verbose(cli: Cli, command: tuple[str, ...]) -> None:
    text = cli(*command, "--help").out
    assert "--quiet" in text
    assert "--verbose" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_usage_has_no_traceback(cli: Cli, command: tuple[str, ...]) -> None:
    for arguments in (["--none"], ["one", "two", "three", "four", "--modality", "pet"]):
        result = cli(*command, *arguments, "--verbose")
        assert result.code == 2
        assert result.err.startswith("vol3d: ")
        assert "--verbose" not in result.err


def test_question_of_unusable_choices_has_no_traceback(cli: Cli, scan: Path) -> None:
    result = cli("ask", scan, SPLEEN, "--choices", "yes", "-v")
    assert result.code == 2
    assert "Traceback" not in result.err


@pytest.mark.parametrize("option", ["--verbose", "-v", "-qv", "-vo"])
def test_verbose_failure_has_a_traceback_and_the_message_but_no_hint(
    cli: Cli, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    def fail(*args: object, **kwargs: object) -> Vol3d:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Vol3d, "from_pretrained", fail)
    given = [option, tmp_path] if option == "-vo" else [option, "-o", tmp_path]
    result = cli("report", scan, *given)
    assert "Traceback" in result.err
    assert result.err.endswith("vol3d: RuntimeError: out of memory\n")


@pytest.mark.parametrize(
    ("arguments", "step"),
    [
        (["info", "x.nii"], "vol3d.measure.masks.inspect_scan_and_masks"),
        (["doctor"], "vol3d.infer.recorder.versions"),
        (["config", "show", "x"], "vol3d.config.read_mapping"),
    ],
)
def test_hint_of_a_failure_works(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], step: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(step, fail)
    monkeypatch.setattr("vol3d.cli.doctor.check_model", lambda model: (MODEL_CHECK, None))
    assert "Run again with --verbose" in cli(*arguments).err
    again = cli(*arguments, "--verbose")
    assert "Traceback" in again.err
    assert "Run again" not in again.err


def test_quiet_info_answers_with_its_exit_code(cli: Cli, scan: Path, tmp_path: Path) -> None:
    result = cli("info", scan, "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert cli("info", tmp_path / "none.nii", "-q").code == 3


def test_quiet_validate_answers_with_its_exit_code(cli: Cli) -> None:
    result = cli("config", "validate", "train/embedded", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_quiet_doctor_prints_only_what_is_not_in_order(cli: Cli, mr_scan: Path) -> None:
    result = cli("doctor", mr_scan, "--modality", "mr", "--quiet", "--model", "no/such/model")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[-1] == "Research use only, not for clinical use."
    assert any(line.startswith("problem model") for line in lines)
    assert not any(line.startswith("ok ") for line in lines)


def test_interrupt_ends_with_130(
    cli: Cli, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object, **kwargs: object) -> Vol3d:
        raise KeyboardInterrupt

    monkeypatch.setattr(Vol3d, "from_pretrained", stop)
    result = cli("report", scan, "-o", tmp_path / "out")
    assert (result.code, result.err) == (130, "vol3d: interrupted.\n")


@pytest.mark.parametrize(
    "arguments",
    [["report"], ["nothing"], ["info", "x", "--modality", "pet"], ["config", "show", "none"]],
)
def test_wrong_usage_ends_with_2(cli: Cli, arguments: list[str]) -> None:
    result = cli(*arguments, "--json")
    assert result.code == 2
    assert result.err.startswith("vol3d: ")


def test_usage_error_is_json_too(cli: Cli) -> None:
    assert json.loads(cli("info", "--json").out)["error"]["exit_code"] == 2


def test_ask_prints_the_answer_and_that_it_is_unvalidated(
    cli: Cli, scan: Path, fake_engine: Any
) -> None:
    fake_engine.answer = "no"
    result = cli("ask", scan, SPLEEN)
    assert result.code == 0
    assert result.out.splitlines() == [
        "no",
        "Unvalidated model output. Research use only, not for clinical use.",
    ]


@pytest.mark.parametrize(
    "options", [["--choices", "yes|no"], ["--choice", "yes", "--choice", "no"]]
)
def test_ask_takes_choices_in_two_ways(cli: Cli, scan: Path, options: list[str]) -> None:
    answer = Answer.model_validate_json(cli("ask", scan, SPLEEN, *options, "--json").out)
    assert (answer.choices, answer.text) == (("yes", "no"), "no")


def test_ask_outside_of_the_grammar_ends_with_2(cli: Cli, scan: Path) -> None:
    result = cli("ask", scan, "Is there a fracture?", "--json")
    assert result.code == 2
    assert Answer.model_validate_json(result.out).text is None


def test_ask_about_an_mr_ends_with_3(cli: Cli, mr_scan: Path) -> None:
    result = cli("ask", mr_scan, SPLEEN, "--modality", "mr")
    assert result.code == 3
    assert result.out.startswith("Refused.")


def test_info_shows_geometry(cli: Cli, scan: Path) -> None:
    result = cli("info", scan)
    assert result.code == 0
    assert "80 x 60 x 12 (i, j, k)" in result.out
    assert "5 x 5 x 5 mm" in result.out
    assert "Research use only" in result.out


def test_info_json_is_the_inspection(cli: Cli, scan: Path) -> None:
    record = json.loads(cli("info", scan, "--json").out)
    assert record["stored"]["shape_ijk"] == [80, 60, 12]
    assert record["refusal"] is None


def test_info_tells_of_masks(cli: Cli, scan: Path, tmp_path: Path) -> None:
    image = nibabel.load(scan)
    labels = np.zeros(image.shape, np.uint8)
    labels[:2, :2, :2] = 7
    nibabel.save(nibabel.Nifti1Image(labels, image.affine), tmp_path / "m.nii")
    named = cli(
        "info", scan, "--masks", tmp_path / "m.nii", "--label-scheme", "totalsegmentator_v1"
    )
    assert named.code == 0
    assert "7: aorta, 1.0 cm3" in named.out
    assert "7: not named, 1.0 cm3" in cli("info", scan, "--masks", tmp_path / "m.nii").out


def test_info_with_a_refused_mask_ends_with_3(cli: Cli, scan: Path, tmp_path: Path) -> None:
    result = cli("info", scan, "--masks", tmp_path / "none.nii", "--json")
    assert result.code == 3
    assert result.err.startswith("vol3d: none.nii: got")
    assert json.loads(result.out)["masks"]["refusal"]["code"] == "DataError"


def test_info_on_mr_never_names_hu(cli: Cli, mr_scan: Path) -> None:
    result = cli("info", mr_scan, "--modality", "mr")
    assert "MR, arbitrary units" in result.out
    assert "HU" not in result.out


def test_doctor_tells_what_a_scan_would_get(mr_scan: Path, fake_engine: Any) -> None:
    checks = check_scan(str(mr_scan), series=None, modality="MR", card=fake_engine.card)
    verdicts = {check.subject: check.verdict for check in checks}
    assert verdicts["scan"] == "ok"
    assert verdicts["candidates"] == "note"


def test_doctor_refuses_with_a_remedy(tmp_path: Path) -> None:
    (check,) = check_scan(str(tmp_path / "none.nii"), series=None, modality=None, card=None)
    assert check.verdict == "refused"
    assert check.remedy


@pytest.mark.parametrize("error", [CheckpointError, OSError, RuntimeError])
def test_doctor_survives_a_broken_model(
    cli: Cli, mr_scan: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error("weights are damaged")

    monkeypatch.setattr("vol3d.infer.engine.Engine.load", fail)
    result = cli("doctor", mr_scan, "--modality", "mr", "--json")
    assert result.code == 1
    checks = {check["subject"]: check for check in json.loads(result.out)["checks"]}
    assert checks["model"]["verdict"] == "problem"
    assert "weights are damaged" in checks["model"]["found"]
    assert checks["scan"]["verdict"] == "ok"


def test_train_passes_config_overrides_and_folder(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr("vol3d.train.run.train_from_config", lambda *a: seen.extend(a))
    out = tmp_path / "run"
    result = cli("train", "train/embedded", "seed=1", "data.num_cases=8", "-o", out)
    assert result.code == 0, result.err
    assert seen == ["train/embedded", ["seed=1", "data.num_cases=8"], out]


def test_train_without_its_extra_says_how_to_install_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vol3d.cli.train.find_spec", lambda name: None)
    result = cli("train", "train/embedded", "-o", tmp_path / "run")
    assert result.code == 2
    assert result.err.startswith("vol3d: vol3d train: got an installation without it")
    assert 'pip install "vol3d[train]"' in result.err


def test_doctor_lists_the_training_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    remedies = {check.subject: check.remedy for check in doctor.check_optional()}
    assert remedies["training (accelerate)"] == 'pip install "vol3d[train]"'


def test_train_without_such_a_config_ends_with_2(cli: Cli, tmp_path: Path) -> None:
    assert cli("train", "train/none", "-o", tmp_path / "run").code == 2


def test_config_show_is_complete_yaml(cli: Cli) -> None:
    shown = yaml.safe_load(cli("config", "show", "train/embedded", "seed=5").out)
    assert (shown["kind"], shown["seed"]) == ("train", 5)
    assert shown["preprocess"]["schema_version"] == 1


def test_config_validate_lists_all_errors(cli: Cli) -> None:
    result = cli("config", "validate", "train/embedded", "seed=x", "unknown=1", "--json")
    assert result.code == 2
    message = json.loads(result.out)["error"]["message"]
    assert "seed: got 'x'" in message
    assert "unknown" in message


def test_config_of_unknown_kind_ends_with_2(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("kind: dance\n")
    result = cli("config", "validate", path)
    assert result.code == 2
    assert "'dance'" in result.err


@pytest.mark.parametrize("name", ["report", "answer", "run", "train"])
def test_config_schema_is_json_schema(cli: Cli, name: str) -> None:
    assert "properties" in json.loads(cli("config", "schema", name).out)


def test_offline_unless_a_download_is_asked_for(cli: Cli, scan: Path, tmp_path: Path) -> None:
    cli("report", scan, "-o", tmp_path / "out")
    assert os.environ["HF_HUB_OFFLINE"] == os.environ["TRANSFORMERS_OFFLINE"] == "1"
    cli("report", scan, "-o", tmp_path / "out", "--allow-download")
    assert os.environ["HF_HUB_OFFLINE"] == "0"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_version(cli: Cli) -> None:
    assert cli("--version").out.startswith("vol3d 0.")


def test_blank_scan_ends_well_and_withheld(
    cli: Cli, volume_of: Callable[..., Volume], scan_file: ScanFile, tmp_path: Path
) -> None:
    path = scan_file(volume_of(np.zeros((6, 20, 20), dtype=np.int16)))
    result = cli("report", path, "-o", tmp_path / "out", "--modality", "ct", "--json")
    assert result.code == 0, result.err
    assert Report.model_validate_json(result.out).candidates.status == "withheld"
