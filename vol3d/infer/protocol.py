"""What this package needs from an engine; ``vol3d.infer.engine.Engine`` is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from vol3d.preprocess.prepared import PreparedVolume
    from vol3d.preprocess.spec import PreprocessSpec


class CardLike(Protocol):
    """The facts of a model card that decide what may be asked and said."""

    @property
    def name(self) -> str:
        """Name of the checkpoint."""
        ...

    @property
    def trained_on(self) -> str:
        """What it has learned from, in words."""
        ...

    @property
    def trained_on_short(self) -> str:
        """The same as a short phrase for headings."""
        ...

    @property
    def applies_to(self) -> Sequence[tuple[str, str]]:
        """(modality, region) pairs of scans that the model may be asked about."""
        ...

    @property
    def validated(self) -> Sequence[tuple[str, str, str]]:
        """(modality, region, finding) triples validated on real data."""
        ...

    @property
    def question_grammar(self) -> str | None:
        """Grammar outside of which questions are refused; ``None`` for free text."""
        ...

    @property
    def report_prompt(self) -> str:
        """The prompt that makes the model write findings."""
        ...


class EngineLike(Protocol):
    """A loaded model that looks at one prepared volume and answers in text."""

    @property
    def spec(self) -> PreprocessSpec:
        """How the checkpoint wants its scans."""
        ...

    @property
    def card(self) -> CardLike:
        """What the checkpoint says about itself."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Hash of the weights file."""
        ...

    @property
    def device(self) -> str:
        """Where the model runs, such as ``cpu`` or ``cuda:0``."""
        ...

    def encode(self, prepared: PreparedVolume) -> Any:
        """The vision part's result for one volume, to be reused for several prompts."""
        ...

    def generate(
        self,
        encoded: Any,
        prompt: str,
        *,
        max_new_tokens: int = 96,
        on_text: Callable[[str], None] | None = None,
    ) -> str:
        """Greedy text for a prompt about the volume."""
        ...

    def choose(self, encoded: Any, prompt: str, choices: Sequence[str]) -> tuple[int, list[float]]:
        """Index of the best choice and the probability of each."""
        ...
