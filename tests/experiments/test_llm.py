"""Pools out of a model's answers: whatever the server does, nothing is paid twice and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from experiments.llm import server as server_module
from experiments.llm.server import ServerGaveUp
from experiments.pool import size
from experiments.resume import Paused, Resumption
from orchestrator.refusal import Refused
from tests.experiments.chatty import Chatty, chatty
from tests.experiments.llm_job import GENERATOR, PROMPT, SEEDS, Job, say


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "FIRST_WAIT", 0.01)
    monkeypatch.delenv("A_KEY", raising=False)


def test_every_row_says_how_it_came_about(tmp_path: Path) -> None:
    with chatty(say) as server:
        job = Job(tmp_path, server.url)
        summary, rows = job.make()
    assert summary["n_rows"] == 6 * 2 * 2 == len(rows)
    assert (summary["n_sources"], summary["n_queries"]) == (6, 12)
    assert summary["yield"]["numbers"] == {"queries asked": 6, "paths asked": 12, "kept": 12}
    assert {row["generator"] for row in rows} == {"m"}
    assert [row["path"] for row in rows[:4]] == [0, 1, 0, 1]
    told = pq.read_table(tmp_path / "made/provenance.parquet").to_pylist()
    assert [row["row_id"] for row in told] == [row["row_id"] for row in rows]
    assert len({row["response_seed"] for row in told}) == len({row["response_prompt"] for row in told}) == 24
    assert {(row["query_model"], row["query_revision"], row["response_finish_reason"]) for row in told} == {
        ("m", "r1", "stop")
    }
    assert size(job.spec, job.places) == {"n_rows": 24, "n_sources": 6, "n_queries": 12}


@pytest.mark.slow
def test_a_server_that_misbehaves_leads_to_the_same_pool(tmp_path: Path) -> None:
    moods = [429, 500, "half", "no json", "no choice"]
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    with chatty(say) as server:
        good = Job(tmp_path / "good", server.url).make()
    with chatty(say, lambda count: moods[count - 1] if count <= len(moods) else "answer") as server:
        bad = Job(tmp_path / "bad", server.url, {"concurrency": 3}).make()
        assert set(server.answered.values()) == {1}
    assert good == bad


@pytest.mark.slow
def test_a_slow_answer_is_waited_for_only_so_long(tmp_path: Path) -> None:
    with chatty(say, lambda count: "slow" if count == 1 else "answer") as server:
        summary, _ = Job(tmp_path, server.url, {"concurrency": 36}).make()
    assert summary["n_rows"] == 24
    assert set(server.asked.values()) == {2}


def test_a_model_that_says_nothing_of_use_loses_rows_and_they_are_counted(tmp_path: Path) -> None:
    def mumble(body: dict[str, Any]) -> str:
        system, user = (message["content"] for message in body["messages"])
        number = int(user.split()[3])
        if system == "You write.":
            return {10: "", 11: "Nothing new.", 12: user, 13: "New problem: and so on ..."}.get(
                number, say(body)
            )
        return {14: "x" * 1_000_000, 15: "I do not know."}[number]

    with chatty(mumble) as server:
        job = Job(tmp_path, server.url, prompts={"numbers": PROMPT})
        with pytest.raises(Refused, match="contains nothing but"):
            job.make()
    with chatty(lambda body: (say if " 14 " in str(body["messages"]) else mumble)(body)) as server:
        job = Job(tmp_path, server.url, prompts={"numbers": PROMPT})
        summary, _ = job.make("again", Resumption(tmp_path / "other", 60.0))
    lost = {"query unparsable": 3, "query cut off": 1, "no answer": 2}
    assert summary["yield"] == {"numbers": {"queries asked": 6, "paths asked": 4, "kept": 2, **lost}}


def test_what_the_majority_does_not_say_is_lost(tmp_path: Path) -> None:
    def torn(body: dict[str, Any]) -> str:
        answer = say(body)
        return answer if "New" in answer or body["seed"] % 3 else "#### 7"

    with chatty(torn) as server:
        summary, rows = Job(tmp_path, server.url, paths=5, agreement=0.6).make()
    losses = summary["yield"]["numbers"]
    assert losses["disagreement"] > 0
    assert losses["disagreement"] + losses["kept"] == losses["paths asked"] == 30
    by_query: dict[str, set[str]] = {}
    for row in rows:
        by_query.setdefault(row["query"], set()).add(row["response"].rpartition("#### ")[2])
    assert all(len(answers) == 1 for answers in by_query.values())


def test_paths_to_seed_queries_agree_with_the_known_answer(tmp_path: Path) -> None:
    def wrong_at_times(body: dict[str, Any]) -> str:
        return say(body) if "12" not in str(body["messages"]) else "#### 1"

    with chatty(wrong_at_times) as server:
        summary, rows = Job(tmp_path, server.url, prompts={}, gold=True).make()
    assert summary["yield"] == {"seed": {"paths asked": 12, "not the known answer": 2, "kept": 10}}
    assert {row["query"] for row in rows} < {query for query, _ in SEEDS}


def test_a_budget_is_never_exceeded_and_raising_it_goes_on(tmp_path: Path) -> None:
    with chatty(say) as server:
        with pytest.raises(Refused, match="budget_tokens=0 allows no more requests: 0 of 12 new queries"):
            Job(tmp_path, server.url, {"budget_tokens": 0}).make("none")
        assert not server.asked
        for turn, dollars in enumerate((0.001, 0.002)):
            with pytest.raises(Refused, match=rf"budget_dollars={dollars} allows no more requests"):
                Job(tmp_path, server.url, {"budget_dollars": dollars}).make(f"some-{turn}")
            tokens = [
                json.loads(line)["answer"]
                for line in (tmp_path / "state/answers.jsonl").read_text().splitlines()
            ]
            spent = sum(one["n_read"] + 2 * one["n_written"] for one in tokens) / 1e6
            assert dollars / 2 < spent <= dollars
        summary, _ = Job(tmp_path, server.url).make()
        assert summary["n_rows"] == 24
        assert set(server.asked.values()) == {1}


@pytest.mark.slow
def test_after_kill_9_nothing_that_was_answered_is_asked_again(tmp_path: Path) -> None:
    with chatty(say, delay=0.05) as server:
        job = Job(tmp_path, server.url, {"concurrency": 2})
        (tmp_path / "killed").mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps([job.spec, job.places, str(tmp_path)])]
        )
        journal = tmp_path / "state/answers.jsonl"
        while not journal.exists() or journal.read_text().count("\n") < 7:
            time.sleep(0.01)
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = [json.loads(line)["item"] for line in journal.read_text().splitlines()]
        with journal.open("a") as file:
            file.write('{"item": "half a l')  # what a death in the midst of writing leaves
        summary, _ = job.make()
        assert summary["n_rows"] == 24
        items = [json.loads(line)["item"] for line in journal.read_text().splitlines()]
        assert items[: len(before)] == before
        assert len(items) == len(set(items)) == 36
        # At most the two that were under way came a second time.
        assert sum(server.asked.values()) <= 36 + 2


PROGRAM = """
import json, sys
from pathlib import Path
from experiments.pool import make_pool
from experiments.resume import Resumption
spec, places, folder = json.loads(sys.argv[1])
folder = Path(folder)
make_pool(spec, {}, folder / "killed", lambda done, note: None, places, Resumption(folder / "state", 60.0))
"""


def test_a_stage_that_is_asked_to_pause_comes_to_rest_and_goes_on_later(tmp_path: Path) -> None:
    resumption = Resumption(tmp_path / "state", 60.0)
    with chatty(lambda body: resumption.pause.set() or say(body)) as server:
        job = Job(tmp_path, server.url)
        with pytest.raises(Paused, match=r"[1-4] of 12 new queries"):
            job.make("paused", resumption)
        resumption.pause.clear()
        server.say = say
        assert job.make()[0]["n_rows"] == 24
        assert set(server.asked.values()) == {1}


def test_settings_of_another_model_do_not_take_the_answers_of_this_one(tmp_path: Path) -> None:
    with chatty(say) as server:
        Job(tmp_path, server.url).make()
        Job(tmp_path, server.url, writer={**GENERATOR, "temperature": 0.9}).make("hotter")
        assert sum(server.asked.values()) > 36


@pytest.mark.parametrize("key", [None, "wrong"])
def test_a_server_that_wants_a_key_says_where_it_belongs(
    tmp_path: Path, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key:
        monkeypatch.setenv("A_KEY", key)
    with chatty(say, key="right") as server:
        with pytest.raises(Refused, match="put its key into the environment variable A_KEY"):
            Job(tmp_path, server.url).make()
        monkeypatch.setenv("A_KEY", "right")
        assert Job(tmp_path, server.url).make("again")[0]["n_rows"] == 24
    assert "right" not in (tmp_path / "state/answers.jsonl").read_text()


def test_a_server_out_of_reach_or_busy_for_good_is_named(tmp_path: Path) -> None:
    with chatty(say) as server:
        url = server.url
    with pytest.raises(ServerGaveUp, match=rf"{url} gave no answer in 2 tries: ConnectError"):
        Job(tmp_path, url, {"tries": 2}).make()
    with chatty(say, lambda count: 404) as server, pytest.raises(Refused, match="no such model or address"):
        Job(tmp_path, server.url).make("lost")
    with chatty(say, lambda count: 503) as server, pytest.raises(ServerGaveUp, match="it answers 503"):
        Job(tmp_path, server.url, {"tries": 2}).make("busy")


def test_a_question_that_the_server_rejects_is_lost_alone(tmp_path: Path) -> None:
    def mood(server: Chatty) -> None:
        server.mood = lambda count: 400

    with chatty(say) as server:
        mood(server)
        with pytest.raises(Refused, match="contains nothing"):
            Job(tmp_path, server.url).make()
        assert set(server.asked.values()) == {1}


@pytest.mark.slow
def test_a_stage_process_makes_such_a_pool_and_keeps_what_a_small_budget_paid_for(tmp_path: Path) -> None:
    def asked(job: Job, into: str) -> dict[str, Any]:
        (tmp_path / into).mkdir()
        folders = {"into": str(tmp_path / into), "state": str(tmp_path / "state"), "inputs": {}}
        request = {"ask": "make", "kind": "pool", "spec": job.spec, "places": job.places, **folders}
        with subprocess.Popen(SERVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({**request, "save_every": 60.0, "micro_batches": 1}) + "\n")
            process.stdin.flush()
            answers = map(json.loads, process.stdout)
            answer: dict[str, Any] = next(one for one in answers if "progress" not in one)
            process.stdin.close()
            return answer

    with chatty(say) as server:
        refused = asked(Job(tmp_path, server.url, {"budget_tokens": 2000}), "poor")
        assert "budget_tokens=2000 allows no more requests" in refused["refused"]
        assert 0 < sum(server.asked.values()) < 36
        made = asked(Job(tmp_path, server.url), "rich")
        assert made["result"]["n_rows"] == 24
        assert set(server.asked.values()) == {1}


SERVE = [sys.executable, "-m", "experiments", "serve"]
