"""Backward questions: a number is hidden, the answer is told, and only solutions that find it stay."""

from pathlib import Path
from typing import Any

import pytest

from experiments.llm.backward import backward
from experiments.pool import size
from orchestrator.strategies import Masked
from tests.experiments.chatty import chatty
from tests.experiments.llm_job import Job

FOBAR = "{query} If the answer to the above question is {answer}, what is the value of unknown variable x?"
MASKED = Masked(letter="x", numbers=2, question=FOBAR)
SEEDS = [
    ("Ann has 12 pens and buys 5. How many has she?", "12+5=<<12+5=17>>17\n#### 17"),
    ("Bo sells x bags. How many, if they are 4?", "4\n#### 4"),  # the letter is taken
    ("Cy has a dozen eggs. How many?", "12\n#### 12"),  # no number in digits
]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "He has $1,200 and 3.5 pounds.",
            [("He has $x and 3.5 pounds.", "1200"), ("He has $1,200 and x pounds.", "3.5")],
        ),
        (
            "Half of 10% is 1/2 of it, at 5:30 on the 3rd.",
            [("Half of x% is 1/2 of it, at 5:30 on the 3rd.", "10")],
        ),
        ("Team 4-2 and 2kg stay, 7.", [("Team 4-2 and 2kg stay, x.", "7")]),
        ("One two three.", []),
    ],
)
def test_numbers_that_stand_by_themselves_can_be_hidden(query: str, expected: list[tuple[str, str]]) -> None:
    alone = MASKED.model_copy(update={"question": "{query}"})
    found = [(one.text, one.number) for one in backward(alone, "gsm8k", query, "#### 9")]
    assert found == expected


def test_the_answer_is_told_and_what_looks_like_a_field_stays() -> None:
    [one, _] = backward(MASKED, "gsm8k", "Is {answer} 6 or 7?", "#### 1,000")
    assert one.text.startswith("Is {answer} x or 7? If the answer to the above question is 1")
    [latex] = backward(
        MASKED.model_copy(update={"letter": "X"}),
        "math",
        "What is $\\sqrt{x}$ for $x=9$?",
        "It is \\boxed{3}.",
    )
    assert "for $x=X$?" in latex.text


def solved(body: dict[str, Any]) -> str:
    """Finds the hidden number of Ann's pens, but not how many she buys."""
    user = body["messages"][1]["content"]
    if body["messages"][0]["content"] == "You write.":
        return "New problem: " + user.removeprefix("Write ").replace("How many has she?", "She has them.")
    return "17-5=<<17-5=12>>12\n#### 12"


def test_a_solution_stays_where_it_finds_the_hidden_number(tmp_path: Path) -> None:
    with chatty(solved) as server:
        job = Job(tmp_path, server.url, name="fobar", prompts={}, gold=True, masked=dict(MASKED), seeds=SEEDS)
        summary, rows = job.make()
    assert summary["yield"] == {
        "fobar": {
            "problem without a number to hide": 2,
            "paths asked": 4,
            "kept": 2,
            "not the known answer": 2,
        }
    }
    assert {(row["query"], row["operation"]) for row in rows} == {
        (FOBAR.format(query="Ann has x pens and buys 5. How many has she?", answer="17"), "fobar")
    }
    assert size(job.spec, job.places) == {"n_rows": 12, "n_sources": 3, "n_queries": 6}


def test_a_statement_that_lost_its_unknown_is_lost(tmp_path: Path) -> None:
    def forgetful(body: dict[str, Any]) -> str:
        return solved(body).replace("buys x", "buys some")

    with chatty(forgetful) as server:
        prompts = {"self_verify": {"system": "You write.", "user": "Write {query}"}}
        masked = {**dict(MASKED), "question": "{query} (Answer: {answer})"}
        job = Job(
            tmp_path, server.url, name="self_verify", prompts=prompts, gold=True, masked=masked, seeds=SEEDS
        )
        summary, rows = job.make()
    assert summary["yield"]["self_verify"] == {
        "problem without a number to hide": 2,
        "queries asked": 2,
        "query without its unknown": 1,
        "paths asked": 2,
        "kept": 2,
    }
    assert {row["query"] for row in rows} == {"Ann has x pens and buys 5. She has them. (Answer: 17)"}
