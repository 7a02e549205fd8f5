"""Grading many: the same verdicts whatever the processes, and nothing evil costs more than its own limit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from experiments.grading import processes
from experiments.grading.batch import Answered, Reference, grade_all, reference_of
from experiments.grading.processes import judged
from orchestrator.specs import AnswerRule
from tests.killing import hear_ctrl_c

DATA = Path(__file__).parents[2].parent / "shared" / "data"
# Golds of MATH that mean the same though they are written differently, where the test below meets them.
SAME_BUT_FOR_WRITING = {("\\frac{1}{2}", "\\$0.50")}
HONEST = [
    ("(x+1)^2", "x^2+2x+1", "correct"),
    ("\\sin x", "\\cos x", "wrong"),
    ("x<y", "y>x", "correct"),
    ("x+1", "\\frac{", "unparsable"),
    ("\\sin^2 x", "1-\\cos^2 x", "correct"),
]
BOMBS = ["9^{9^{9^{9}}}", "(10^{8})!"]


def references(rule: AnswerRule, texts: Sequence[str]) -> list[Reference]:
    found = [reference_of(rule, text) for text in texts]
    assert None not in found
    return [reference for reference in found if reference is not None]


@pytest.mark.slow
def test_a_bomb_costs_its_own_limit_and_not_the_batch() -> None:
    pairs = [(reference, answer) for reference, answer, _ in HONEST]
    between = [pair for bomb in BOMBS for pair in (*pairs, ("x+1", bomb))]
    reasons = judged(between, processes=2, limit=1.5)
    assert reasons[len(pairs) :: len(pairs) + 1] == ["grader timed out"] * len(BOMBS)
    honest = [reason for place, reason in enumerate(reasons) if (place + 1) % (len(pairs) + 1)]
    assert honest == [reason for *_, reason in HONEST] * len(BOMBS)


@pytest.mark.slow
def test_verdicts_do_not_depend_on_the_number_of_processes() -> None:
    pairs = [(reference, answer) for reference, answer, _ in HONEST * 3]
    assert judged(pairs, processes=1) == judged(pairs, processes=3) == [reason for *_, reason in HONEST * 3]


@pytest.mark.slow
def test_a_process_that_waits_for_ever_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    begun_processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def sleeping(command: Sequence[str], **more: object) -> object:
        if not begun_processes:
            command = [sys.executable, "-c", "import os, time; os.write(1, b'ready\\n'); time.sleep(600)"]
        begun_processes.append(popen(command, **more))  # type: ignore[call-overload]
        return begun_processes[-1]

    monkeypatch.setattr(subprocess, "Popen", sleeping)
    monkeypatch.setattr(processes, "PATIENCE", 2)
    assert judged([("x", "\\sin x"), ("(x+1)^2", "x^2+2x+1")], processes=1, limit=3.0) == [
        "grader timed out",
        "correct",
    ]
    assert all(one.poll() is not None for one in begun_processes)


def test_a_process_that_cannot_begin_is_an_error_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="before it could begin"):
        judged([("x", "\\sin x")], processes=2)


def test_no_process_begins_where_nothing_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    [half] = references("math", ["\\frac12"])
    answers = ["\\boxed{0.5}", "\\boxed{2}", "\\boxed{\\sqrt2}", "none"]
    verdicts = grade_all([Answered(answer, half, "stop") for answer in answers])
    assert [verdict.reason for verdict in verdicts] == ["correct", "wrong", "wrong", "no answer"]


@pytest.mark.parametrize(
    "evil",
    [
        "{" * 50_000 + "}" * 50_000,
        "\\boxed{" * 10_000,
        "\\boxed{" * 10_000 + "5" + "}" * 10_000,
        "\\boxed{" + "9" * 1_000_000 + "}",
        "\\boxed{" + "(" * 400 + "x" + ")" * 400 + "}",
        "\\boxed{5\0\0}" * 1_000,
        "\\boxed{\u202e5\u202c}",
        "<div>" * 10_000 + "\\boxed{<b>5</b>}",
        "the answer is " * 70_000,
        "\\boxed{" + "\\frac{" * 200 + "}",
        "\\boxed{\\text{" + "and " * 200 + "}}",
        "\ud800\\boxed{\ud800}",
    ],
    ids=lambda evil: repr(evil[:20]),
)
def test_evil_completions_are_graded_at_once(evil: str) -> None:
    [five] = references("math", ["5"])
    begun = time.process_time()
    [verdict] = grade_all([Answered(evil, five, "stop")])
    assert verdict.reason in ("correct", "wrong", "unparsable", "no answer")
    assert time.process_time() - begun < 4


@pytest.mark.slow
def test_progress_is_told_up_to_the_last() -> None:
    told: list[int] = []
    [square] = references("math", ["(x+1)^2"])
    answers = ["\\boxed{x^2+2x+1}", "\\boxed{x^2+2x+1}", "\\boxed{3}", "none"]
    grade_all([Answered(answer, square, "stop") for answer in answers], told.append)
    assert told == sorted(told)
    assert told[-1] == len(answers)


@pytest.mark.slow
def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    lines = [{"completion": f"\\boxed{{{bomb}}}", "reference": "x+1"} for bomb in BOMBS * 20]
    (tmp_path / "bombs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    command = [
        sys.executable,
        "-m",
        "experiments",
        "grade",
        str(tmp_path / "bombs.jsonl"),
        "--benchmark",
        "math",
    ]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, preexec_fn=hear_ctrl_c
    ) as grading:
        parent = psutil.Process(grading.pid)
        # More CPU time than it takes to begin: at least one is busy with a bomb, deaf to everything.
        workers: list[psutil.Process] = []
        while not any(worker.cpu_times().user > 2.5 for worker in workers):
            assert grading.poll() is None
            time.sleep(0.05)
            workers = parent.children()
        os.killpg(grading.pid, signal.SIGINT)
        assert grading.wait(timeout=20) == 130
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive


def solutions(name: str, column: str) -> list[str]:
    lines = (DATA / name / "test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[column] for line in lines]


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the GSM8K and MATH files")
@pytest.mark.parametrize(
    ("rule", "column", "n_items"), [("gsm8k", "answer", 1319), ("math", "solution", 5000)]
)
def test_every_gold_solution_is_its_own_answer(rule: AnswerRule, column: str, n_items: int) -> None:
    golds = solutions(rule, column)
    expected = references(rule, golds)
    verdicts = grade_all([Answered(*pair, "stop") for pair in zip(golds, expected, strict=True)])
    missed = [gold for gold, verdict in zip(golds, verdicts, strict=True) if not verdict.correct]
    assert (len(golds), missed) == (n_items, [])
    assert all(verdict.exact for verdict in verdicts)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the GSM8K and MATH files")
@pytest.mark.parametrize(("rule", "column"), [("gsm8k", "answer"), ("math", "solution")])
def test_golds_of_other_items_are_as_often_right_as_golds_are_equal(rule: AnswerRule, column: str) -> None:
    golds = solutions(rule, column)
    others = random.Random(0).sample(golds, len(golds))
    expected, given = references(rule, golds), references(rule, others)
    verdicts = grade_all([Answered(*pair, "stop") for pair in zip(others, expected, strict=True)])
    pairs = [(one.shown, other.shown) for one, other in zip(expected, given, strict=True)]
    by_chance = [one == other for one, other in pairs]
    right = [verdict.correct for verdict in verdicts]
    meant = {pair for pair, found, equal in zip(pairs, right, by_chance, strict=True) if found and not equal}
    assert meant == (SAME_BUT_FOR_WRITING if rule == "math" else set())
    assert sum(right) == sum(by_chance) + len(meant)
    assert {verdict.reason for verdict in verdicts} == {"correct", "wrong"}
