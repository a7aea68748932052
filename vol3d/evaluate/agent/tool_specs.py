"""The tools that agents are offered: names, meanings and arguments."""

from __future__ import annotations

from vol3d.anatomy import lesion_types
from vol3d.evaluate.agent.toolset import MEASUREMENTS, Parameter, ToolSpec

_TARGET = Parameter(
    name="target",
    meaning="an organ or vessel such as liver, kidney_left or aorta, or lesions such as "
    "liver_tumor, kidney_cyst or pancreas_tumor",
)
MEASUREMENT = Parameter(
    name="measurement_type",
    meaning="what to measure",
    values=MEASUREMENTS,
    alias="measurement",
)
_ORGAN = Parameter(name="organ", meaning="such as liver, pancreas, kidney, kidney_left or colon")
_TYPE = Parameter(
    name="lesion_type",
    meaning="lesion means all types",
    values=tuple(lesion_types()),
    is_required=False,
)
QUANTITIES = ("volume_cm3", "mean_hu", "lesion_burden_percent", "lesion_count")

SEGMENT = ToolSpec(
    name="segment_organ",
    meaning="Find an organ or lesions in the scan: whether there is a mask, its size and place.",
    parameters=(_TARGET,),
)
MEASURE = ToolSpec(
    name="measure", meaning="One number about a target.", parameters=(_TARGET, MEASUREMENT)
)
LOOK_UP = ToolSpec(
    name="lookup_medical_knowledge",
    meaning="Thresholds and classification rules with their sources.",
    parameters=(Parameter(name="query", meaning="a few words, such as splenomegaly grading"),),
)
CROP = ToolSpec(
    name="crop_organ",
    meaning="A picture: the axial slice through an organ or its largest lesion.",
    parameters=(_ORGAN,),
)
LIST_CROPS = ToolSpec(name="list_available_crops", meaning="What crop_organ can show.")
DESCRIBE = ToolSpec(
    name="describe_scan",
    meaning="The scan, its organs and vessels with volumes and whether they are cut off, which "
    "lesion types were looked for, and how many lesions there are.",
)
DETAILS = ToolSpec(
    name="organ_details",
    meaning="Volume, mean and deviation of HU, place and parts (segments) of one structure.",
    parameters=(_ORGAN,),
)
LESIONS = ToolSpec(
    name="list_lesions",
    meaning="All lesions of an organ, largest first: type, side, segments, volume, diameters, "
    "slice, HU, attenuation.",
    parameters=(_ORGAN, _TYPE),
)
AROUND = ToolSpec(
    name="lesion_surroundings",
    meaning="Neighbouring organs of a lesion with distances, and its contact with vessels.",
    parameters=(Parameter(name="lesion", meaning="id from list_lesions, such as pancreas-1"),),
)
BY_SEGMENT = ToolSpec(
    name="count_lesions_by_segment",
    meaning="Number of lesions in every segment of liver, pancreas or kidney.",
    parameters=(_ORGAN, _TYPE),
)
SLICE = ToolSpec(
    name="slice_position",
    meaning="At which slice an organ or the largest of some lesions is best seen, by index and "
    "in percent of the stack from the feet.",
    parameters=(_TARGET,),
)
COMPARE = ToolSpec(
    name="compare_organs",
    meaning="Two organs by one quantity: both values, their sum, ratio and which is larger.",
    parameters=(
        _ORGAN,
        Parameter(name="organ_b", meaning="the other organ"),
        Parameter(name="quantity", meaning="what to compare", values=QUANTITIES),
    ),
)
FINDINGS = ToolSpec(
    name="rule_findings",
    meaning="What clinical rules make of the measurements: enlargement, grades, stage, burden, "
    "clustering and such, and why a rule is silent.",
)
