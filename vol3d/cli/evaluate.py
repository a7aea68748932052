"""``vol3d evaluate``: how good a system is at questions and reports, and how sure that is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vol3d.cli.evaluate_options import (
    AblateOption,
    ApiBaseFlag,
    DataArgument,
    DegradeFlag,
    EvaluatedModelFlag,
    EvidenceFlag,
    EvidenceOption,
    FormFlag,
    FormOption,
    LimitFlag,
    MasksDirFlag,
    OutputFlag,
    QuestionsFlag,
    Selection,
    SplitFlag,
    SplitOption,
    SubtypeFlag,
    SystemOption,
    facts_source,
    selected,
    volume_progress,
)
from vol3d.cli.mask_options import ProfileFlag, ProfileOption, to_profile
from vol3d.cli.options import DeviceFlag, DownloadFlag, JsonFlag, QuietFlag, VerboseFlag
from vol3d.cli.outcome import OK, SOME_FAILED, print_json

if TYPE_CHECKING:
    from vol3d.evaluate.benchmark import Benchmark
    from vol3d.evaluate.figures import EvaluationSummary

app = typer.Typer(help="How good a system is, and how sure that is.", no_args_is_help=True)


@app.command("deeptumorvqa")
def deeptumorvqa(
    data: DataArgument,
    output: OutputFlag,
    form: FormFlag = FormOption.MC,
    evidence: EvidenceFlag = EvidenceOption.NONE,
    model: EvaluatedModelFlag = "embedded",
    system: Annotated[
        list[SystemOption] | None,
        typer.Option(
            "--system",
            help="whole (rules on facts, then the model, then priors) or one part alone; may be "
            "given repeatedly, the first is the main row.",
        ),
    ] = None,
    ablate: Annotated[
        list[AblateOption] | None,
        typer.Option("--ablate", help="Also run the main row without its scan in this way."),
    ] = None,
    split: SplitFlag = SplitOption.BENCHMARK,
    questions: QuestionsFlag = None,
    subtype: SubtypeFlag = None,
    limit: LimitFlag = None,
    masks_dir: MasksDirFlag = None,
    degrade: DegradeFlag = None,
    profile: ProfileFlag = ProfileOption.NATIVE,
    priors: Annotated[
        Path | None,
        typer.Option(
            "--priors", exists=True, dir_okay=False, help="Training questions to count priors on."
        ),
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option(
            "--prompt",
            exists=True,
            dir_okay=False,
            help="prompt.json of vol3d evaluate select-prompt.",
        ),
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(
            "--training",
            exists=True,
            help="What the model learned from: what it shares with DATA is told.",
        ),
    ] = None,
    no_abstain: Annotated[
        bool, typer.Option("--no-abstain", help="Never answer 'not assessable'.")
    ] = False,
    num_slices: Annotated[
        int, typer.Option("--slices", min=0, max=64, help="Slices that a server's model is shown.")
    ] = 0,
    api_base: ApiBaseFlag = None,
    num_parts: Annotated[int, typer.Option("--num-parts", min=1, help="Parts in all.")] = 1,
    part_id: Annotated[int, typer.Option("--part-id", min=0, help="This part, from 0.")] = 0,
    cache_dir: Annotated[
        Path | None,
        typer.Option("--cache-dir", help="Keeps facts and encodings; default: OUTPUT/cache."),
    ] = None,
    device: DeviceFlag = "auto",
    allow_download: DownloadFlag = False,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Answer DeepTumorVQA's questions and score them, officially and strictly.

    Every volume is opened once. Answers are kept as they come; the same command continues a run
    that was interrupted, and tries failed questions again.
    """
    from vol3d.evaluate.build import ModelChoice, prior_from, systems_of
    from vol3d.evaluate.run import RunPlan
    from vol3d.evaluate.session import EvaluationRow, Session, provenance_of, run_session
    from vol3d.export.writer import check_output_dir

    check_output_dir(output)
    if cache_dir is not None:
        check_output_dir(cache_dir)
    selection = Selection(
        split=split.value,
        questions=questions,
        subtypes=tuple(subtype or ()),
        limit=limit,
        masks_dir=masks_dir if evidence is EvidenceOption.MASKS else None,
        allow_download=allow_download,
    )
    benchmark = selected(data, selection)
    kept = cache_dir or output / "cache"
    choice = ModelChoice(
        name=model,
        device=device,
        template=_template(prompt, benchmark.image_ids),
        api_base=api_base,
        num_slices=num_slices,
        cache_dir=kept / "encodings",
        allow_download=allow_download,
    )
    systems = systems_of(
        [each.value for each in system or [SystemOption.WHOLE]],
        choice,
        prior=prior_from(priors, benchmark.image_ids),
        may_abstain=not no_abstain,
    )
    plan = RunPlan(
        benchmark=benchmark,
        form=form.value,
        evidence=evidence.value,
        facts=facts_source(
            evidence,
            profile=to_profile(profile),
            masks_dir=masks_dir,
            degrade=degrade,
            cache_dir=kept / "facts",
        ),
        part=(part_id, num_parts),
    )
    rows = [EvaluationRow(system=each) for each in systems]
    rows += [EvaluationRow(system=systems[0], ablation=each.value) for each in ablate or ()]
    provenance = provenance_of(plan.header(systems[0]))
    if training is not None:
        provenance["training"] = _shared_with(training, benchmark)
    title = f"{Path(data).name}, {split.value}"
    session = Session(title=title, plan=plan, rows=rows, provenance=provenance)
    with volume_progress(is_quiet=quiet, is_verbose=verbose) as on_volume:
        summary = run_session(session, output, on_volume=on_volume)
    if summary is None:
        return _tell_part(output, part_id, num_parts, is_quiet=quiet)
    return tell_summary(summary, output, is_json=is_json, is_quiet=quiet)


