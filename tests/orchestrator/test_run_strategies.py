"""Studies whose pools models write, from the command line to their records."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.chatty import Chatty, chatty
from tests.killing import kill
from tests.tiny import ROOT, doublings, environment, run_to_its_end

# Each starts the whole program, and a stage that trains.
pytestmark = pytest.mark.slow

# A model that learns twelve problems by heart, so that it is right about some of them.
BY_HEART = ("train.budget.value=100.0", "model.hidden_size=64", "strategy.temperature=0.5")
ONE = ("seed=0", "cluster.workers=1", "evaluate.benchmarks.mini_ood.source.n_items=2")


def pools(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Manifests by the strategy's name."""
    paths = (tmp_path / "outputs/artifacts/pool").glob("*/manifest.json")
    found = [json.loads(path.read_text()) for path in paths]
    return {one["spec"]["strategy"]["name"]: one for one in found}


def test_a_fine_tuned_model_writes_the_pool_that_the_next_is_trained_on(tmp_path: Path) -> None:
    ran = doublings(tmp_path, "run", "strategy=rejection", "amount=2", *BY_HEART, *ONE, timeout=1200)
    assert ran.returncode == 0, ran.stderr
    pool = pools(tmp_path)["rejection"]
    losses = pool["summary"]["yield"]["seed"]
    assert losses["paths asked"] == 12 * 8 == sum(losses.values()) - losses["paths asked"]
    assert losses["kept"] == pool["summary"]["n_rows"] + sum(pool["summary"]["removed"].values())
    again = doublings(tmp_path, "plan", "format=json", "strategy=rejection", "amount=1.0", *BY_HEART, *ONE)
    [cell] = json.loads(again.stdout)["cells"]
    assert cell["axes"]["amount"] == pool["summary"]["n_rows"]
    assert cell["artifacts"]["pool"] == pool["key"]


def say(body: dict[str, Any]) -> str:
    """A new problem, or a solution that ends in a number."""
    system, user = (message["content"] for message in body["messages"])
    if "solve" in system:
        return "there are 2 + 3 = 5 of them\n#### 5"
    return "New problem: " + user.rpartition("Problem: ")[2] + f" think of {body['seed']} ."


@pytest.fixture
def server() -> Iterator[Chatty]:
    with chatty(say, delay=0.3) as server:
        yield server


def study(tmp_path: Path, server: Chatty) -> tuple[str, ...]:
    """Twelve problems in a table, and a model behind a server that rewrites them."""
    data = tmp_path / "data"
    data.mkdir()
    for split, start in (("train", 10), ("test", 30)):
        rows = [
            {"question": f"ann has {n} pens and buys 5 . how many ?", "answer": f"{n} + 5\n#### {n + 5}"}
            for n in range(start, start + 12)
        ]
        (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    small = ("hidden_size=16", "intermediate_size=32", "n_layers=1", "n_heads=2", "vocabulary=300")
    return (
        "study=asked",
        "data=gsm8k",
        f"data.path={data}",
        "model=gsm8k_llama",
        *(f"model.{setting}" for setting in small),
        "train=gsm8k",
        "evaluate=[gsm8k]",
        "evaluate.benchmarks.gsm8k.max_new_tokens=4",
        "strategy=complexity/gsm8k",
        "strategy.writer.model=m",
        f"strategy.server.url={server.url}",
        "strategy.server.concurrency=2",
        "strategy.server.dollars_per_million=[1.0,2.0]",
        "strategy.filters.near_duplicates=null",
        "amount=4",
        "seed=0",
        "cluster.workers=1",
        f"outputs={tmp_path / 'outputs'}",
    )


def program(verb: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrator", verb, *arguments]


def test_a_pool_from_a_server_is_planned_refused_killed_and_gone_on_with(
    tmp_path: Path, server: Chatty
) -> None:
    asked = study(tmp_path, server)
    planned = run_to_its_end(program("plan", *asked, "strategy.server.budget_tokens=100"), tmp_path)
    assert "pool of complexity: about " in planned.stdout
    assert "budget_tokens=100 will not be enough" in planned.stdout
    nothing = run_to_its_end(program("run", *asked, "strategy.server.budget_dollars=0.0"), tmp_path)
    assert nothing.returncode == 2
    assert "budget_dollars=0 allows no request, and the pool of 'complexity'" in nothing.stderr
    assert not (tmp_path / "outputs").exists()
    assert not server.asked

    with subprocess.Popen(
        program("run", *asked),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=environment(tmp_path),
    ) as run:
        while len(server.answered) < 6:
            time.sleep(0.05)
            assert run.poll() is None
        kill("everything", run, tmp_path)
    server.delay = 0.0
    finished = run_to_its_end(program("run", *asked), tmp_path, timeout=1200)
    assert finished.returncode == 0, finished.stderr
    # At most the two that were under way came a second time.
    assert len(server.answered) == 24
    assert sum(server.asked.values()) <= 24 + 2
    summary = pools(tmp_path)["complexity"]["summary"]
    assert summary["yield"]["complexity"] == {"queries asked": 12, "paths asked": 12, "kept": 12}
