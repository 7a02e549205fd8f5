"""What artifacts will cost: asked of the stages once per shape, since seeds cost nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.artifacts import Store
from orchestrator.facts import Oracle
from orchestrator.identity import Artifact, inputs_first
from orchestrator.pace import Pace
from orchestrator.settings import Jobs

# Artifacts of one shape cost the same; shapes are numbered as they are met.
Shape = int


@dataclass(frozen=True)
class Cost:
    """Tokens passed through a model, FLOPs, bytes on disk, seconds of one worker, bytes of device memory."""

    tokens: int
    flops: float
    bytes: int
    seconds: float
    memory: int | None = None  # at its peak; None: not estimated
    state: int = 0  # bytes on disk while it is made, beside its own
    dollars: float | None = None  # that a server asks for; None: there is none to be asked
    shared_tokens: int = 0  # of a training, those that a trunk has been through for it


def estimate(
    artifacts: Mapping[str, Artifact], store: Store, oracle: Oracle, jobs: Jobs, pace: Pace
) -> dict[str, Cost]:
    """The cost of each artifact by key; one request to the stages in all."""
    numbers: dict[tuple[Any, ...], Shape] = {}
    described: dict[Shape, dict[str, Any]] = {}
    shapes: dict[str, Shape] = {}
    questions: dict[Shape, dict[str, Any]] = {}
    first: dict[Shape, Artifact] = {}
    for artifact in inputs_first(artifacts.values()):
        inputs = {role: shapes[key] for role, key in artifact.inputs.items()}
        shape = numbers.setdefault(
            (artifact.kind, _seedless(artifact.spec), tuple(inputs.items())), len(numbers)
        )
        shapes[artifact.key] = shape
        if shape not in questions:
            made_from = {role: described[known] for role, known in inputs.items()}
            first[shape] = artifact
            questions[shape] = {"kind": artifact.kind, "spec": artifact.spec, "inputs": made_from}
            if artifact.kind in ("base", "pool"):
                # Which tell the shape of a model that exists, and what a server asks for.
                questions[shape]["places"] = artifact.places
            described[shape] = {**questions[shape], "summary": _summary(store, artifact)}
    compute = jobs.compute.model_dump()
    request = {"ask": "cost", "artifacts": list(questions.values()), "compute": compute}
    answers = oracle.ask(request)["costs"]
    costs = {
        shape: _cost(one, answer, pace) for (shape, one), answer in zip(first.items(), answers, strict=True)
    }
    return {key: costs[shape] for key, shape in shapes.items()}


def _cost(artifact: Artifact, answer: Mapping[str, Any], pace: Pace) -> Cost:
    took = pace.seconds(artifact.kind, artifact.spec, answer["flops"])
    return Cost(seconds=took, **answer)


def _summary(store: Store, artifact: Artifact) -> dict[str, Any] | None:
    if artifact.kind != "pool" or not store.has("pool", artifact.key):
        return None
    summary: dict[str, Any] = store.manifest("pool", artifact.key)["summary"]
    return summary


def _seedless(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What a spec has beside the seeds of subset and training, which change no cost.

    Parts of specs stand for themselves by identity: the planner makes equal ones the same object, and
    where it did not the same question is asked twice.
    """
    known = {name: value for name, value in spec.items() if name not in ("train_seed", "subset")}
    subset = {name: value for name, value in spec.get("subset", {}).items() if name != "seed"}
    plain = {**known, **subset}
    return tuple((name, id(v) if isinstance(v, dict | list) else v) for name, v in plain.items())
