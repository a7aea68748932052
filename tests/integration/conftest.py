"""The embedded model, loaded once, and the bad inputs, written and judged once."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pytest

import vol3d
from vol3d.errors import DataError
from vol3d.infer import Vol3d
from vol3d.measure.masks import inspect_scan_and_masks
from vol3d.volume import Volume, read_volume

Array = npt.NDArray[Any]

HANG_S = 120
"""Wall time after which an input counts as hanging, however busy the machine is."""
APART = ("b01_gz_bomb", "b02_gz_tail_bomb", "f12_unreadable")
"""Judged by the real command in a process of its own: bombs, and what root could read."""
RUN_AND_MEASURE = """
import runpy, sys
try:
    runpy.run_module("vol3d", run_name="__main__", alter_sys=True)
finally:
    import resource
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(usage.ru_utime + usage.ru_stime, file=sys.stderr)
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(peak[0].strip(), file=sys.stderr)
"""


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """Folder of the embedded model."""
    folder = Path(vol3d.__file__).parent / "_models" / "embedded"
    if not (folder / "model.safetensors").is_file():
        pytest.skip("vol3d/_models/embedded holds no weights")
    return folder


@pytest.fixture(scope="session")
def loaded(embedded_model: Path) -> Vol3d:
    """The embedded model, ready to be asked."""
    return Vol3d.from_pretrained("embedded", device="cpu")


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What the gate said about an input, what was read of it, and what that took."""

    record: dict[str, Any]
    refusal: str | None
    volume: Volume | None = None
    cpu_s: float = 0.0
    grown_mib: float = 0.0

    @property
    def codes(self) -> set[str]:
        return {note["code"] for note in self.record["notes"]}

    @property
    def text(self) -> str:
        return json.dumps(self.record, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class BadInputs:
    """The folder of inputs, their manifest by id, the control's numbers, and every verdict."""

    folder: Path
    entries: dict[str, dict[str, Any]]
    control: dict[str, Any]
    measure: Callable[[Array, Array], dict[str, Any]]
    judged: dict[str, Verdict] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where an input lies; a name that is no text stands in the manifest as a pattern."""
        path = self.folder / self.entries[name]["path"]
        if "*" not in path.name:
            return path
        (found,) = glob.glob(os.fspath(path))
        return Path(found)

    def paths(self, name: str) -> tuple[Path, Path | None]:
        """The scan of an input, and its masks if it is about masks."""
        if self.entries[name]["kind"] == "mask":
            return self.folder / self.entries[name]["image"], self.path(name)
        return self.path(name), None

    def stored_xyz(self, name: str) -> tuple[Array, Array]:
        """Voxels and affine of a NIfTI as nibabel reads them, turned to RAS."""
        image = nib.as_closest_canonical(nib.load(self.path(name)))
        return np.asarray(image.dataobj), image.affine

    def judge(self, name: str) -> Verdict:
        """The verdict on one input; every input is judged once."""
        if name not in self.judged:
            with _no_hang():
                judge = self._judge_apart if name in APART else self._judge_here
                self.judged[name] = judge(name)
        return self.judged[name]

    def run_info(self, name: str, *prefix: str) -> subprocess.CompletedProcess[str]:
        """``python -m vol3d info --json [--masks MASKS] -- INPUT`` in a process of its own.

        The last lines on stderr are its CPU seconds and the peak of its memory.
        """
        path, masks = self.paths(name)
        options = ["--json"] if masks is None else ["--json", "--masks", os.fspath(masks)]
        arguments = ["info", *options, "--", os.fspath(path)]
        command = [*prefix, sys.executable, "-c", RUN_AND_MEASURE, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)

    def _judge_here(self, name: str) -> Verdict:
        path, masks = self.paths(name)
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory starts here
        before, start = _peak_mib(), time.process_time()
        record = _inspect(path, masks)
        volume = None
        with suppress(DataError):
            volume = read_volume(path)
        cpu_s, grown_mib = time.process_time() - start, _peak_mib() - before
        refusal = record["refusal"] and record["refusal"]["message"]
        if masks is None:
            assert (refusal is None) == (volume is not None), "inspection and reading disagree"
        return Verdict(
            record=record, refusal=refusal, volume=volume, cpu_s=cpu_s, grown_mib=grown_mib
        )

    def _judge_apart(self, name: str) -> Verdict:
        """The command's verdict; root loses its right to open what a file's mode forbids."""
        prefix: tuple[str, ...] = ()
        if name == "f12_unreadable" and os.geteuid() == 0:
            setpriv = shutil.which("setpriv")
            if setpriv is None:
                pytest.skip("root reads files of mode 000, and there is no setpriv to prevent it")
            prefix = (setpriv, "--bounding-set=-dac_override,-dac_read_search")
        result = self.run_info(name, *prefix)
        assert result.returncode in (0, 3), result.stderr
        record = json.loads(result.stdout)
        refusal = record["refusal"] and record["refusal"]["message"]
        assert (refusal is not None) == (result.returncode == 3)
        cpu_s, peak = result.stderr.splitlines()[-2:]
        return Verdict(
            record=record, refusal=refusal, cpu_s=float(cpu_s), grown_mib=_peak_mib(peak)
        )


@pytest.fixture(scope="session")
def bad(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> BadInputs:
    """The 154 inputs of ``tools/make_bad_inputs.py``, made from a real CT and its organ masks."""
    tool = test_data.parent / "tools" / "make_bad_inputs.py"
    if not tool.is_file():
        pytest.skip(f"no {tool}")
    source = test_data / "ct_abdomen_small"
    folder = tmp_path_factory.mktemp("bad") / "two" / "deeper" / "inputs"
    command = [tool, source / "ct.nii.gz", folder, "--mask", source / "seg_total.nii.gz", "--big"]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    spec = importlib.util.spec_from_file_location("make_bad_inputs", tool)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return BadInputs(
        folder=folder,
        entries={entry["id"]: entry for entry in manifest["inputs"]},
        control=manifest["control"],
        measure=module.measure,
    )


def _inspect(path: Path, masks: Path | None) -> dict[str, Any]:
    """What ``vol3d info PATH --masks MASKS --json`` prints."""
    return dict(inspect_scan_and_masks(path, masks=masks).to_dict())


@contextmanager
def _no_hang() -> Iterator[None]:
    """Ends what waits for ever with an error."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no verdict after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _peak_mib(status: str | None = None) -> float:
    """Peak of resident memory in the text of /proc/PID/status; of this process by default."""
    text = Path("/proc/self/status").read_text() if status is None else status
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1024
