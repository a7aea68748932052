"""The five files of one report, written into one folder."""

from __future__ import annotations

import os
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from vol3d.errors import ConfigError, explain
from vol3d.export.gallery import draw_figures, draw_preview
from vol3d.export.page import render_page
from vol3d.export.slices import BoolArray
from vol3d.report import Report, RunManifest, Section
from vol3d.report.memory import peak_memory_mb
from vol3d.volume import Volume

TEXT_WIDTH = 96
FILE_NAMES = ("report.txt", "report.json", "report.html", "preview.png", "run.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportFiles:
    """Paths of what ``write_report`` wrote."""

    text: Path
    json: Path
    html: Path
    preview: Path
    run: Path


def check_output_dir(out_dir: str | Path) -> Path:
    """The folder to write to; that it can be made and written to is tried before any work.

    Raises:
        ConfigError: ``out_dir`` is empty, it or a part of it is a file, it cannot be written to,
            or one of the five names in it belongs to a folder.
    """
    path = Path(out_dir)
    if not str(out_dir).strip():
        raise _bad_output("an empty path", "''")
    for part in (path, *path.parents):
        if (part.exists() or part.is_symlink()) and not part.is_dir():
            raise _bad_output("the path of an existing file or a broken link", part.name)
    new = [part for part in (path, *path.parents) if not part.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        for part in new:  # a scan that is refused later leaves no folder behind
            part.rmdir()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _bad_output(f"a folder that cannot be written to ({reason})", path.name) from error
    for name in FILE_NAMES:
        if (path / name).is_dir():
            raise _bad_output(f"a folder called {name} in it", path.name)
    return path


def _bad_output(got: str, name: str) -> ConfigError:
    return ConfigError(
        explain(
            expected="a folder, existing or new, that can be written to",
            got=got,
            where=f"output {name!r}",
            remedy="Name another folder with -o; the files in it have fixed names.",
        )
    )


def write_report(
    report: Report,
    volume: Volume,
    body: BoolArray,
    out_dir: str | Path,
    manifest: RunManifest,
) -> ReportFiles:
    """Paths of the files written: report.txt, report.json, report.html, preview.png, run.json.

    Each file appears complete or not at all; files of an earlier report are replaced. Nothing in
    them names the scan's path or the patient.

    Args:
        report: What is said.
        volume: The scan, for the pictures.
        body: bool (z, y, x), body mask on the scan's grid.
        out_dir: Folder to write to; created if missing.
        manifest: How the report was made.

    Raises:
        ConfigError: ``out_dir`` is an existing file.
    """
    folder = check_output_dir(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(
        text=folder / "report.txt",
        json=folder / "report.json",
        html=folder / "report.html",
        preview=folder / "preview.png",
        run=folder / "run.json",
    )
    start = time.perf_counter()
    preview = draw_preview(volume, body, text_chunks=dict(provenance(report, manifest)))
    page = render_page(report, draw_figures(volume, body), manifest)
    seconds = {**manifest.seconds_per_stage, "export": round(time.perf_counter() - start, 3)}
    write_file(files.text, render_text(report, manifest).encode())
    write_file(files.json, (report.model_dump_json(indent=2) + "\n").encode())
    write_file(files.html, page.encode())
    write_file(files.preview, preview)
    memory_mb = max(manifest.peak_memory_mb, peak_memory_mb())
    changes = {"seconds_per_stage": seconds, "peak_memory_mb": memory_mb}
    record = manifest.model_copy(update=changes)
    write_file(files.run, (record.model_dump_json(indent=2) + "\n").encode())
    return files


def provenance(report: Report, manifest: RunManifest) -> tuple[tuple[str, str], ...]:
    """What a report came from, as names and values; written into the text and the preview."""
    model = report.model
    return (
        ("model", model.name),
        ("weights_sha256", model.weights_sha256),
        ("spec_sha256", model.spec_sha256),
        ("input_sha256", manifest.input_sha256),
        ("vol3d", manifest.versions.get("vol3d", "version not recorded")),
        ("disclaimer", report.disclaimer),
    )


def render_text(report: Report, manifest: RunManifest) -> str:
    """The report as plain text, wrapped, with its provenance and the disclaimer first and last."""
    blocks = [report.disclaimer]
    facts = [f"{name}: {value}" for name, value in provenance(report, manifest)[:-1]]
    origin = Section(heading="Model and provenance", sentences=tuple(facts))
    for section in (*report.sections, origin):
        lines = [section.heading, "-" * len(section.heading)]
        for sentence in section.sentences:
            lines.append(
                textwrap.fill(
                    sentence,
                    TEXT_WIDTH,
                    initial_indent="  ",
                    subsequent_indent="    ",
                    break_on_hyphens=False,
                )
            )
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, report.disclaimer]) + "\n"


def write_file(path: Path, content: bytes) -> None:
    """Writes a whole file under another name first, then renames it."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
