import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fact_builders import random_case
from PIL import Image
from toy_systems import toy_record

from vol3d.errors import CheckpointError, ConfigError
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.build import ModelChoice, model_system, systems_of
from vol3d.evaluate.cases import Case
from vol3d.evaluate.facts_text import facts_text
from vol3d.evaluate.language_models import LanguageModelSystem, Shown, TransformersModel
from vol3d.evaluate.pictures import axial_pictures, data_url
from vol3d.evaluate.servers import ServerModel
from vol3d.evaluate.systems import asked_of_record
from vol3d.volume import Grid, Volume

WORDS = ["A", "B", "C", "D", "yes", "no", "kidney", "Answer", "<s>", "</s>", "<unk>"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with random weights and a tokenizer of a few words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-llama")
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=9,
        bos_token_id=8,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_local_model_tells_the_shares_of_the_letters(checkpoint: Path) -> None:
    model = TransformersModel.load(checkpoint, device="cpu")
    shares = model.letter_shares([{"role": "user", "content": "kidney"}], "ABC")
    assert len(shares) == 3
    assert sum(shares) == pytest.approx(1.0)


def test_a_local_model_is_a_system(checkpoint: Path) -> None:
    system = model_system(ModelChoice(name=str(checkpoint), device="cpu"))
    asked = [asked_of_record(toy_record(1, image=0), form) for form in ("mc", "freeform")]
    letter, text = system.answer(Shown(), asked)
    assert letter is not None
    assert letter.text in ("A", "B", "C")
    assert letter.confidence is not None
    assert text is not None
    assert text.confidence is None
    assert len(system.fingerprint()["weights_sha256"]) == 64


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="--model"):
        TransformersModel.load(tmp_path)


class Listening:
    """A model that keeps what it is told and says B."""

    name = "listening"

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def complete(self, messages: Sequence[Any], *, max_new_tokens: int) -> str:
        self.messages.append(list(messages))
        return " B "

    def letter_shares(self, messages: Sequence[Any], letters: Sequence[str]) -> None:
        return None


def test_facts_stand_before_the_question() -> None:
    model = Listening()
    asked = asked_of_record(toy_record(1, image=0), "mc")
    (given,) = LanguageModelSystem(model).answer(Shown(facts="organs.liver: 1"), [asked])
    assert given is not None
    assert given.text == "B"
    text = model.messages[0][1]["content"]
    assert text.index("organs.liver: 1") < text.index("Which kidney")


def test_pictures_stand_before_the_text_as_data_urls() -> None:
    asked = asked_of_record(toy_record(1, image=0), "mc")
    system = LanguageModelSystem(Listening(), num_slices=1)
    content = system.messages(Shown(pictures=(b"png",)), asked)[1]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert content[0]["image_url"]["url"] == data_url(b"png")


def test_without_evidence_and_scan_a_model_is_told_the_prompt_alone() -> None:
    case = Case(place=ScanPlace(image_id="A", scan=None, masks=None))
    assert LanguageModelSystem(Listening(), num_slices=4).look(case) == Shown()


def scan() -> Volume:
    """Bright on the patient's right, 4 slices of 6 x 8 voxels, 2 mm x 1 mm x 1 mm."""
    array = np.full((4, 6, 8), -1000, np.int16)
    array[:, :, 4:] = 1000  # x runs to the right
    return Volume.from_array(
        array,
        Grid(affine=np.diag([1.0, 1.0, 2.0, 1.0]), shape_zyx=(4, 6, 8)),
        modality="CT",
        unit="HU",
    )


def test_the_patients_right_is_on_the_left_of_pictures() -> None:
    picture = Image.open(io.BytesIO(axial_pictures(scan(), 1)[0]))
    grey = np.asarray(picture)
    assert grey[:, : grey.shape[1] // 4].mean() > 250
    assert grey[:, -grey.shape[1] // 4 :].mean() < 5


def test_pictures_keep_the_proportions_in_mm() -> None:
    picture = Image.open(io.BytesIO(axial_pictures(scan(), 1)[0]))
    assert picture.size == (512, 384)


def test_a_thin_scan_gives_fewer_pictures() -> None:
    assert len(axial_pictures(scan(), 9)) == 4


def test_a_data_url_holds_the_file() -> None:
    assert base64.b64decode(data_url(b"abc").split(",")[1]) == b"abc"


def test_facts_are_lines_with_ids_and_units() -> None:
    facts = random_case(0)
    lines = facts_text(facts).splitlines()
    volume = facts.organs["spleen"].volume_cm3
    assert any(line.startswith(f"organs.spleen.volume_cm3: {volume:.1f} cm3") for line in lines)
    assert all(": " in line for line in lines)


def test_facts_tell_every_lesion() -> None:
    facts = next(case for case in map(random_case, range(9)) if case.lesions)
    text = facts_text(facts)
    assert all(f"lesions.{lesion.id}.volume_cm3" in text for lesion in facts.lesions)


def test_a_server_needs_an_address() -> None:
    with pytest.raises(ConfigError, match="--api-base"):
        ServerModel.connect(None, "qwen")


def test_a_row_of_the_model_needs_a_model() -> None:
    with pytest.raises(ConfigError, match="a model"):
        systems_of(["model"], ModelChoice(name="none"))


def test_the_whole_system_works_without_a_model() -> None:
    (system,) = systems_of(["whole"], ModelChoice(name="none"))
    asked = [asked_of_record(toy_record(1, image=0), "mc")]
    case = Case(place=ScanPlace(image_id="A", scan=None, masks=None))
    (given,) = system.answer(system.look(case), asked)
    assert given is not None
    assert given.source == "prior"


@pytest.mark.parametrize("address", ["http://h:abc/v1", "http://h:99999/v1", "ftp://h/v1", "h:80"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        ServerModel.connect(address, "qwen")
