"""Tool caches: exact look-ups in the published layout, and caches written from our own masks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from agent_cases import liver_case, spleen_record

from vol3d.errors import DataError
from vol3d.evaluate.agent.caches import CacheTools, load_tool_cache, make_tool_cache
from vol3d.evaluate.agent.cases import find_cases, phases_of
from vol3d.measure.engine import MeasureOptions
from vol3d.volume import Grid, Volume, write_nifti
from vol3d.vqa.tool_cache import case_tools

ID = "BDMAP_00000001"
CACHE = {
    ID: {
        "segment": {"spleen": {"mask_found": True, "voxel_count": 7}},
        "measure": {"spleen": {"volume_cm3": {"value": 350.0, "unit": "cm3"}}},
    }
}


@pytest.mark.parametrize("record", [CACHE, {"cache": CACHE}, {"cache": CACHE, "settings": {}}])
def test_the_wrapper_is_optional(tmp_path: Path, record: object) -> None:
    path = tmp_path / "cache.json"
    path.write_text(json.dumps(record))
    assert load_tool_cache(path) == CACHE
    tools = CacheTools.load(path, name="predicted cache")
    assert tools.name == "predicted cache"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"cache": 3}', '{"a": {"x": {}}}', '{"a": {"measure": {"liver": 3}}}']
)
def test_another_layout_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cache.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"cache\.json"):
        load_tool_cache(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json"):
        load_tool_cache(tmp_path / "none.json")


def test_look_ups_are_exact() -> None:
    tools = CacheTools(CACHE)
    measured = tools.call("measure", {"target": "spleen", "measurement": "volume_cm3"}, image_id=ID)
    assert measured.content == {"value": 350.0, "unit": "cm3"}
    missing = tools.call("segment_organ", {"target": "Spleen"}, image_id=ID).content
    assert missing["mask_found"] is False
    assert missing["available_targets"] == ["spleen"]


@pytest.mark.parametrize(
    ("target", "kind", "image_id", "part"),
    [
        ("liver", "volume_cm3", ID, "no target 'liver'; there are spleen"),
        ("spleen", "mean_hu", ID, "there are volume_cm3"),
        ("spleen", "volume_cm3", "BDMAP_00000009", "there are none"),
    ],
)
def test_what_is_not_there_is_an_error(target: str, kind: str, image_id: str, part: str) -> None:
    arguments = {"target": target, "measurement_type": kind}
    result = CacheTools(CACHE).call("measure", arguments, image_id=image_id)
    assert part in result.content["error"]
    assert result.fault is None


def test_a_cache_has_no_live_tools() -> None:
    names = {schema["function"]["name"] for schema in CacheTools(CACHE).schemas()}
    assert names == {"segment_organ", "measure", "lookup_medical_knowledge"}


def make_folder(root: Path, image_id: str, *, cube: int = 20) -> None:
    """A tiny scan with a liver of ``cube`` voxels a side, 2 mm each, and one lesion of 4."""
    voxels = np.full((32, 40, 40), 40, dtype=np.int16)
    voxels[:, :6] = -1000  # air makes it Hounsfield units
    grid = Grid(shape_zyx=(32, 40, 40), affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    folder = root / "benchmark" / "ct" / image_id
    (folder / "segmentations").mkdir(parents=True)
    write_nifti(Volume.from_array(voxels, grid, modality="CT", unit="HU"), folder / "ct.nii.gz")
    for name, side in (("liver", cube), ("liver_lesion", 4)):
        mask = np.zeros(voxels.shape, dtype=np.int16)
        mask[5 : 5 + side, 8 : 8 + side, 9 : 9 + side] = 1
        made = Volume.from_array(mask, grid, modality="unknown", unit="arbitrary")
        write_nifti(made, folder / "segmentations" / f"{name}.nii.gz")


def test_a_cache_is_made_from_masks(tmp_path: Path) -> None:
    make_folder(tmp_path, ID)
    out = tmp_path / "out" / "cache.json"
    made = make_tool_cache(find_cases(tmp_path), out)
    assert (made.num_cases, made.num_new, made.failed) == (1, 1, {})
    table = load_tool_cache(out)[ID]
    assert table["measure"]["liver"]["volume_cm3"] == {"value": 64.0, "unit": "cm3"}
    assert table["measure"]["liver_tumor"]["lesion_count"]["value"] == 1
    assert table["segment"]["liver"]["voxel_count"] == 8000
    assert "Research use only" in json.loads(out.read_text())["disclaimer"]


def test_a_bad_case_is_named_and_tried_again(tmp_path: Path) -> None:
    make_folder(tmp_path, ID)
    make_folder(tmp_path, "BDMAP_00000002")
    bad = tmp_path / "benchmark" / "ct" / "BDMAP_00000002" / "ct.nii.gz"
    good = bad.read_bytes()
    bad.write_bytes(good[:100])
    out = tmp_path / "cache.json"
    made = make_tool_cache(find_cases(tmp_path), out)
    assert set(made.failed) == {"BDMAP_00000002"}
    assert set(load_tool_cache(out)) == {ID}
    bad.write_bytes(good)
    seen: list[str] = []
    again = make_tool_cache(find_cases(tmp_path), out, on_case=seen.append)
    assert seen == ["BDMAP_00000002"]
    assert (again.num_cases, again.num_new, again.failed) == (2, 1, {})


def test_a_case_without_masks_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path, ID)
    segmentations = tmp_path / "benchmark" / "ct" / ID / "segmentations"
    segmentations.rename(tmp_path / "elsewhere")
    made = make_tool_cache(find_cases(tmp_path), tmp_path / "cache.json")
    assert ID in made.failed[ID]


def test_other_settings_do_not_mix(tmp_path: Path) -> None:
    make_folder(tmp_path, ID)
    make_tool_cache(find_cases(tmp_path), tmp_path / "cache.json")
    with pytest.raises(DataError, match="other settings"):
        make_tool_cache(
            find_cases(tmp_path), tmp_path / "cache.json", options=MeasureOptions(profile="radgpt")
        )


def test_masks_may_lie_elsewhere(tmp_path: Path) -> None:
    make_folder(tmp_path, ID)
    other = tmp_path / "predicted" / ID
    other.mkdir(parents=True)
    (tmp_path / "benchmark" / "ct" / ID / "segmentations").rename(other / "segmentations")
    found = find_cases(tmp_path, masks_dir=tmp_path / "predicted")
    assert found[ID].masks == other / "segmentations"


def test_folders_with_other_names_are_no_cases(tmp_path: Path) -> None:
    make_folder(tmp_path, "Jane Doe")
    with pytest.raises(DataError, match="BDMAP_00000001"):
        find_cases(tmp_path)


def test_phases_come_from_the_questions() -> None:
    records = [
        spleen_record(),
        spleen_record().model_copy(update={"image_id": "BDMAP_00000002", "contrast": "odd"}),
    ]
    assert phases_of(records) == {ID: "venous"}


def test_case_tools_of_facts_fit_the_layout(tmp_path: Path) -> None:
    path = tmp_path / "cache.json"
    path.write_text(json.dumps({ID: case_tools(liver_case())}))
    assert ID in load_tool_cache(path)


def test_masks_elsewhere_need_no_folder_of_their_own(tmp_path: Path) -> None:
    make_folder(tmp_path, ID)
    (tmp_path / "predicted" / ID).mkdir(parents=True)
    (tmp_path / "predicted" / ID / "liver.nii.gz").touch()
    found = find_cases(tmp_path, masks_dir=tmp_path / "predicted")
    assert found[ID].masks == tmp_path / "predicted" / ID


def test_a_mask_that_changes_is_measured_again(tmp_path: Path) -> None:
    out = tmp_path / "cache.json"
    for cube, volume_cm3 in ((20, 64.0), (10, 8.0)):
        shutil.rmtree(tmp_path / "benchmark", ignore_errors=True)
        make_folder(tmp_path, ID, cube=cube)
        assert make_tool_cache(find_cases(tmp_path), out).num_new == 1
        measured = load_tool_cache(out)[ID]["measure"]["liver"]
        assert measured["volume_cm3"]["value"] == volume_cm3
