"""The embedded model says the same with Triton kernels as with plain torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

ASK = """
import json, random, sys
from vol3d.data.phantom_cases import make_case
from vol3d.infer.engine import Engine
from vol3d.preprocess.pipeline import prepare
from vol3d.vqa.questions import questions_for
engine, said = Engine.load("embedded"), []
for seed in (10_000_100, 10_000_101):
    case = make_case(seed)
    encoded = engine.encode(prepare(case.phantom.volume, engine.spec))
    texts = [q.text for q in questions_for(case.facts, random.Random(0))]
    said += engine.generate_batch([encoded] * len(texts), texts, max_new_tokens=16)
    said.append([round(float(x), 3) for x in encoded.embeds.flatten()[:50]])
json.dump(said, sys.stdout)
"""


def answers(implementation: str) -> list[Any]:
    env = {**os.environ, "VOL3D_KERNELS": implementation, "TRITON_INTERPRET": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", ASK], env=env, check=True, capture_output=True, text=True
    )
    found: list[Any] = json.loads(ran.stdout)
    return found


@pytest.mark.slow
def test_answers_do_not_depend_on_the_kernels() -> None:
    pytest.importorskip("triton")
    plain, triton = answers("reference"), answers("triton")
    assert len(plain) > 10
    for a, b in zip(plain, triton, strict=True):
        assert a == (pytest.approx(b, abs=2e-3) if isinstance(a, list) else b)
