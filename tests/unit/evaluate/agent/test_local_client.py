"""A local transformers model: its template gets the tools, its text is read for calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent_cases import liver_case, spleen_question

from vol3d.errors import CheckpointError
from vol3d.evaluate.agent.chat import ChatError, tool_message
from vol3d.evaluate.agent.local_client import LocalTransformersClient
from vol3d.evaluate.agent.loop import run_question
from vol3d.evaluate.agent.tools import LiveTools

TOOLS = LiveTools(lambda image_id: liver_case())
PLAIN = "{% for m in messages %}{{ m['role'] }} {{ m['content'] }} | {% endfor %}assistant"
WITH_TOOLS = (
    "{% if tools %}{% for t in tools %}[{{ t['function']['name'] }}]{% endfor %}{% endif %}" + PLAIN
)
REFUSES = "{{ raise_exception('no system role') }}"
MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]


def make_tokenizer(template: str | None) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<eos>", "A", "B", "assistant", "user", "system", "tool"]
    inner = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    made = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", eos_token="<eos>")
    made.chat_template = template
    return made


def make_model(max_positions: int = 4096) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=max_positions,
    )
    return LlamaForCausalLM(config).eval()


def test_tools_go_through_the_template() -> None:
    client = LocalTransformersClient(None, make_tokenizer(WITH_TOOLS))
    prompt = client.render(MESSAGES, TOOLS.schemas())
    assert prompt.startswith("[segment_organ][measure]")
    assert prompt.endswith("system s | user q | assistant")


def test_a_template_without_tools_gets_them_in_words() -> None:
    client = LocalTransformersClient(None, make_tokenizer(PLAIN))
    prompt = client.render(MESSAGES, TOOLS.schemas())
    assert '"name": "segment_organ"' in prompt
    assert "<tool_call>" in prompt
    assert client.render(MESSAGES, []) == "system s | user q | assistant"


def test_pictures_are_left_out() -> None:
    client = LocalTransformersClient(None, make_tokenizer(PLAIN))
    crop = tool_message("crop_organ", {"image_base64": "QUJD", "note": "n"}, 0)
    assert "QUJD" not in client.render([*MESSAGES, crop], [])


def test_a_template_that_refuses_fails_the_question() -> None:
    client = LocalTransformersClient(None, make_tokenizer(REFUSES), name="m")
    with pytest.raises(ChatError, match="no system role") as caught:
        client.render(MESSAGES, [])
    assert caught.value.kind == "template"


def test_a_tokenizer_without_template_is_refused() -> None:
    with pytest.raises(CheckpointError, match="chat template"):
        LocalTransformersClient(None, make_tokenizer(None))


def test_a_model_from_a_folder_goes_through_the_loop(tmp_path: Path) -> None:
    make_model().save_pretrained(tmp_path / "tiny")
    make_tokenizer(WITH_TOOLS).save_pretrained(tmp_path / "tiny")
    client = LocalTransformersClient.from_folder(tmp_path / "tiny", max_new_tokens=4)
    outcome = run_question(client, TOOLS, question=spleen_question())
    assert outcome.error is None
    assert outcome.trajectory.client == "tiny"
    assert outcome.answer
    assert "<eos>" not in outcome.answer
    assert run_question(client, TOOLS, question=spleen_question()).answer == outcome.answer


def test_a_prompt_that_is_too_long_fails_the_question() -> None:
    client = LocalTransformersClient(make_model(16), make_tokenizer(PLAIN), max_new_tokens=4)
    outcome = run_question(client, TOOLS, question=spleen_question())
    assert outcome.error is not None
    assert outcome.error.startswith("too long:")


@pytest.mark.parametrize("name", ["none", "empty"])
def test_a_folder_without_a_model_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=name):
        LocalTransformersClient.from_folder(tmp_path / name)
