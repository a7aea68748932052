import pytest

from vol3d.evaluate.leaderboard import PublishedRow, published_rows

WEIGHTS = {
    "recognition": 2023,
    "measurement": 2023,
    "visual reasoning": 4049,
    "medical reasoning": 1905,
}
"""Questions of each group in the benchmark."""
MODELS = [row for row in published_rows() if row.family != "human"]


def test_numbers_of_published_rows() -> None:
    forms = [row.form for row in published_rows()]
    assert (forms.count("mc"), forms.count("freeform")) == (38, 24)


@pytest.mark.parametrize("row", MODELS, ids=lambda row: f"{row.name}, {row.form}")
def test_overall_is_the_mean_of_the_groups_by_questions(row: PublishedRow) -> None:
    mean = sum(WEIGHTS[name] * score for name, score in row.by_super_type.items()) / 10_000
    assert row.overall == pytest.approx(mean, abs=0.1)


def test_the_senior_radiologist() -> None:
    row = next(row for row in published_rows() if row.name.startswith("Senior"))
    assert row.overall == 54.5
    assert row.by_super_type["measurement"] == 40.0
