"""An evaluation as a web page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from scored_rows import example_summary, official_metrics, scored

from vol3d.evaluate.figures import EvaluationSummary
from vol3d.evaluate.page import render_evaluation
from vol3d.evaluate.summary import RunInfo, summarise

VOID = {"meta", "br"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class _Reader(HTMLParser):
    """Elements, attributes and text of a page; an element closed by another is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def summary() -> EvaluationSummary:
    return example_summary()


@pytest.fixture(scope="module")
def page(summary: EvaluationSummary) -> str:
    return render_evaluation(summary)


def test_elements_are_closed_in_order_and_nothing_is_loaded(page: str) -> None:
    reader = _Reader(page)
    names = {name for name, _ in reader.elements}
    assert not names & {"script", "link", "img", "iframe", "object", "use", "image", "form"}
    for _, attributes in reader.elements:
        assert not {"src", "href", "xlink:href", "srcset", "style"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in page
    assert "@import" not in page


def test_a_strict_policy_stands_in_the_head(page: str) -> None:
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    metas = [attributes for name, attributes in _Reader(page).elements if name == "meta"]
    assert {"http-equiv": "Content-Security-Policy", "content": policy} in metas


def test_names_are_inert_wherever_they_stand() -> None:
    reader = _Reader(render_evaluation(example_summary(EVIL, num=84)))
    assert not {"script", "img"} & {name for name, _ in reader.elements}
    assert sum(EVIL in text for text in reader.text) >= 4  # title, heading, rows, provenance


def test_it_says_research_use_only_at_both_ends(page: str) -> None:
    assert page.count("Research use only, not for clinical use.") == 2


def test_official_and_strict_of_every_subtype_are_in_its_row(
    summary: EvaluationSummary, page: str
) -> None:
    for row in summary.subtypes:
        assert row.official is not None
        official, strict = 100 * row.official.accuracy, 100 * row.scores.strict.mean
        label = f'aria-label="{row.scores.name}: official {official:.2f}, strict {strict:.2f},'
        assert label in page


def test_marks_lie_where_the_figures_say(summary: EvaluationSummary, page: str) -> None:
    first = summary.super_types[0]
    assert first.official is not None
    assert f'cx="{100 * first.official.accuracy:.2f}%"' in page
    assert f'class="spot" x="{100 * first.scores.strict.mean:.2f}%"' in page


def test_every_plot_has_a_name_or_is_hidden_from_readers(page: str) -> None:
    for tag in re.findall(r"<svg[^>]*>", page):
        assert "aria-label=" in tag or "aria-hidden" in tag or 'class="spot"' in tag


def test_our_row_stands_between_its_neighbours(page: str) -> None:
    text = "".join(_Reader(page).text)
    part = text[text.index("Beside published") : text.index("Subtypes")]
    places = [part.index(name) for name in ("High model", "An agent", "this system, direct")]
    assert places == sorted(places)
    assert part.index("this system, direct") < part.index("Senior reader") < part.index("Low model")


def test_provenance_and_corrected_p_values_are_shown(page: str) -> None:
    text = " ".join(" ".join(_Reader(page).text).split())
    assert "Weights, SHA-256 0123abcd" in text
    assert "Of 42 subtypes" in text
    assert "tiny against rules alone" in text


def test_it_knows_dark_screens_and_narrow_ones(page: str) -> None:
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in page


def test_a_single_unanswered_question_makes_a_page() -> None:
    metrics = official_metrics([scored("a")])
    metrics["overall"] |= {"accuracy": 0.0, "n_total": 0}
    rows = [scored("a", 0.0, is_answered=False, chance=0.0)]
    run = RunInfo(title="Bench", system="tiny", form="freeform", evidence="none")
    text = "".join(_Reader(render_evaluation(summarise(rows, metrics, run=run))).text)
    assert "no answers" in text
    assert "0 answers carry a confidence" in text
