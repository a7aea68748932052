"""Options of the commands that measure masks, and what they stand for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vol3d.errors import ConfigError, explain

if TYPE_CHECKING:
    from vol3d.measure.facts import MaskSource, Phase, Profile

MasksList = Annotated[
    list[str] | None,
    typer.Option(
        "--masks",
        metavar="MASKS",
        help="File with labels, or folder with a file per structure; may be given repeatedly.",
    ),
]
LabelFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="N=NAME",
        help="What a label means, such as 1=liver_lesion; may be given more than once.",
    ),
]


class ProfileOption(StrEnum):
    """What ``--profile`` accepts."""

    NATIVE = "native"
    RADGPT = "radgpt"


class PhaseOption(StrEnum):
    """What ``--phase`` accepts."""

    UNENHANCED = "unenhanced"
    ARTERIAL = "arterial"
    VENOUS = "venous"
    DELAYED = "delayed"


class SourceOption(StrEnum):
    """What ``--mask-source`` accepts."""

    ANNOTATOR = "annotator"
    SEGMENTER = "segmenter"
    UNKNOWN = "unknown"


class LanguageOption(StrEnum):
    """What ``--language`` accepts."""

    EN = "en"
    ZH = "zh"


class StyleOption(StrEnum):
    """What ``--style`` accepts."""

    STRUCTURED = "structured"
    NARRATIVE = "narrative"


ProfileFlag = Annotated[
    ProfileOption,
    typer.Option("--profile", help="native: true sizes; radgpt: conventions of DeepTumorVQA."),
]
PhaseFlag = Annotated[
    PhaseOption | None,
    typer.Option("--phase", help="Contrast phase, if it is known; otherwise it is estimated."),
]
SourceFlag = Annotated[
    SourceOption, typer.Option("--mask-source", help="Who made the masks; the report says it.")
]
LanguageFlag = Annotated[LanguageOption, typer.Option("--language", help="Of the report's text.")]
StyleFlag = Annotated[StyleOption, typer.Option("--style", help="Of the report's text.")]
CaseIdFlag = Annotated[
    str,
    typer.Option("--case-id", help="Name of the case in the results; never a patient's id."),
]


def to_names(labels: list[str] | None) -> dict[int, str]:
    """Names by label from ``N=NAME`` texts.

    Raises:
        ConfigError: A text is no such pair.
    """
    names: dict[int, str] = {}
    for text in labels or []:
        number, _, name = text.partition("=")
        if not number.isdigit() or int(number) == 0 or not name:
            raise ConfigError(
                explain(
                    expected="a label and its name, such as 1=liver_lesion",
                    got=repr(text),
                    where="--label",
                    remedy="Name the structure or lesion that the label shows.",
                )
            )
        names[int(number)] = name
    return names


def to_phase(option: PhaseOption | None) -> Phase | None:
    """The phase that an option names."""
    return None if option is None else option.value


def to_profile(option: ProfileOption) -> Profile:
    """The profile that an option names."""
    return option.value


def to_source(option: SourceOption) -> MaskSource:
    """The source that an option names."""
    return option.value
