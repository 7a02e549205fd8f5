"""The shipped prompts, answered as a good model would: hand-written answers become a clean pool."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.llm.augment import _new_query
from experiments.llm.request import Answer, Request
from orchestrator.strategies import ChatPrompt, Generator
from tests.experiments.chatty import chatty
from tests.experiments.test_llm import GENERATOR, Job

ROOT = Path(__file__).parents[2]
RECORDED = json.loads((Path(__file__).parent / "recorded/answers.json").read_text(encoding="utf-8"))
OPERATIONS = ("numbers", "fractions", "concepts", "conditional", "complexity")
SANE = [
    {
        "question": problem["question"],
        "solution": problem["solution"],
        "variants": {
            operation: {**problem[operation], "query": f"New problem: {problem[operation]['query']}"}
            for operation in OPERATIONS
        },
    }
    for problem in yaml.safe_load((Path(__file__).parent / "recorded/sane.yaml").read_text(encoding="utf-8"))
]


def prompt(style: str, name: str) -> dict[str, str]:
    text = (ROOT / f"conf/prompt/{style}/{name}.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(text)
    return found


class Replay:
    """Says to each prompt what stands in the file; to a query it gives its paths in turn."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        self.answers: dict[str, list[str]] = {}
        solve = prompt("gsm8k", "solve")["user"]
        for problem in problems:
            for operation, variant in problem["variants"].items():
                asked = prompt("gsm8k", operation)["user"].replace("{query}", problem["question"])
                self.answers[asked] = [variant["query"]]
                query = variant["query"].partition("roblem:")[2].strip("* ")
                self.answers[solve.replace("{query}", query)] = list(variant["responses"])
        self.turns: Counter[str] = Counter()

    def __call__(self, body: dict[str, Any]) -> str:
        user = body["messages"][1]["content"]
        self.turns[user] += 1
        return self.answers[user][self.turns[user] - 1]


def made(
    folder: Path, agreement: float, problems: list[dict[str, Any]] = RECORDED, **more: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    prompts = {operation: prompt("gsm8k", operation) for operation in OPERATIONS}
    filters = {"equations": True, "near_duplicates": 0.7, **more}
    with chatty(Replay(problems)) as server:
        job = Job(
            folder,
            server.url,
            prompts=prompts,
            solve=prompt("gsm8k", "solve"),
            agreement=agreement,
            filters=filters,
            seeds=[(problem["question"], problem["solution"]) for problem in problems],
        )
        return job.make()


def test_hand_written_answers_become_a_pool_and_every_loss_has_its_reason(tmp_path: Path) -> None:
    summary, rows = made(tmp_path, agreement=0.6)
    assert summary["yield"] == {
        "numbers": {"queries asked": 4, "query known": 1, "paths asked": 6, "kept": 6},
        "fractions": {"queries asked": 4, "paths asked": 8, "kept": 8},
        "concepts": {"queries asked": 4, "paths asked": 8, "disagreement": 4, "kept": 4},
        "conditional": {
            "queries asked": 4,
            "query unparsable": 1,
            "paths asked": 6,
            "disagreement": 1,
            "no answer": 1,
            "kept": 4,
        },
        "complexity": {"queries asked": 4, "paths asked": 8, "kept": 8},
    }
    assert (summary["n_rows"], summary["n_sources"], summary["n_queries"]) == (30, 4, 15)
    assert not any("roblem" in row["query"] for row in rows)


def test_without_a_vote_a_wrong_calculation_still_goes(tmp_path: Path) -> None:
    summary, _ = made(tmp_path, agreement=0.0)
    assert summary["n_rows"] == 34
    assert summary["removed"]["wrong equation"] == 1


@pytest.mark.slow
def test_sane_answers_all_stay(tmp_path: Path) -> None:
    strict = {"answer": "gsm8k", "distinct_paths": True, "language": "en", "max_characters": 2000}
    summary, rows = made(tmp_path, 1.0, SANE, **strict)
    asked = {"queries asked": 20, "paths asked": 40, "kept": 40}
    assert summary["yield"] == dict.fromkeys(OPERATIONS, asked)
    assert not any(summary["removed"].values())
    assert (summary["n_rows"], summary["n_sources"], summary["n_queries"]) == (200, 20, 100)
    assert all("<<" in row["response"] for row in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("New problem: $n$ is prime.", "$n$ is prime."),
        ("Of course!\n\n**New problem:** How many?", "How many?"),
        ("new problem:\nHow many?\nAnd why?", "How many?\nAnd why?"),
        ("New problem: one\nNew problem: other", "other"),
        ("A new problem: How many?", ""),
        ("New problem:", ""),
    ],
)
def test_the_new_problem_is_what_stands_behind_the_mark(text: str, expected: str) -> None:
    found, loss = _new_query(Answer(text, "stop", 1, 1))
    assert (found, bool(loss)) == (expected, not expected)


@pytest.mark.parametrize("style", ["gsm8k", "math"])
@pytest.mark.parametrize("name", [*OPERATIONS, "self_verify", "solve"])
def test_a_prompt_has_one_worked_example_and_the_problem_last(style: str, name: str) -> None:
    shipped = ChatPrompt.model_validate(prompt(style, name))
    asked = Request("item", shipped, Generator.model_validate(GENERATOR), "What {solution} is?", "none")
    user = asked.body["messages"][1]["content"]
    assert "Problem: What {solution} is?" in user.splitlines()[-2 if name == "solve" else -1 :]
    assert user.count("\nProblem: ") == 2
    assert ("New problem:" in user) == (name != "solve")
