"""What artifacts will cost: asked of the stages once per shape, since seeds cost nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.artifacts import Store
from orchestrator.facts import Oracle
from orchestrator.identity import Artifact, digest

# Starting, reading and writing; what an artifact takes beside its arithmetic. Seconds, on this kind of task.
OVERHEAD = {"pool": 2.0, "base": 1.0, "checkpoint": 0.2, "completions": 0.2, "record": 0.1}


@dataclass(frozen=True)
class Cost:
    """Tokens passed through a model, FLOPs, bytes on disk, and seconds of one worker."""

    tokens: int
    flops: float
    bytes: int
    seconds: float


def estimate(
    artifacts: Mapping[str, Artifact], store: Store, oracle: Oracle, flops_per_second: float
) -> dict[str, Cost]:
    """The cost of each artifact by key; one request to the stages in all."""
    described: dict[str, dict[str, Any]] = {}
    shapes: dict[str, str] = {}
    questions: dict[str, dict[str, Any]] = {}
    for artifact in _inputs_first(artifacts):
        seedless = _seedless(artifact.spec)
        shape = digest(
            [artifact.kind, seedless, {role: shapes[key] for role, key in artifact.inputs.items()}]
        )
        shapes[artifact.key] = shape
        if shape not in questions:
            inputs = {role: described[shapes[key]] for role, key in artifact.inputs.items()}
            questions[shape] = {"kind": artifact.kind, "spec": artifact.spec, "inputs": inputs}
            described[shape] = {**questions[shape], "summary": _summary(store, artifact)}
    answers = oracle.ask({"ask": "cost", "artifacts": list(questions.values())})["costs"]
    costs = dict(zip(questions, answers, strict=True))
    return {key: _cost(artifacts[key], costs[shape], flops_per_second) for key, shape in shapes.items()}


def _cost(artifact: Artifact, answer: Mapping[str, Any], flops_per_second: float) -> Cost:
    seconds = OVERHEAD[artifact.kind] + answer["flops"] / flops_per_second
    return Cost(answer["tokens"], answer["flops"], answer["bytes"], seconds)


def _summary(store: Store, artifact: Artifact) -> dict[str, Any] | None:
    if artifact.kind != "pool" or not store.has("pool", artifact.key):
        return None
    summary: dict[str, Any] = store.manifest("pool", artifact.key)["summary"]
    return summary


def _seedless(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec without the seeds of subset and training, which change no cost."""
    kept = {name: value for name, value in spec.items() if name != "train_seed"}
    if "subset" in kept:
        kept["subset"] = {name: value for name, value in kept["subset"].items() if name != "seed"}
    return kept


def _inputs_first(artifacts: Mapping[str, Artifact]) -> Iterable[Artifact]:
    """Depth first, so that an artifact comes after all it is made from."""
    done: set[str] = set()

    def visit(artifact: Artifact) -> Iterable[Artifact]:
        if artifact.key in done:
            return
        for key in artifact.inputs.values():
            yield from visit(artifacts[key])
        done.add(artifact.key)
        yield artifact

    for artifact in artifacts.values():
        yield from visit(artifact)
