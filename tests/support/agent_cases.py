"""Cases, clients and questions for tests of the agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fact_builders import lesion, make_case, organ

from vol3d.evaluate.agent.chat import ChatError, ChatReply, Message, Schema, ToolCall
from vol3d.evaluate.agent.loop import AgentQuestion
from vol3d.measure.facts import CaseFacts
from vol3d.vqa.dataset import QaRecord

IMAGE = "BDMAP_00000001"


def liver_case(*, spleen_cm3: float = 350.0) -> CaseFacts:
    """A liver of 1500 cm3 with a tumour of 8 and a cyst of 1 cm3, and a spleen."""
    return make_case(
        [
            organ("liver", 1500.0, 100.0),
            organ("spleen", spleen_cm3, 110.0),
            organ("kidney_left", 150.0, 160.0),
            organ("kidney_right", 170.0, 170.0, status="truncated"),
            organ("liver_segment_4", 200.0),
            organ("liver_segment_6", 210.0),
        ],
        [
            lesion(
                "liver",
                "tumor",
                8.0,
                diameter_mm=26.0,
                mean=60.0,
                segments=("4",),
                slice_index=40,
                contacts=[("stomach", 2.0, 120), ("gallbladder", 9.0, 0)],
            ),
            lesion("liver", "cyst", 1.0, diameter_mm=13.0, mean=5.0, segments=("6",)),
        ],
        annotated={"liver": ("tumor", "cyst"), "kidney": ("tumor", "cyst")},
        case_id=IMAGE,
    )


class ScriptedClient:
    """Says what it is told to, and keeps what it was given."""

    def __init__(self, *turns: ChatReply | ChatError, name: str = "scripted") -> None:
        self.name = name
        self.turns = list(turns)
        self.messages: list[list[Message]] = []
        self.tools: list[list[Schema]] = []

    def chat(self, messages: Sequence[Message], tools: Sequence[Schema]) -> ChatReply:
        self.messages.append([dict(each) for each in messages])
        self.tools.append(list(tools))
        turn = self.turns[min(len(self.messages), len(self.turns)) - 1]
        if isinstance(turn, ChatError):
            raise turn
        return turn


def asks(name: str, **arguments: Any) -> ChatReply:
    """A turn with one call."""
    return ChatReply(tool_calls=(ToolCall(name=name, arguments=arguments),))


def answers(text: str) -> ChatReply:
    """A turn that ends the loop."""
    return ChatReply(content=text)


def spleen_question(qid: str = "bench_00001") -> AgentQuestion:
    """A multiple-choice question about the spleen."""
    return AgentQuestion.from_record(spleen_record(qid), "mc")


def spleen_record(qid: str = "bench_00001", *, image_id: str = IMAGE) -> QaRecord:
    """Its record; the key is A."""
    return QaRecord(
        qid=qid,
        image_id=image_id,
        spacing="[0.8 0.8 2.5]",
        shape="(512, 512, 101)",
        sex="F",
        contrast="Venous",
        question="Is the spleen enlarged by volume?",
        answer="Yes",
        mc_question="Is the spleen enlarged by volume? A: Yes B: No",
        correct_option="A",
        organ="spleen",
        lesion=False,
        question_type="recognition",
        question_subtype="splenomegaly detection",
        requires_tools=("segment_organ", "measure", "lookup_medical_knowledge"),
    )
