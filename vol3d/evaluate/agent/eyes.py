"""The embedded network's view of scans, for questions of its grammar."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vol3d.errors import BudgetError
from vol3d.evaluate.agent.chat import ChatClient
from vol3d.evaluate.agent.embedded_client import EmbeddedClient, Look, Settled
from vol3d.infer.claims import why_withheld
from vol3d.infer.protocol import EngineLike
from vol3d.infer.questions import check_question
from vol3d.infer.scans import examine
from vol3d.vqa.dataset import QaRecord

_KEPT = 2


class NetworkEyes:
    """Encodes each scan once and asks the network about it.

    Args:
        engine: The embedded model.
        path_of: Where a scan lies, by its image id.
    """

    def __init__(self, engine: EngineLike, path_of: Callable[[str], Path]) -> None:
        self._engine = engine
        self._path_of = path_of
        self._encoded: OrderedDict[str, Any] = OrderedDict()

    def look_at(self, image_id: str) -> Look:
        """The view of one scan, which is read and encoded when the first question comes."""

        def look(question: str, choices: tuple[str, str]) -> float | None:
            checked = check_question(question, choices, self._engine.card.question_grammar)
            encoded = self._encode(image_id)
            if checked.refused_reason is not None or encoded is None:
                return None
            _, probabilities = self._engine.choose(encoded, checked.prompt, checked.choices)
            return probabilities[0]

        return look

    def _encode(self, image_id: str) -> Any:
        """The encoded scan; ``None`` where the model must not be asked about it."""
        from vol3d.preprocess.pipeline import prepare

        if image_id not in self._encoded:
            examined = examine(self._path_of(image_id))
            encoded = None
            if why_withheld(examined.scan, self._engine.card) is None:
                try:
                    prepared = prepare(examined.volume, self._engine.spec, body=examined.body)
                    encoded = self._engine.encode(prepared)
                except BudgetError:  # too large for the model, which is then not asked
                    encoded = None
            self._encoded[image_id] = encoded
            while len(self._encoded) > _KEPT:
                self._encoded.popitem(last=False)
        return self._encoded[image_id]


def embedded_clients(
    eyes: NetworkEyes | None = None,
    *,
    on_settled: Callable[[Settled], None] = lambda settled: None,
) -> Callable[[QaRecord], ChatClient]:
    """Makes the embedded model's client for each question.

    Args:
        eyes: The network's view of scans; without it rules and priors answer alone.
        on_settled: Is told what settled each answer.
    """

    def make(record: QaRecord) -> ChatClient:
        look = None if eyes is None else eyes.look_at(record.image_id)
        return EmbeddedClient(look, on_settled=on_settled)

    return make