def _shared_with(training: Path, benchmark: Benchmark) -> str:
    """What training data share with the questions that are evaluated, in one line."""
    from vol3d.evaluate.contamination import check_contamination
    from vol3d.evaluate.set_items import items_of_questions, read_items

    report = check_contamination(read_items(training), items_of_questions(benchmark.questions))
    shared = [f"{kind}: {each.count}" for kind, each in report.overlaps.items() if each.count]
    told = f"{report.training_images} scans; shared {', '.join(shared) or 'nothing'}"
    text = f"{'clean' if report.is_clean else 'NOT CLEAN'}, {training.name}, {told}"
    if not report.is_clean:
        print(f"Warning: training data share cases with the test: {text}", file=sys.stderr)
    return text


def _template(prompt: Path | None, image_ids: tuple[str, ...]) -> str | None:
    if prompt is None:
        return None
    from vol3d.evaluate.prompts import read_prompt_choice

    return read_prompt_choice(prompt, image_ids)


def _tell_part(output: Path, part_id: int, num_parts: int, *, is_quiet: bool) -> int:
    from vol3d.evaluate.results import read_log

    header, rows = read_log(output)
    num_failed = int(header["num_questions"]) - len(rows)
    if not is_quiet:
        print(
            f"Part {part_id} of {num_parts}: {len(rows)} answers, {num_failed} questions failed. "
            "When all parts are done: vol3d evaluate merge-parts",
            file=sys.stderr,
        )
    return SOME_FAILED if num_failed else OK


def tell_summary(summary: EvaluationSummary, output: Path, *, is_json: bool, is_quiet: bool) -> int:
    """Prints the tables on stderr, and the summary as JSON on stdout if asked; the exit code."""
    if is_json:
        print_json(json.loads(summary.to_json()))
    if not is_quiet:
        from rich.console import Console

        from vol3d.evaluate.table import print_summary

        print_summary(summary, Console(stderr=True))
        print(f"Wrote results.json, summary.json, evaluation.html to {output}", file=sys.stderr)
    return SOME_FAILED if summary.num_failed else OK


