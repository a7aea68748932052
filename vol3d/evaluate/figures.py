"""The record of one evaluation: what was run, every figure, and what it stands beside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from vol3d.evaluate.breakdown import GroupScore
from vol3d.evaluate.calibration import Assessability, Calibration, CoverageRisk
from vol3d.evaluate.paired import PairedComparison
from vol3d.evaluate.rows import Evidence, Form, ScoredRow
from vol3d.evaluate.statistics import Precision

SUPER_TYPES = ("recognition", "measurement", "visual reasoning", "medical reasoning")

RowKind = Literal["direct", "agent", "human"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceRow:
    """A published result to stand beside.

    Args:
        name: Name of the system or reader.
        kind: ``direct`` models, ``agent`` systems and ``human`` readers are ranked apart.
        overall: Published accuracy in percent, as are the four groups.
        recognition: In percent, ``None`` if not published.
        measurement: In percent.
        visual: Visual reasoning, in percent.
        medical: Medical reasoning, in percent.
        source: Where it is published.
        note: What to know before comparing, such as a smaller set of questions.
    """

    name: str
    kind: RowKind
    overall: float
    recognition: float | None = None
    measurement: float | None = None
    visual: float | None = None
    medical: float | None = None
    source: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInfo:
    """What was run.

    Args:
        title: Name of the benchmark and split.
        system: Name of the system.
        form: Multiple choice or free form.
        evidence: Where facts about the scan come from.
        kind: Family in which the system is placed.
        provenance: Versions, hashes and options, shown as they are.
    """

    title: str
    system: str
    form: Form
    evidence: Evidence
    kind: RowKind = "direct"
    provenance: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemRun:
    """Another run on the same questions, such as rules alone or blank scans.

    Args:
        name: Such as ``rules alone``, ``language model alone`` or ``blank scans``.
        rows: Its scored rows.
        metrics: Its figures by the official ``aggregate``.
        note: One sentence on what differs.
    """

    name: str
    rows: Sequence[ScoredRow]
    metrics: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What the evaluated system is shown beside.

    Args:
        references: Published rows.
        references_note: Whether they are comparable: shown with them.
        is_comparable: Whether a place among them means anything.
        systems: Other runs, each with its own figures.
        blank: Rows of the system on blank scans, for the score above blank.
        comparisons: Paired tests, from ``compare_paired``.
    """

    references: Sequence[ReferenceRow] = ()
    references_note: str = ""
    is_comparable: bool = True
    systems: Sequence[SystemRun] = ()
    blank: Sequence[ScoredRow] | None = None
    comparisons: Sequence[PairedComparison] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OfficialFigure:
    """A figure as the official scorer gives it.

    Args:
        accuracy: 0 to 1, untouched.
        num_questions: Questions that it counts.
    """

    accuracy: float
    num_questions: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupFigure:
    """A group of questions: the official figure, and all that is known about it.

    Args:
        official: From the official scorer; ``None`` for groups that it does not know (strata) or
            that have no answer.
        scores: Both scorers' means with intervals.
    """

    official: OfficialFigure | None
    scores: GroupScore


@dataclass(frozen=True, kw_only=True, slots=True)
class SubtypeFigure:
    """One subtype: its group, the official figure, and all that is known about it.

    Args:
        super_type: Its group.
        official: From the official scorer: mean relative accuracy for numbers in free form.
        scores: Both scorers' means with intervals.
    """

    super_type: str
    official: OfficialFigure | None
    scores: GroupScore


@dataclass(frozen=True, kw_only=True, slots=True)
class Stratum:
    """A breakdown by something other than the kind of question."""

    name: str
    groups: tuple[GroupScore, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemFigure:
    """One run's own figures: overall, and the groups of subtypes in their order."""

    name: str
    note: str
    is_main: bool
    overall: GroupFigure
    super_types: tuple[GroupFigure, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where the official overall accuracy would stand among published rows of its kind.

    Args:
        kind: The kind of rows it is placed among.
        rank: 1 for the best; after published rows with the same figure to one decimal.
        num_published: Published rows of that kind.
    """

    kind: RowKind
    rank: int
    num_published: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSummary:
    """All figures of one evaluation.

    Args:
        disclaimer: Research use only.
        run: What was run.
        num_questions: All questions asked.
        num_answered: Those with an answer.
        num_failed: Those without one.
        num_abstained: Those that the system said cannot be answered.
        num_volumes: Volumes.
        overall: Over all questions.
        super_types: Per group of subtypes.
        subtypes: Per subtype, by group.
        precision: What the interval of the strict overall score can show.
        calibration: Confidences against scores.
        coverage_risk: Risk when uncertain answers are withheld; thinned to 200 points.
        assessability: "Not assessable" against the truth.
        strata: Breakdowns by size, phase and the like.
        references: Published rows, best first.
        references_note: Whether they are comparable.
        placement: Among published rows of the same kind; ``None`` without comparable ones.
        systems: The main run first, then others.
        comparisons: Paired tests.
        notes: What a reader must know, such as questions without a counterpart.
    """

    disclaimer: str
    run: RunInfo
    num_questions: int
    num_answered: int
    num_failed: int
    num_abstained: int
    num_volumes: int
    overall: GroupFigure
    super_types: tuple[GroupFigure, ...]
    subtypes: tuple[SubtypeFigure, ...]
    precision: Precision
    calibration: Calibration
    coverage_risk: CoverageRisk
    assessability: Assessability
    strata: tuple[Stratum, ...]
    references: tuple[ReferenceRow, ...]
    references_note: str
    placement: Placement | None
    systems: tuple[SystemFigure, ...]
    comparisons: tuple[PairedComparison, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        """The record as JSON text; scores are 0 to 1, published rows in percent."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
