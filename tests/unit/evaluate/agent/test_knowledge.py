"""What agents look up: every kind of question is covered, every number and source is there."""

from __future__ import annotations

import re

import pytest

from vol3d.anatomy import threshold, thresholds
from vol3d.evaluate.agent.knowledge import look_up, topics
from vol3d.evaluate.agent.tools import answer_look_up
from vol3d.vqa.subtypes import SUBTYPES


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_the_name_of_a_subtype_leads_to_its_rule(subtype: str) -> None:
    assert subtype in look_up(subtype)[0].subtypes


def test_every_topic_has_a_source_and_no_open_number() -> None:
    for topic in topics():
        assert topic.source, topic.id
        assert not re.search(r"<[a-z_0-9.]+>", topic.text), topic.id


def test_every_threshold_can_be_looked_up() -> None:
    for each in thresholds():
        assert each in {topic.id for topic in look_up(each)}


def test_numbers_are_those_of_the_table() -> None:
    assert f"{threshold('spleen.enlarged_cm3'):g} cm3" in look_up("SPLENOMEGALY")[0].text
    assert "Bezerra" in look_up("splenomegaly")[0].source


def test_keywords_in_capitals_are_found() -> None:
    assert look_up("T4 and AJCC")[0].id == "pancreatic t stage"
    assert look_up("L/S on unenhanced CT")[0].id == "attenuation ratio"


def test_at_most_two_results() -> None:
    assert 1 <= len(look_up("liver spleen kidney pancreas volume ratio stage cyst")) <= 2


def test_nothing_fits_tells_the_topics() -> None:
    result = answer_look_up("x", {"query": "zzz"})
    assert result["results"] == []
    assert "spleen size" in result["note"]


def test_the_shape_is_the_official_one() -> None:
    (first, *_) = answer_look_up("x", {"query": "fatty liver"})["results"]
    assert set(first) == {"text", "source"}
