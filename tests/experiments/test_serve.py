"""The protocol: one answer a request, refusals and failures told apart, and an end at once."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.serve import cause_of

WORLD = {"seed": 0, "n_units": 40, "n_everyday_units": 8, "zipf_alpha": 1.0, "zipf_offset": 6.0}
GIVEN = {"kind": "symbolic", "world": WORLD, "part": "seed", "n_items": 12}
POOL = {"version": 1, "seed": GIVEN, "strategy": {"kind": "seed", "name": "seed"}, "decontaminate": []}
PRETRAIN = {
    "tokens": 200_000,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "seed": 0,
    "drills_share": 0.35,
    "everyday_share": 0.55,
}
MODEL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "n_layers": 1,
    "n_heads": 2,
    "context": 64,
    "init_seed": 0,
    "tokenizer": "words",
    "vocabulary": None,
    "prompt": "{query} ->",
}


class Server:
    """A stage process, as the orchestrator starts it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def send(self, **request: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def make(self, kind: str, spec: dict[str, Any], into: Path, **more: Any) -> None:
        """Ask for an artifact whose state lies beside it."""
        request = {"inputs": {}, "places": {}, "save_every": 60.0, "micro_batches": 1, "compute": {}, **more}
        request["inference"] = {}
        request["state"] = str(into) + ".state"
        self.send(ask="make", kind=kind, spec=spec, into=str(into), **request)

    def ask(self, **request: Any) -> dict[str, Any]:
        self.send(**request)
        return self.answer()

    def answer(self) -> dict[str, Any]:
        while "progress" in (answer := self.receive()):
            assert 0.0 <= answer["progress"] <= 1.0
        return answer


@contextmanager
def serving() -> Iterator[Server]:
    command = [sys.executable, "-m", "experiments", "serve"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


def test_versions_are_told(server: Server) -> None:
    answer = server.ask(ask="versions")["result"]
    assert set(answer) == {"pool", "base", "checkpoint", "completions", "record", "grader"}


@pytest.mark.slow
def test_questions_are_answered_in_turn(server: Server, tmp_path: Path) -> None:
    assert server.ask(ask="inspect", source=GIVEN, answer="gsm8k")["result"]["n_rows"] == 12
    size = server.ask(ask="size", spec=POOL, places={})["result"]
    assert size == {"n_rows": 12, "n_sources": 12, "n_queries": 12}
    described = {"kind": "pool", "spec": POOL, "inputs": {}}
    [cost] = server.ask(ask="cost", artifacts=[described], compute={})["result"]["costs"]
    assert cost["tokens"] == 0
    server.make("pool", POOL, tmp_path)
    assert server.answer()["result"].items() >= size.items()
    assert (tmp_path / "pool.parquet").is_file()


def test_wrong_input_is_refused_in_a_sentence(server: Server, tmp_path: Path) -> None:
    absent = {
        "kind": "table",
        "path": str(tmp_path / "no.jsonl"),
        "split": "s",
        "query": "q",
        "response": "r",
    }
    refused = server.ask(ask="inspect", source=absent, answer=None)["refused"]
    assert "no.jsonl does not exist" in refused


def test_what_breaks_is_a_failure_and_the_next_request_is_answered(server: Server, tmp_path: Path) -> None:
    inputs = {"completions": str(tmp_path)}
    spec = {"version": 1, "grader": 1, "answer": "gsm8k", "source": GIVEN}
    server.make("record", spec, tmp_path, inputs=inputs)
    failed = server.answer()
    assert failed["failed"]["cause"] == "unknown"
    assert "FileNotFoundError" in failed["failed"]["message"]
    assert "Traceback" in failed["failed"]["traceback"]
    assert "failed" in server.ask(ask="the impossible")
    assert "result" in server.ask(ask="versions")


@pytest.mark.slow
def test_it_ends_at_once_when_nobody_asks_any_more(tmp_path: Path) -> None:
    with serving() as server:
        model = {**MODEL, "pretrain": {**PRETRAIN, "tokens": 3_000_000}}  # for longer than anybody waits
        spec = {"version": 1, "model": model, "world": WORLD, "decontaminate": []}
        server.make("base", spec, tmp_path)
        assert "step" in server.receive()["note"]
        assert server.process.stdin is not None
        begun = time.monotonic()
        server.process.stdin.close()
        assert server.process.wait(timeout=10) == 0
        assert time.monotonic() - begun < 2


def test_it_answers_before_anything_large_is_imported() -> None:
    begun = time.process_time()
    code = "import sys, experiments.__main__, experiments.serve; print([*sys.modules])"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"'torch'", "'transformers'", "'pyarrow'", "'numpy'"} & set(modules.strip("[]\n").split(", "))
    assert time.process_time() - begun < 1


class NotFiniteError(RuntimeError):
    """As training raises it."""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk full"),
        (MemoryError(), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out of GPU memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (ModuleNotFoundError("no module named peft"), "import error"),
        (NotFiniteError("loss not finite"), "loss not finite"),
        (ValueError("anything"), "unknown"),
    ],
)
def test_every_failure_has_a_cause(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause


def test_a_cause_is_found_behind_what_it_led_to() -> None:
    error = RuntimeError("could not write")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert cause_of(error) == "disk full"


@pytest.mark.slow
def test_a_pause_that_comes_late_does_not_touch_the_next_request(server: Server, tmp_path: Path) -> None:
    server.send(ask="pause")
    server.make("pool", POOL, tmp_path)
    assert server.answer()["result"]["n_rows"] == 12


@pytest.mark.slow
def test_a_stage_that_is_paused_answers_the_next_request(server: Server, tmp_path: Path) -> None:
    model = {**MODEL, "pretrain": {**PRETRAIN, "tokens": 300_000}}
    server.make("base", {"version": 1, "model": model, "world": WORLD, "decontaminate": []}, tmp_path)
    assert "step" in server.receive()["note"]
    server.send(ask="pause")
    assert "step" in server.answer()["paused"]
    assert "result" in server.ask(ask="versions")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_to_a_whole_job_do_not_end_a_stage(server: Server, number: int) -> None:
    server.ask(ask="versions")
    server.process.send_signal(number)
    assert "result" in server.ask(ask="versions")
