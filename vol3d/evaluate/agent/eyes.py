"""A network's view of scans for agents: each scan is looked at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from vol3d.evaluate.agent.chat import ChatClient
from vol3d.evaluate.agent.embedded_client import EmbeddedClient, Look, Settled
from vol3d.evaluate.cases import Case
from vol3d.evaluate.systems import Asked, Given, System
from vol3d.vqa.dataset import QaRecord

_KEPT = 2


class NetworkEyes:
    """Looks at each scan once and asks the network about it.

    Args:
        system: The network.
        case_of: The case of an image id.
    """

    def __init__(self, system: System, case_of: Callable[[str], Case]) -> None:
        self._system, self._case_of = system, case_of
        self._seen: OrderedDict[str, Any] = OrderedDict()

    def look_at(self, image_id: str) -> Look:
        """The view of one scan, which is opened when the first question comes."""

        def look(asked: Asked) -> Given | None:
            return self._system.answer(self._see(image_id), [asked])[0]

        return look

    def _see(self, image_id: str) -> Any:
        if image_id not in self._seen:
            self._seen[image_id] = self._system.look(self._case_of(image_id))
            while len(self._seen) > _KEPT:
                self._seen.popitem(last=False)
        return self._seen[image_id]


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
