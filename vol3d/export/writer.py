"""The five files of one report, written into one folder."""

from __future__ import annotations

import os
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from vol3d.errors import ConfigError, explain
from vol3d.export.gallery import draw_figures, draw_preview
from vol3d.export.page import render_page
from vol3d.export.slices import BoolArray
from vol3d.report import Report, RunManifest
from vol3d.volume import Volume

TEXT_WIDTH = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportFiles:
    """Paths of what ``write_report`` wrote."""

    text: Path
    json: Path
    html: Path
    preview: Path
    run: Path


def check_output_dir(out_dir: str | Path) -> Path:
    """The folder to write to; it may exist or not, but must not be a file.

    Raises:
        ConfigError: ``out_dir``, or a part of it, is an existing file.
    """
    path = Path(out_dir)
    for part in (path, *path.parents):
        if part.exists() and not part.is_dir():
            raise ConfigError(
                explain(
                    expected="a folder, existing or new",
                    got="the path of an existing file",
                    where=f"output {part.name!r}",
                    remedy="Name a folder with -o; the files in it have fixed names.",
                )
            )
    return path


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
    preview = draw_preview(volume, body)
    page = render_page(report, draw_figures(volume, body), manifest)
    seconds = {**manifest.seconds_per_stage, "export": round(time.perf_counter() - start, 3)}
    record = manifest.model_copy(update={"seconds_per_stage": seconds})
    _write(files.text, render_text(report).encode())
    _write(files.json, (report.model_dump_json(indent=2) + "\n").encode())
    _write(files.html, page.encode())
    _write(files.preview, preview)
    _write(files.run, (record.model_dump_json(indent=2) + "\n").encode())
    return files


def render_text(report: Report) -> str:
    """The report as plain text, wrapped, with the disclaimer first and last."""
    blocks = [report.disclaimer]
    for section in report.sections:
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


def _write(path: Path, content: bytes) -> None:
    """Writes a whole file under another name first, then renames it."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)
