"""A real stage process that is paused, warned, or killed outright, and the next one that goes on."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator.stages import StageFailed, StagePaused, StageProcess
from tests.experiments.interrupting import same_files
from tests.experiments.training import checkpoint_spec, made

# Long enough, at some milliseconds a step, to be met in its middle.
N_STEPS = 500
SPEC = checkpoint_spec(budget={"unit": "steps", "value": float(N_STEPS)})
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def undisturbed(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("undisturbed") / "made"
    made(inputs, into, SPEC)
    return into


def request(inputs: dict[str, Path], tmp_path: Path, save_every: float = 60.0) -> dict[str, Any]:
    into = tmp_path / "made"
    for left in into.glob("*"):
        left.unlink()
    into.mkdir(exist_ok=True)
    return {
        "ask": "make",
        "kind": "checkpoint",
        "spec": SPEC,
        "inputs": {role: str(folder) for role, folder in inputs.items()},
        "places": {},
        "into": str(into),
        "state": str(tmp_path / "state"),
        "save_every": save_every,
        "micro_batches": 1,
        "compute": {},
    }


@contextmanager
def on_alarm(action: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, lambda *_: action())
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
def test_a_pause_from_a_signal_handler_stops_within_seconds_and_loses_nothing(
    inputs: dict[str, Path], undisturbed: Path, tmp_path: Path
) -> None:
    asked_at: list[float] = []

    def once_it_trains(done: float, note: str) -> None:
        if note.startswith("step") and not asked_at:
            signal.setitimer(signal.ITIMER_REAL, 0.1)

    with StageProcess(ENVIRONMENT) as stage:

        def pause() -> None:
            asked_at.append(time.monotonic())
            os.kill(stage.pid, signal.SIGTERM)  # a cluster warns every process of a job
            stage.pause()

        with on_alarm(pause), pytest.raises(StagePaused, match=rf"^step \d+ of {N_STEPS}$"):
            stage.ask(request(inputs, tmp_path), once_it_trains)
        assert time.monotonic() - asked_at[0] < 3.0
        with pytest.raises(StagePaused, match="not begun"):
            stage.ask({"ask": "versions"})

    begun: list[str] = []
    with StageProcess(ENVIRONMENT) as stage:
        summary = stage.ask(request(inputs, tmp_path), lambda done, note: begun.append(note))
    assert any(note.startswith("goes on after step") for note in begun)
    assert summary["n_steps"] == N_STEPS
    assert same_files(tmp_path / "made", undisturbed)


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_with_the_same_bytes(
    inputs: dict[str, Path], undisturbed: Path, tmp_path: Path
) -> None:
    chance = random.Random(time.time_ns())
    went_on: list[str] = []

    def listen(done: float, note: str) -> None:
        if note.startswith("goes on after step"):
            went_on.append(note)

    for _ in range(3):
        with StageProcess(ENVIRONMENT) as stage:
            killer = threading.Thread(
                target=kill_while_it_saves, args=(stage.pid, tmp_path / "state", chance.random())
            )
            killer.start()
            with pytest.raises(StageFailed, match="killed by signal 9"):
                stage.ask(request(inputs, tmp_path, save_every=0.01), listen)
            killer.join()
    with StageProcess(ENVIRONMENT) as stage:
        stage.ask(request(inputs, tmp_path), listen)
    assert len(went_on) >= 3
    assert same_files(tmp_path / "made", undisturbed)


def kill_while_it_saves(pid: int, state: Path, delay: float) -> None:
    """After a state that was not there before, and then at any moment."""
    before = set(state.glob("*.json"))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and set(state.glob("*.json")) <= before:
        time.sleep(0.005)
    time.sleep(delay / 10)
    os.kill(pid, signal.SIGKILL)


def test_a_pause_before_anything_is_asked_lets_nothing_begin() -> None:
    with StageProcess(ENVIRONMENT) as stage:
        stage.pause()
        with pytest.raises(StagePaused, match="not begun"):
            stage.ask({"ask": "versions"})


def test_a_pause_of_a_process_that_is_gone_is_no_error() -> None:
    with StageProcess(ENVIRONMENT) as stage:
        os.kill(stage.pid, signal.SIGKILL)
        while not stage.gone():
            time.sleep(0.01)
        stage.pause()
    stage.pause()
