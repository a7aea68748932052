"""The files of a report that rests on masks: text, JSON, page, facts, picture and run record."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vol3d.export.gallery import Figure
from vol3d.export.overlay import finding_figures
from vol3d.export.writer import check_output_dir, write_file
from vol3d.measure.body import body_mask
from vol3d.report.memory import peak_memory_mb
from vol3d.report.records import FindingsReport
from vol3d.report.schema import DISCLAIMER

if TYPE_CHECKING:
    from vol3d.measure.facts import CaseFacts
    from vol3d.measure.run import MeasuredCase

_PACKAGES = ("vol3d", "numpy", "connected-components-3d", "edt")


def write_measurements(case: MeasuredCase, report: FindingsReport, out_dir: str | Path) -> None:
    """Writes ``facts.json`` and ``measurements.csv``.

    Args:
        case: What was measured.
        report: Gives the table.
        out_dir: Folder to write to; made if missing.

    Raises:
        ConfigError: ``out_dir`` cannot be written to.
    """
    folder = check_output_dir(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "facts.json", _json(facts_record(case.facts)))
    write_file(folder / "measurements.csv", table_csv(report).encode())


def facts_record(facts: CaseFacts) -> dict[str, Any]:
    """The facts as a JSON object that starts with the disclaimer."""
    return {"disclaimer": DISCLAIMER, **facts.model_dump(mode="json")}


def table_csv(report: FindingsReport) -> str:
    """The report's table, one value per row, with the id of each fact; ends with the disclaimer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("structure", "quantity", "value", "unit", "fact_id"))
    for row in report.table:
        writer.writerow((row.structure, row.quantity, row.value, row.unit, row.fact_id))
    writer.writerow((report.disclaimer, "", "", "", ""))
    return text.getvalue()


def write_findings(
    case: MeasuredCase,
    report: FindingsReport,
    out_dir: str | Path,
    *,
    seconds_per_stage: Mapping[str, float],
) -> None:
    """Writes report.txt, .json and .html, preview.png, run.json and what was measured.

    Args:
        case: What was measured.
        report: What is said about it.
        out_dir: Folder to write to; made if missing.
        seconds_per_stage: For the run record.

    Raises:
        ConfigError: ``out_dir`` cannot be written to.
    """
    write_measurements(case, report, out_dir)
    folder = Path(out_dir)
    figures = finding_figures(case.volume, body_mask(case.volume), case.masks, case.facts)
    write_file(folder / "report.txt", f"{DISCLAIMER}\n\n{report.text}\n".encode())
    write_file(folder / "report.json", _json(report.model_dump(mode="json")))
    write_file(folder / "report.html", render_findings(case, report, figures).encode())
    if figures:
        write_file(folder / "preview.png", figures[0].png)
    write_file(folder / "run.json", _json(_run_record(case, seconds_per_stage)))


def render_findings(case: MeasuredCase, report: FindingsReport, figures: Sequence[Figure]) -> str:
    """The report as one self-contained page; every sentence names the facts behind it."""
    return _template().render(case=case, report=report, figures=figures)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("vol3d.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("findings.html.j2")


def _run_record(case: MeasuredCase, seconds_per_stage: Mapping[str, float]) -> dict[str, Any]:
    """How the result was made; holds no path and no file name."""
    versions = {"python": platform.python_version()}
    versions |= {package: version(package) for package in _PACKAGES}
    return {
        "disclaimer": DISCLAIMER,
        "evidence": "masks",
        "versions": versions,
        "profile": case.facts.provenance.profile,
        "rules_sha256": case.facts.provenance.rules_sha256,
        "seconds_per_stage": dict(seconds_per_stage),
        "peak_memory_mb": peak_memory_mb(),
        "warnings": [note.code for note in case.notes],
    }


def _json(record: object) -> bytes:
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
