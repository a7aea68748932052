"""An OpenAI-compatible server over a real socket: good replies, bad ones, and none."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from agent_cases import liver_case, spleen_question, spleen_record
from chat_server import (
    Behaviour,
    StubServer,
    body,
    calls,
    chat_server,
    drips,
    message,
    raw_calls,
    says,
    sleeps,
    truncated,
)

from vol3d.errors import ConfigError
from vol3d.evaluate.agent.chat import ChatError, tool_message
from vol3d.evaluate.agent.loop import AgentOutcome, run_question
from vol3d.evaluate.agent.openai_client import OpenAiClient, OpenAiOptions, wire_messages
from vol3d.evaluate.agent.run import run_agent
from vol3d.evaluate.agent.tools import LiveTools
from vol3d.evaluate.agent.trajectories import read_trajectories

TOOLS = LiveTools(lambda image_id: liver_case())
MEASURE = calls("measure", {"target": "spleen", "measurement_type": "volume_cm3"})
KEY = "sk-very-secret"


def client(url: str, waits: list[float] | None = None, *, retries: int = 2) -> OpenAiClient:
    options = OpenAiOptions(
        base_url=url, model="stub", timeout_s=0.4, num_retries=retries, key_variable="STUB_KEY"
    )
    kept = waits if waits is not None else []
    return OpenAiClient(options, sleep=kept.append)


def run(script: list[Behaviour]) -> tuple[AgentOutcome, StubServer, list[float]]:
    waits: list[float] = []
    with chat_server(script) as server:
        outcome = run_question(client(server.base_url, waits), TOOLS, question=spleen_question())
    return outcome, server, waits


def test_a_tool_loop() -> None:
    outcome, server, waits = run([MEASURE, says("A")])
    assert (outcome.answer, outcome.num_steps, outcome.error) == ("A", 2, None)
    assert server.paths == ["/v1/chat/completions"] * 2
    first, second = server.requests
    assert first["model"] == "stub"
    assert first["temperature"] == 0.0
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"measure", "list_lesions"}
    assistant, told = second["messages"][-2:]
    assert assistant["tool_calls"][0]["id"] == told["tool_call_id"]
    assert json.loads(assistant["tool_calls"][0]["function"]["arguments"])["target"] == "spleen"
    assert json.loads(told["content"])["value"] == 350.0
    assert waits == []


def test_the_last_step_offers_no_tools() -> None:
    outcome, server, _ = run([MEASURE])
    assert ["tools" in request for request in server.requests] == [True] * 4 + [False]
    assert outcome.answer == ""


@pytest.mark.parametrize(
    "bad",
    [
        body(b"out of order", status=500),
        body(b"", status=503),
        body(b"slow down", status=429),
        body(b"not json"),
        truncated(message("B")),
        sleeps(1.0),
        drips(50, 0.05),
    ],
    ids=["500", "503", "429", "no json", "truncated", "time-out", "drip"],
)
def test_a_passing_failure_is_retried(bad: Behaviour) -> None:
    outcome, server, waits = run([bad, says("A")])
    assert (outcome.answer, outcome.error) == ("A", None)
    assert len(server.requests) == 2
    assert waits == [1.0]


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (body(b"out of order", status=500), "http 500"),
        (body(b"slow down", status=429), "http 429"),
        (body(b"not json"), "invalid reply"),
        (truncated(message("B")), "invalid reply"),
        (sleeps(0.8), "time-out"),
    ],
    ids=["500", "429", "no json", "truncated", "time-out"],
)
def test_a_lasting_failure_is_named_and_gives_no_answer(bad: Behaviour, kind: str) -> None:
    outcome, server, waits = run([bad])
    assert outcome.error is not None
    assert outcome.error.startswith(f"{kind}: model stub: got {kind}")
    assert "after 3 tries" in outcome.error
    assert outcome.answer == ""
    assert len(server.requests) == 3
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 404, 302])
def test_a_refusal_is_not_retried(status: int) -> None:
    moved = {"Location": "http://127.0.0.1:9/steal"}
    outcome, server, _ = run([body(b"no", status=status, headers=moved)])
    assert outcome.error is not None
    assert outcome.error.startswith(f"http {status}:")
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [b"{}", b"[]", b"null", b'{"choices": []}', b'{"choices": [1]}'])
def test_a_reply_without_a_message_is_named(reply: bytes) -> None:
    outcome, _, _ = run([body(reply)])
    assert outcome.error is not None
    assert outcome.error.startswith("invalid reply:")


def test_the_server_may_ask_to_wait_longer() -> None:
    slow = body(b"", status=429, headers={"Retry-After": "7"})
    _, _, waits = run([slow, says("A")])
    assert waits == [7.0]


def test_no_wait_is_longer_than_a_minute() -> None:
    slow = body(b"", status=429, headers={"Retry-After": "86400"})
    _, _, waits = run([slow, says("A")])
    assert waits == [60.0]


def test_connection_refused_is_named() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        waits: list[float] = []
        url = f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        outcome = run_question(client(url, waits), TOOLS, question=spleen_question())
    assert outcome.error is not None
    assert outcome.error.startswith("connection:")
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("tool_calls", "told"),
    [
        ([{"id": "1", "function": {"name": "measure", "arguments": '{"target": '}}], "valid JSON"),
        ([{"id": "1", "function": {"name": "measure", "arguments": "[1]"}}], "a list"),
        ([{"id": "1", "function": {"name": "measure", "arguments": ["x"]}}], "a list"),
        ([{"id": "1", "function": {"name": "fly", "arguments": "{}"}}], "unknown tool"),
        ([{"id": "1", "function": {"arguments": "{}"}}], "no name"),
        ([{"name": "fly", "arguments": {}}], "unknown tool"),
        (["measure"], "a text"),
        ("measure", "expected a list of calls"),
    ],
)
def test_malformed_calls_are_told_to_the_model(tool_calls: object, told: str) -> None:
    outcome, server, _ = run([raw_calls(tool_calls), says("B")])
    assert (outcome.answer, outcome.error, outcome.num_faults) == ("B", None, 0)
    assert told in json.loads(server.requests[1]["messages"][-1]["content"])["error"]


@pytest.mark.parametrize("content", [None, "", "   "])
def test_empty_content_is_an_answer_without_a_letter(content: str | None) -> None:
    outcome, _, _ = run([says(content)])
    assert (outcome.answer, outcome.error) == ("", None)


def test_a_timed_out_question_is_never_scored(tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    records = [spleen_record("bench_00001"), spleen_record("bench_00002")]
    with chat_server([says("A"), sleeps(0.6)]) as server:
        asked = client(server.base_url, retries=0)
        run = run_agent(records, lambda r: asked, tools=TOOLS, out=out)
    assert [row.qid for row in run.rows] == ["bench_00001"]
    assert run.failed["bench_00002"].startswith("time-out:")
    assert read_trajectories(out)[1].answer == ""


def test_the_key_is_sent_and_stands_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_KEY", KEY)
    echo = body(f"Incorrect API key provided: {KEY}".encode(), status=401)
    outcome, server, _ = run([echo])
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert outcome.error is not None
    assert KEY not in outcome.trajectory.model_dump_json()
    assert "***" in outcome.error
    assert KEY not in repr(client(server.base_url).options)


def test_settings_that_a_model_refuses_can_be_left_out() -> None:
    with chat_server([says("C")]) as server:
        options = OpenAiOptions(
            base_url=f"{server.base_url}/",
            model="m",
            temperature=None,
            seed=None,
            max_tokens=7,
            tokens_field="max_completion_tokens",
        )
        OpenAiClient(options).complete([])
    assert server.paths == ["/v1/chat/completions"]
    assert server.requests == [{"model": "m", "max_completion_tokens": 7, "messages": []}]


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STUB_KEY", raising=False)
    _, server, _ = run([says("A")])
    assert "Authorization" not in server.headers[0]


def test_direct_mode_is_a_plain_completion() -> None:
    with chat_server([says("C")]) as server:
        text = client(server.base_url).complete([{"role": "user", "content": "Which?"}])
    assert text == "C"
    assert "tools" not in server.requests[0]


def test_direct_mode_raises_what_is_wrong() -> None:
    with chat_server([body(b"", status=500)]) as server, pytest.raises(ChatError) as caught:
        client(server.base_url, retries=0).complete([{"role": "user", "content": "Which?"}])
    assert caught.value.kind == "http 500"


def test_pictures_follow_the_results_as_data_urls() -> None:
    crop = tool_message("crop_organ", {"image_base64": "QUJD", "note": "n"}, 0)
    other = tool_message("measure", {"value": 1}, 1)
    wired = wire_messages([{"role": "user", "content": "q"}, crop, other])
    assert [each["role"] for each in wired] == ["user", "tool", "tool", "user"]
    assert "QUJD" not in wired[1]["content"]
    assert wired[3]["content"][1]["image_url"]["url"] == "data:image/png;base64,QUJD"


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x/v1", "http://me:pw@x/v1", "http://"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        OpenAiClient(OpenAiOptions(base_url=url, model="m"))
