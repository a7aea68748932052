"""``vol3d evaluate agent | make-tool-cache``: models that call tools, and caches for others."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vol3d.cli.evaluate import app, tell_summary
from vol3d.cli.evaluate_options import (
    ApiBaseFlag,
    DataArgument,
    DegradeFlag,
    EvidenceOption,
    FormFlag,
    FormOption,
    LimitFlag,
    MasksDirFlag,
    OutputFlag,
    QuestionsFlag,
    Selection,
    SubtypeFlag,
    facts_source,
    selected,
)
from vol3d.cli.mask_options import ProfileFlag, ProfileOption, to_profile
from vol3d.cli.options import DeviceFlag, JsonFlag, QuietFlag, VerboseFlag
from vol3d.cli.outcome import OK, SOME_FAILED, print_json

if TYPE_CHECKING:
    from vol3d.evaluate.agent.run import ClientOf
    from vol3d.evaluate.agent.toolset import ToolSet
    from vol3d.evaluate.benchmark import Benchmark
    from vol3d.evaluate.evidence import Facts


class ToolsOption(StrEnum):
    """What ``--tools`` accepts."""

    LIVE = "live"
    LIVE_PREDICTED = "live-predicted"
    ORACLE_CACHE = "oracle-cache"
    PREDICTED_CACHE = "predicted-cache"


@app.command("agent")
def agent(
    data: DataArgument,
    output: OutputFlag,
    tools: Annotated[
        ToolsOption,
        typer.Option("--tools", help="Measured live by vol3d, or read from a cache."),
    ] = ToolsOption.LIVE,
    official_tools: Annotated[
        bool, typer.Option("--official-tools", help="Offer only the tools that the caches have.")
    ] = False,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="embedded (calls planned by rule), none (the same without the network), a folder "
            "with a transformers model, or openai:NAME with --api-base.",
        ),
    ] = "embedded",
    form: FormFlag = FormOption.MC,
    questions: QuestionsFlag = None,
    subtype: SubtypeFlag = None,
    limit: LimitFlag = None,
    masks_dir: MasksDirFlag = None,
    degrade: DegradeFlag = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", exists=True, dir_okay=False, help="A tool cache in place of the data set's."
        ),
    ] = None,
    profile: ProfileFlag = ProfileOption.NATIVE,
    max_steps: Annotated[
        int, typer.Option("--max-steps", min=1, max=32, help="Turns of the model per question.")
    ] = 5,
    api_base: ApiBaseFlag = None,
    device: DeviceFlag = "auto",
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Answer questions by calling tools; trajectories are kept and can be replayed."""
    from vol3d.evaluate.agent.run import AgentSettings, run_agent
    from vol3d.evaluate.figures import RunInfo
    from vol3d.evaluate.results import AnswerLog
    from vol3d.evaluate.run import RunPlan
    from vol3d.evaluate.session import Answered, finish, provenance_of
    from vol3d.export.writer import check_output_dir

    check_output_dir(output)

    selection = Selection(
        questions=questions,
        subtypes=tuple(subtype or ()),
        limit=limit,
        masks_dir=masks_dir if tools is ToolsOption.LIVE else None,
    )
    benchmark = selected(data, selection)
    source = facts_source(
        EvidenceOption.PREDICTED if tools is ToolsOption.LIVE_PREDICTED else EvidenceOption.MASKS,
        profile=to_profile(profile),
        masks_dir=masks_dir,
        degrade=degrade,
        cache_dir=output / "cache" / "facts",
    )
    tool_set = _tools(tools, benchmark, source, cache=cache, official_only=official_tools)
    clients, model_sha256 = _clients(model, benchmark, api_base=api_base, device=device)
    plan = RunPlan(benchmark=benchmark, form=form.value, facts=source)
    header = {
        **plan.common_header(),
        "model": model,
        "model_sha256": model_sha256,
        "tools": tool_set.name,
        "cache_sha256": _cache_sha256(tools, benchmark, cache),
        "max_steps": max_steps,
    }
    with AnswerLog(output, header) as log:  # refuses answers of another run, and a second process
        done = run_agent(
            benchmark.questions,
            clients,
            tools=tool_set,
            out=output / "trajectories.jsonl",
            settings=AgentSettings(form=form.value, max_steps=max_steps),
        )
        for row in done.rows:
            if row.qid not in log.rows:
                log.add(row)
    provenance = {
        **provenance_of(header),
        "tool_faults": str(done.num_faults),
        "malformed_calls": str(done.num_malformed),
    }
    info = RunInfo(
        title=f"{Path(data).name}, agent",
        system=f"{model} with {tool_set.name} tools",
        form=form.value,
        evidence="predicted" if "predicted" in tools.value else "masks",
        kind="agent",
        provenance=provenance,
    )
    answers = {row.qid: row for row in done.rows}
    main = Answered(name=info.system, answers=answers, folder=output)
    summary = finish([main], output, benchmark=benchmark, run_info=info)
    for qid, problem in list(done.failed.items())[:5]:
        print(f"vol3d: question {qid}: {problem}", file=sys.stderr)
    return tell_summary(summary, output, is_json=is_json, is_quiet=quiet)


