"""A small tokenizer trained on the sentences a checkpoint may read and write."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from vol3d.models.processing import VOLUME_TOKEN

PAD, BOS, END, USER, ASSISTANT = "<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"
SPECIAL = (PAD, BOS, END, USER, VOLUME_TOKEN, ASSISTANT)

CHAT_TEMPLATE = (
    "{{ '<|begin|>' }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] }}"
    "{% else %}{% generation %}{{ '<|assistant|>' + message['content'] + '<|end|>' }}"
    "{% endgeneration %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], *, vocab_size: int = 640) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer whose digits are single tokens; no text is ever unknown.

    Args:
        texts: Sentences to learn merges from.
        vocab_size: Upper bound; 256 byte symbols and the special tokens are always in.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=END,
        extra_special_tokens={
            "volume_token": VOLUME_TOKEN,
            "user_token": USER,
            "assistant_token": ASSISTANT,
        },
        padding_side="left",
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
