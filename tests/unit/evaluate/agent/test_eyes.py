"""The network's view: each scan is looked at once, and its answers reach the agent."""

from __future__ import annotations

from pathlib import Path

from agent_cases import spleen_record
from toy_systems import HashSystem

from vol3d.evaluate.agent.caches import CacheTools
from vol3d.evaluate.agent.eyes import NetworkEyes, embedded_clients
from vol3d.evaluate.agent.run import run_agent
from vol3d.evaluate.benchmark import ScanPlace
from vol3d.evaluate.cases import Case
from vol3d.evaluate.systems import asked_of_prompt

ASKED = asked_of_prompt("Is the spleen enlarged? A: Yes B: No")


def case_of(image_id: str) -> Case:
    return Case(place=ScanPlace(image_id=image_id, scan=None, masks=None))


def test_a_scan_is_looked_at_once() -> None:
    system = HashSystem()
    look = NetworkEyes(system, case_of).look_at("a")
    assert look(ASKED) == look(ASKED)
    assert system.looked == ["a"]


def test_only_the_last_scans_are_kept() -> None:
    system = HashSystem()
    eyes = NetworkEyes(system, case_of)
    for name in ("a", "b", "c", "a"):
        eyes.look_at(name)(ASKED)
    assert system.looked == ["a", "b", "c", "a"]


def test_clients_look_at_the_scan_of_their_question(tmp_path: Path) -> None:
    settled: list[str] = []
    system = HashSystem()
    clients = embedded_clients(NetworkEyes(system, case_of), on_settled=settled.append)
    done = run_agent([spleen_record()], clients, tools=CacheTools({}), out=tmp_path / "t.jsonl")
    assert settled == ["network"]
    assert system.looked == [spleen_record().image_id]
    assert done.rows[0].pred_answer in "ABC"


def test_a_scan_that_cannot_be_opened_fails_the_question(tmp_path: Path) -> None:
    class Lost(HashSystem):
        def look(self, case: Case) -> str:
            return str(case.scan)

    clients = embedded_clients(NetworkEyes(Lost(), case_of))
    done = run_agent([spleen_record()], clients, tools=CacheTools({}), out=tmp_path / "t.jsonl")
    assert done.rows == ()
    assert "expected a scan" in done.failed[spleen_record().qid]
