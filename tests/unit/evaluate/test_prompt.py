import pytest
from toy_systems import toy_record

from vol3d.evaluate.prompt import direct_prompt, phase_of_record, read_prompt

VOLUME = {
    "question": "How large is the spleen, in cm3?",
    "answer": "287.4",
    "mc_question": "How large is the spleen, in cm3? A: 241.8 B: 287.4 C: 330.1 D: 402.6",
    "organ": "spleen",
    "question_type": "measurement",
    "question_subtype": "organ volume measurement",
}
PATIENT = {"sex": "F", "age": "63", "contrast": "Venous"}


def test_a_prompt_has_one_part_per_line() -> None:
    lines = direct_prompt(toy_record(1, image=0, **VOLUME, **PATIENT), "mc").splitlines()
    assert lines[1:4] == [
        "Patient: sex=F, age=63, contrast=Venous.",
        "Voxel spacing (mm): [1 1 1].  Volume shape: (9, 9, 9).",
        VOLUME["mc_question"],
    ]
    assert "A, B, C, or D" in lines[4]


def test_spacing_is_told_for_numbers_alone() -> None:
    assert "spacing" not in direct_prompt(toy_record(1, image=0), "mc").splitlines()[1]


@pytest.mark.parametrize(
    ("subtype", "word"),
    [
        ("organ volume measurement", "number"),
        ("organ enlargement", "'yes' or 'no'"),
        ("fatty liver", "phrase"),
    ],
)
def test_free_form_tells_the_kind_of_answer(subtype: str, word: str) -> None:
    record = toy_record(1, image=0, question_subtype=subtype)
    assert word in direct_prompt(record, "freeform").splitlines()[-1]


def test_a_prompt_reads_back() -> None:
    read = read_prompt(direct_prompt(toy_record(1, image=0, **VOLUME, **PATIENT), "mc"))
    assert read.question == VOLUME["mc_question"]
    assert read.options == ("241.8", "287.4", "330.1", "402.6")
    assert (read.form, read.kind) == ("mc", "numeric")
    assert (read.sex, read.age_years, read.phase) == ("F", 63.0, "venous")


def test_a_free_form_prompt_reads_back() -> None:
    read = read_prompt(direct_prompt(toy_record(1, image=0, **VOLUME), "freeform"))
    assert read.question == VOLUME["question"]
    assert (read.form, read.kind, read.options) == ("freeform", "numeric", ())


@pytest.mark.parametrize(
    ("contrast", "phase"),
    [("Non-contrast", "unenhanced"), ("Delay", "delayed"), ("arterial", "arterial"), (None, None)],
)
def test_phase_of_the_tables(contrast: str | None, phase: str | None) -> None:
    assert phase_of_record(toy_record(1, image=0, contrast=contrast)) == phase


def test_an_empty_prompt_reads_as_nothing() -> None:
    assert read_prompt("").question == ""
