"""The 42 subtypes of DeepTumorVQA as one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from vol3d.measure.facts import CaseFacts
from vol3d.vqa import answers
from vol3d.vqa.values import Slots, Value

SuperType = Literal["recognition", "measurement", "visual reasoning", "medical reasoning"]
AnswerType = Literal["numeric", "binary", "categorical"]
AnswerRule = Callable[[CaseFacts, Slots], Value | None]
TOOLS = ("segment_organ", "measure", "lookup_medical_knowledge")


@dataclass(frozen=True, kw_only=True, slots=True)
class Subtype:
    """One row of the table.

    Args:
        name: As DeepTumorVQA spells it.
        super_type: Group of subtypes.
        answer_type: How the official scorer compares answers.
        slots: Names of what a question leaves open.
        num_tools: How many of ``TOOLS`` an agent needs, in their order.
        organ: Organ of questions without an organ slot.
        is_about_lesions: Whether the question is about lesions.
        answer: The true answer.
    """

    name: str
    super_type: SuperType
    answer_type: AnswerType
    slots: tuple[str, ...]
    num_tools: int
    organ: str | None
    is_about_lesions: bool
    answer: AnswerRule

    @property
    def requires_tools(self) -> tuple[str, ...]:
        """Tools that an agent needs."""
        return TOOLS[: self.num_tools]


_R: SuperType = "recognition"
_M: SuperType = "measurement"
_V: SuperType = "visual reasoning"
_D: SuperType = "medical reasoning"
_TYPED = ("organ", "lesion_type")


def _row(
    name: str,
    group: tuple[SuperType, AnswerType],
    answer: object,
    *,
    slots: tuple[str, ...] = (),
    organ: str | None = None,
    tools: int = 2,
    lesions: bool = True,
) -> Subtype:
    return Subtype(
        name=name,
        super_type=group[0],
        answer_type=group[1],
        slots=slots,
        num_tools=tools,
        organ=organ,
        is_about_lesions=lesions,
        answer=cast(AnswerRule, answer),
    )


def _existence(name: str, organ: str, lesion_type: str | None) -> Subtype:
    rule = answers.presence(organ, lesion_type)
    return _row(name, (_R, "binary"), rule, organ=organ, tools=1)


_ROWS = (
    _existence("liver lesion existence", "liver", None),
    _existence("kidney lesion existence", "kidney", None),
    _existence("kidney tumor existence", "kidney", "tumor"),
    _existence("kidney cyst existence", "kidney", "cyst"),
    _existence("pancreatic lesion existence", "pancreas", None),
    _existence("PDAC existence", "pancreas", "pdac"),
    _existence("PNET existence", "pancreas", "pnet"),
    _existence("colon lesion existence", "colon", None),
    _row(
        "splenomegaly detection",
        (_R, "binary"),
        answers.splenomegaly,
        organ="spleen",
        tools=3,
        lesions=False,
    ),
    _row(
        "organ volume measurement",
        (_M, "numeric"),
        answers.organ_volume,
        slots=("organ",),
        lesions=False,
    ),
    _row(
        "organ HU measurement", (_M, "numeric"), answers.organ_hu, slots=("organ",), lesions=False
    ),
    _row("lesion volume measurement", (_M, "numeric"), answers.lesion_volume, slots=_TYPED),
    _row("organ HU ratio", (_M, "numeric"), answers.hu_ratio, slots=("organ",), lesions=False),
    _row("tumor burden percentage", (_M, "numeric"), answers.burden, slots=("organ",)),
    _row("lesion counting", (_V, "numeric"), answers.count, slots=_TYPED),
    _row(
        "lesion count by location",
        (_V, "numeric"),
        answers.count_in_segment,
        slots=("organ", "segment", "lesion_type"),
    ),
    _row("largest lesion diameter", (_V, "numeric"), answers.largest_diameter, slots=_TYPED),
    _row("largest lesion slice", (_V, "numeric"), answers.largest_slice, slots=_TYPED, tools=1),
    _row(
        "organ aggregation",
        (_V, "numeric"),
        answers.aggregation,
        slots=("organ", "organ_b"),
        lesions=False,
    ),
    _row("tumor organ HU difference", (_V, "numeric"), answers.hu_difference, slots=("organ",)),
    _row("largest lesion attenuation", (_V, "categorical"), answers.attenuation, slots=("organ",)),
    _row(
        "largest lesion location",
        (_V, "categorical"),
        answers.location,
        slots=("organ",),
        tools=1,
    ),
    _row(
        "inter-segment comparison",
        (_V, "categorical"),
        answers.segment_comparison,
        slots=("organ", "segment", "segment_b"),
    ),
    _row(
        "liver lesion clustering", (_V, "categorical"), answers.clustering, organ="liver", tools=3
    ),
    _row("lesion outlier", (_V, "binary"), answers.outlier, slots=("organ",)),
    _row(
        "kidney volume comparison",
        (_V, "categorical"),
        answers.kidney_comparison,
        organ="kidney",
        lesions=False,
    ),
    _row(
        "bilateral kidney asymmetry", (_V, "categorical"), answers.kidney_asymmetry, organ="kidney"
    ),
    _row(
        "multi-organ lesion burden comparison",
        (_V, "categorical"),
        answers.burden_comparison,
        slots=("organ", "organ_b"),
    ),
    _row(
        "organ enlargement",
        (_V, "binary"),
        answers.enlargement,
        slots=("organ",),
        tools=3,
        lesions=False,
    ),
    _row("adjacent organ", (_V, "categorical"), answers.adjacent_organ, slots=("organ",), tools=1),
    _row(
        "splenomegaly grading",
        (_D, "categorical"),
        answers.spleen_grading,
        organ="spleen",
        tools=3,
        lesions=False,
    ),
    _row(
        "PDAC vs PNET classification",
        (_D, "categorical"),
        answers.pdac_or_pnet,
        organ="pancreas",
        tools=3,
    ),
    _row(
        "pancreatic tumor staging", (_D, "categorical"), answers.staging, organ="pancreas", tools=3
    ),
    _row(
        "pancreatic cyst resectability",
        (_D, "binary"),
        answers.cyst_resectability,
        organ="pancreas",
        tools=3,
    ),
    _row(
        "fatty liver",
        (_D, "categorical"),
        answers.fatty_liver,
        organ="liver",
        tools=3,
        lesions=False,
    ),
    _row(
        "pancreatic lesion resectability",
        (_D, "categorical"),
        answers.resectability,
        organ="pancreas",
        tools=3,
    ),
    _row(
        "hepatic steatosis grading",
        (_D, "categorical"),
        answers.steatosis,
        organ="liver",
        tools=3,
        lesions=False,
    ),
    _row(
        "pancreatic steatosis",
        (_D, "binary"),
        answers.fatty_pancreas,
        organ="pancreas",
        tools=3,
        lesions=False,
    ),
    _row(
        "portal hypertension assessment",
        (_D, "binary"),
        answers.portal_hypertension,
        organ="spleen",
        tools=3,
        lesions=False,
    ),
    _row(
        "lesion type classification",
        (_D, "categorical"),
        answers.cyst_or_tumor,
        organ="kidney",
        tools=3,
    ),
    _row(
        "renal mass characterization",
        (_D, "categorical"),
        answers.renal_mass,
        organ="kidney",
        tools=3,
    ),
    _row("pseudocyst determination", (_D, "binary"), answers.pseudocyst, organ="pancreas", tools=3),
)

SUBTYPES: Mapping[str, Subtype] = MappingProxyType({row.name: row for row in _ROWS})
"""All subtypes by name, in the specification's order."""