def _tools(
    kind: ToolsOption,
    benchmark: Benchmark,
    source: Facts | None,
    *,
    cache: Path | None,
    official_only: bool,
) -> ToolSet:
    """The set of tools that an option names."""
    from vol3d.evaluate.agent.caches import PUBLISHED_CACHES, CacheTools
    from vol3d.evaluate.agent.tools import LiveTools
    from vol3d.evaluate.agent.toolset import OFFICIAL_TOOLS
    from vol3d.evaluate.casebook import CaseBook

    name = kind.value.replace("-", " ")
    if kind in (ToolsOption.ORACLE_CACHE, ToolsOption.PREDICTED_CACHE):
        return CacheTools.load(cache or benchmark.root / PUBLISHED_CACHES[name], name=name)
    book = CaseBook(benchmark, source)
    only = OFFICIAL_TOOLS if official_only else None
    # the masks are named, so that a run is not continued with others
    masks = "" if source is None else f" ({source.fingerprint()['masks']})"
    shown = f"{name}{masks}, official tools only" if official_only else f"{name}{masks}"
    return LiveTools(book.facts, scan_of=book.scan, name=shown, only=only)


def _cache_sha256(kind: ToolsOption, benchmark: Benchmark, cache: Path | None) -> str | None:
    """Hash of the cache file that the tools read, if they read one."""
    import hashlib

    from vol3d.evaluate.agent.caches import PUBLISHED_CACHES

    name = kind.value.replace("-", " ")
    if name not in PUBLISHED_CACHES:
        return None
    path = cache or benchmark.root / PUBLISHED_CACHES[name]
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _clients(
    model: str, benchmark: Benchmark, *, api_base: str | None, device: str
) -> tuple[ClientOf, str]:
    """Makes the model's client for each question; and a hash of its weights, if they are known."""
    from vol3d.evaluate.agent.eyes import NetworkEyes, embedded_clients

    if model == "none":
        return embedded_clients(), ""
    if model == "embedded":
        from vol3d.evaluate.build import ModelChoice, model_system
        from vol3d.evaluate.casebook import CaseBook

        system = model_system(ModelChoice(device=device))
        clients = embedded_clients(NetworkEyes(system, CaseBook(benchmark, None).case))
        return clients, system.fingerprint()["weights_sha256"]
    if model.startswith("openai:"):
        from vol3d.evaluate.servers import ServerModel

        server = ServerModel.connect(api_base, model.removeprefix("openai:")).client
        return (lambda record: server), ""
    from vol3d.evaluate.agent.local_client import LocalTransformersClient
    from vol3d.evaluate.language_models import weights_sha256
    from vol3d.infer.engine import choose_device

    local = LocalTransformersClient.from_folder(model, device=str(choose_device(device)))
    return (lambda record: local), weights_sha256(Path(model))


@app.command("make-tool-cache")
def make_tool_cache(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Data set, or folder of cases named like BDMAP_00000001."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The JSON file to write.")
    ],
    masks_dir: MasksDirFlag = None,
    questions: QuestionsFlag = None,
    profile: ProfileFlag = ProfileOption.NATIVE,
    is_json: JsonFlag = False,
    quiet: QuietFlag = False,
    verbose: VerboseFlag = False,
) -> int:
    """Write what the official tools answer, measured on your masks; continues a broken-off run."""
    from vol3d.evaluate.agent.caches import make_tool_cache as make
    from vol3d.evaluate.agent.cases import find_cases, phases_of
    from vol3d.measure.engine import MeasureOptions
    from vol3d.report.schema import DISCLAIMER
    from vol3d.vqa.dataset import load_questions

    file = questions or data / "benchmark" / "test_qa.json"
    phases = phases_of(load_questions(file)) if questions or file.is_file() else {}
    made = make(
        find_cases(data, masks_dir=masks_dir),
        output,
        options=MeasureOptions(profile=to_profile(profile)),
        phases=phases,
        on_case=lambda image: print(image, file=sys.stderr) if verbose else None,
    )
    for image, problem in made.failed.items():
        print(f"vol3d: case {image}: {problem}", file=sys.stderr)
    if is_json:
        print_json({"disclaimer": DISCLAIMER, "cases": made.num_cases, "failed": dict(made.failed)})
    if not quiet:
        print(f"{DISCLAIMER}\nWrote {made.num_cases} cases to {output}", file=sys.stderr)
    return SOME_FAILED if made.failed else OK
