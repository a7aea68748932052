"""The five files of a report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vol3d.errors import ConfigError
from vol3d.export import check_output_dir, render_page, render_text, write_report
from vol3d.export.gallery import Figure
from vol3d.report import DISCLAIMER, Report, RunManifest
from vol3d.volume import Volume

NAMES = ["preview.png", "report.html", "report.json", "report.txt", "run.json"]


@pytest.fixture
def folder(listed_report: Report, trunk_ct: Volume, manifest: RunManifest, tmp_path: Path) -> Path:
    body = np.ones(trunk_ct.grid.shape_zyx, dtype=bool)
    write_report(listed_report, trunk_ct, body, tmp_path / "new" / "out", manifest)
    return tmp_path / "new" / "out"


def test_five_files_and_nothing_else(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_file_holds_the_disclaimer(folder: Path, name: str) -> None:
    assert DISCLAIMER.encode() in (folder / name).read_bytes()


def test_json_reads_back_as_the_report(folder: Path, listed_report: Report) -> None:
    assert Report.model_validate_json((folder / "report.json").read_text()) == listed_report


def test_run_record_gains_the_time_of_drawing(folder: Path) -> None:
    seconds = json.loads((folder / "run.json").read_text())["seconds_per_stage"]
    assert list(seconds) == ["read", "export"]
    assert seconds["export"] > 0


def test_text_ends_with_its_provenance(listed_report: Report, manifest: RunManifest) -> None:
    last = render_text(listed_report, manifest).split("\n\n")[-2].splitlines()
    assert last == [
        "Model and provenance",
        "--------------------",
        "  model: fake",
        f"  weights_sha256: {'f' * 64}",
        f"  spec_sha256: {'e' * 64}",
        f"  input_sha256: {'d' * 64}",
        "  vol3d: 0.9.9",
    ]


def test_preview_carries_its_provenance(folder: Path) -> None:
    with Image.open(folder / "preview.png") as picture:
        chunks = picture.info
    assert chunks["weights_sha256"] == "f" * 64
    assert chunks["spec_sha256"] == "e" * 64
    assert chunks["input_sha256"] == "d" * 64
    assert chunks["disclaimer"] == DISCLAIMER


def test_run_record_has_the_memory_of_drawing_too(folder: Path, manifest: RunManifest) -> None:
    """The manifest was made with 1 MB before the pictures were drawn; this process has more."""
    record = json.loads((folder / "run.json").read_text())
    assert record["peak_memory_mb"] > manifest.peak_memory_mb
    assert record["seed"] is None


def test_page_says_that_nothing_is_random(withheld_report: Report, manifest: RunManifest) -> None:
    page = render_page(withheld_report, [], manifest)
    assert "greedy decoding, no randomness" in page
    assert "seed 7" in render_page(withheld_report, [], manifest.model_copy(update={"seed": 7}))


@pytest.mark.parametrize("geometry", ["", "tilted gantry, not rectified (12.0 deg)"])
def test_page_claims_true_scale_only_where_it_is(
    withheld_report: Report, manifest: RunManifest, geometry: str
) -> None:
    figure = Figure(png=b"", caption="c", window="w", geometry=geometry, alternative="a")
    page = render_page(withheld_report, [figure], manifest)
    assert geometry in page
    assert ("true to scale" in page) == (geometry == "")


def test_page_loads_nothing_from_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    addresses = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')>\s]+)""", page)
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert "<script" not in page


def test_page_escapes_the_models_words(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "A lesion &lt; 5 mm &amp; one more." in page


def test_every_picture_has_an_alternative_text(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert len(re.findall(r"<img [^>]*alt=\"(?:axial|coronal|sagittal) [^\"]+\"", page)) == 6
    assert page.count("<img ") == 6


def test_withheld_page_gives_the_reason_and_no_list(
    withheld_report: Report, manifest: RunManifest
) -> None:
    page = render_page(withheld_report, [], manifest)
    box = page[page.index('class="candidates"') :].split("</section>")[0]
    assert "It is MR, not CT." in box
    assert "<li>" not in box


def test_mr_page_and_text_never_name_hu(withheld_report: Report, manifest: RunManifest) -> None:
    for output in (
        render_page(withheld_report, [], manifest),
        render_text(withheld_report, manifest),
    ):
        assert not re.search(r"\bHU\b|Hounsfield", output)


def test_text_wraps_and_keeps_every_word(listed_report: Report, manifest: RunManifest) -> None:
    text = render_text(listed_report, manifest)
    assert max(map(len, text.splitlines())) <= 96
    for section in listed_report.sections:
        assert " ".join(" ".join(section.sentences).split()) in " ".join(text.split())


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(ConfigError, match="existing file"):
            check_output_dir(path)


def test_existing_folder_is_accepted(tmp_path: Path) -> None:
    assert check_output_dir(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("validated", "words"),
    [((), "never validated on a patient"), (("CT, chest, nodule",), "only for CT, chest, nodule")],
)
def test_page_says_what_was_validated(
    listed_report: Report, manifest: RunManifest, validated: tuple[str, ...], words: str
) -> None:
    model = listed_report.model.model_copy(update={"validated": validated})
    page = render_page(listed_report.model_copy(update={"model": model}), [], manifest)
    assert words in page[page.index('class="candidates"') :].split("</section>")[0]


@pytest.mark.parametrize("name", ["", "dangling", "taken"])
def test_folder_that_cannot_take_the_files_is_refused_before_any_work(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "taken" / "report.txt").mkdir(parents=True)
    with pytest.raises(ConfigError, match="that can be written to"):
        check_output_dir(str(tmp_path / name) if name else "")
