"""What it costs that a training can be interrupted: `python benchmarks/resume.py`.

The largest cell of the miniature is trained by a real stage process, paused in its midst and resumed. Beside
it, in this process: one save of its state, one look whether to pause, finding the place in the data again.
"""

import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from experiments import model as models
from experiments.batches import Example, ShuffledBatches
from experiments.compute import settle
from experiments.keeper import Keeper
from experiments.resume import Resumption
from experiments.state import State, States
from experiments.training import Step, Training
from orchestrator.stages import StagePaused, StageProcess

# A base that has read little trains no slower than one that has read much.
OVERRIDES = ("experiment=mini", "strategy=queries", "amount=2048", "seed=0", "model.pretrain.tokens=20000")
SAVE_EVERY = 60.0
N_SAVES = 30
N_BATCHES = 100_000


def planned() -> dict[str, Any]:
    """The artifacts of the cell, by kind; of several benchmarks one."""
    command = [sys.executable, "-m", "orchestrator", "plan", *OVERRIDES, "format=json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    artifacts = json.loads(ran.stdout)["artifacts"]
    cells = [artifact for artifact in artifacts.values() if artifact["kind"] == "checkpoint"]
    largest = max(cells, key=lambda artifact: artifact["spec"]["subset"]["n"])
    inputs = {role: artifacts[key] for role, key in largest["inputs"].items()}
    return {"checkpoint": largest, **inputs}


def request(artifact: Mapping[str, Any], into: Path, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """As a worker asks."""
    into.mkdir(exist_ok=True)
    return {
        "ask": "make",
        "kind": artifact["kind"],
        "spec": artifact["spec"],
        "inputs": {role: str(folder) for role, folder in inputs.items()},
        "places": artifact["places"],
        "into": str(into),
        "state": str(into.with_name(f"{into.name}.state")),
        "save_every": SAVE_EVERY,
        "micro_batches": 1,
    }


def paused_and_resumed(folder: Path) -> Path:
    """Make the cell, paused after three seconds of training; where its base lies."""
    artifacts = planned()
    inputs = {role: folder / role for role in artifacts if role != "checkpoint"}
    started: list[str] = []
    asked: list[float] = []

    def ask_for_a_pause(*_: object) -> None:
        asked.append(time.monotonic())
        stage.pause()

    def once_it_trains(done: float, note: str) -> None:
        if note.startswith("step") and not started:
            started.append(note)
            signal.setitimer(signal.ITIMER_REAL, 3.0)

    signal.signal(signal.SIGALRM, ask_for_a_pause)
    with StageProcess() as stage:
        for role in inputs:
            stage.ask(request(artifacts[role], folder / role, {}))
        try:
            stage.ask(request(artifacts["checkpoint"], folder / "checkpoint", inputs), once_it_trains)
        except StagePaused as paused:
            print(f"paused at {paused}, {time.monotonic() - asked[0]:.3f} s after it was asked to")
    size = sum(path.stat().st_size for path in (folder / "checkpoint.state").iterdir())
    print(f"state: {size / 1e6:.1f} MB")
    with StageProcess() as stage:
        notes: list[str] = []
        stage.ask(
            request(artifacts["checkpoint"], folder / "checkpoint", inputs),
            lambda _, note: notes.append(note),
        )
        print(next(note for note in notes if note.startswith("goes on")))
    return inputs["base"]


def one_training(base: Path) -> Training:
    """The model after a step, with 2,048 examples and the steps of the whole cell behind it."""
    llama = models.load(base).model
    optimizer = torch.optim.AdamW(llama.parameters())
    llama(torch.zeros(1, 4, dtype=torch.long)).logits.sum().backward()
    optimizer.step()
    batches = ShuffledBatches([Example(tuple(range(30)), 15)] * 2048, 4, [], 0, 0)
    return Training(
        llama, optimizer, batches, [Step(n, 1.0, 1e-3, 60, 1.0, 5, 150, 0.01, 10, 1) for n in range(1, 1537)]
    )


def timed(times: int, function: Any) -> float:
    """Median seconds of one call."""
    seconds = []
    for number in range(times):
        begun = time.perf_counter()
        function(number)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def main() -> None:
    """Print the figures."""
    settle()
    with tempfile.TemporaryDirectory() as name:
        training = one_training(paused_and_resumed(Path(name)))
        states = States(Path(name) / "states", "benchmark")

        def save(number: int) -> None:
            state = training.state()
            states.save(State(number, state.tensors, state.facts))

        saving = timed(N_SAVES, save)
        keeper = Keeper(Resumption(Path(name) / "never", 1e9), "benchmark", lambda done, note: None)
        looking = timed(10_000, lambda _: keeper.between_steps(training, 2000))
        seeking = timed(3, lambda _: training.batches.seek(N_BATCHES))
        restoring = timed(N_SAVES, lambda _: states.resume(training_of(training)))
    print(
        f"one save {saving * 1e3:.1f} ms: {saving / SAVE_EVERY:.4%} of the time at every {SAVE_EVERY:.0f} s"
    )
    print(f"one look, before every step, {looking * 1e6:.1f} µs")
    print(f"finding the place behind {N_BATCHES:,} batches: {seeking:.2f} s")
    print(f"reading and checking a state: {restoring * 1e3:.1f} ms")


def training_of(training: Training) -> Any:
    """What takes a state's weights and nothing else: the place in the data is timed apart."""

    def restore(state: State) -> None:
        with torch.no_grad():
            for name, weight in training.model.named_parameters():
                weight.copy_(state.tensors[f"weights.{name}"])

    return restore


if __name__ == "__main__":
    main()