@app.command("merge-parts")
def merge_parts(
    data: DataArgument,
    parts: Annotated[list[Path], typer.Argument(metavar="PART...", help="Folders of all parts.")],
    output: OutputFlag,
    split: SplitFlag = SplitOption.BENCHMARK,
    questions: QuestionsFlag = None,
    subtype: SubtypeFlag = None,
    limit: LimitFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Put the parts of one evaluation together: the same files as of one run."""
    from vol3d.evaluate import session
    from vol3d.evaluate.results import check_no_run
    from vol3d.export.writer import check_output_dir

    check_output_dir(output)
    check_no_run(output)
    selection = Selection(
        split=split.value, questions=questions, subtypes=tuple(subtype or ()), limit=limit
    )
    benchmark = selected(data, selection)
    title = f"{Path(data).name}, {split.value}"
    summary = session.merge_parts(parts, output, benchmark=benchmark, title=title)
    return tell_summary(summary, output, is_json=is_json, is_quiet=quiet)


@app.command("score")
def score(
    data: DataArgument,
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Result files of deeptumorvqa-eval or of vol3d; the first is the main row, the "
            "others stand beside it with paired tests.",
        ),
    ],
    output: OutputFlag,
    form: FormFlag = FormOption.MC,
    split: SplitFlag = SplitOption.BENCHMARK,
    questions: QuestionsFlag = None,
    subtype: SubtypeFlag = None,
    limit: LimitFlag = None,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Score result files that any system wrote, and compare them."""
    from vol3d.evaluate.figures import RunInfo
    from vol3d.evaluate.results import check_no_run, read_results
    from vol3d.evaluate.session import Answered, finish
    from vol3d.export.writer import check_output_dir

    check_output_dir(output)
    check_no_run(output)

    selection = Selection(
        split=split.value, questions=questions, subtypes=tuple(subtype or ()), limit=limit
    )
    benchmark = selected(data, selection)
    names = _names(results)
    answered = []
    for name, path in zip(names, results, strict=True):
        rows = read_results(path)
        answers = {row.qid: row for row in reversed(rows)}
        if len(answers) < len(rows):
            print(
                f"Warning: {path.name} answers {len(rows) - len(answers)} questions again: the "
                "official scorer counts each answer, the strict one the first.",
                file=sys.stderr,
            )
        answered.append(
            Answered(
                name=name,
                answers=answers,
                folder=output / "rows" / name,
                official_rows=[row.official() for row in rows],
            )
        )
    info = RunInfo(
        title=f"{Path(data).name}, {split.value}",
        system=names[0],
        form=form.value,
        evidence="none",
        provenance={"results": ", ".join(names)},
    )
    summary = finish(answered, output, benchmark=benchmark, run_info=info)
    return tell_summary(summary, output, is_json=is_json, is_quiet=quiet)


def _names(paths: list[Path]) -> list[str]:
    """Names of result files that tell them apart."""
    stems = [path.stem for path in paths]
    longer = [f"{path.resolve().parent.name} {path.stem}" for path in paths]
    numbered = [f"{name} {number}" for number, name in enumerate(longer, start=1)]
    return next(names for names in (stems, longer, numbered) if len(set(names)) == len(names))


@app.command("select-prompt")
def select_prompt(
    data: DataArgument,
    output: OutputFlag,
    model: EvaluatedModelFlag = "embedded",
    templates: Annotated[
        Path | None,
        typer.Option("--templates", help="YAML of name: template; default: the shipped ones."),
    ] = None,
    form: FormFlag = FormOption.MC,
    split: SplitFlag = SplitOption.VALIDATION,
    questions: QuestionsFlag = None,
    limit: LimitFlag = None,
    api_base: ApiBaseFlag = None,
    device: DeviceFlag = "auto",
    allow_download: DownloadFlag = False,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> None:
    """Choose the wording that one model does best with, on validation questions."""
    from dataclasses import replace

    from vol3d.evaluate.build import ModelChoice, model_system
    from vol3d.evaluate.prompts import load_templates
    from vol3d.evaluate.prompts import select_prompt as select
    from vol3d.evaluate.run import RunPlan
    from vol3d.evaluate.systems import System
    from vol3d.report.schema import DISCLAIMER

    benchmark = selected(data, Selection(split=split.value, questions=questions, limit=limit))
    choice = ModelChoice(
        name=model,
        device=device,
        api_base=api_base,
        cache_dir=output / "encodings",
        allow_download=allow_download,
    )

    def system_of(template: str) -> System:
        return model_system(replace(choice, template=template))

    plan = RunPlan(benchmark=benchmark, form=form.value)
    chosen = select(system_of, load_templates(templates), plan, output)
    if is_json:
        print_json({"disclaimer": DISCLAIMER, "name": chosen.name, "scores": dict(chosen.scores)})
    if not quiet:
        for name, value in chosen.scores.items():
            mark = "  chosen" if name == chosen.name else ""
            print(f"{name}: {100 * value:.1f} %{mark}", file=sys.stderr)
        print(f"{DISCLAIMER}\nWrote prompt.json to {output}", file=sys.stderr)
