"""What an artifact is: the hash of everything that can change a number in the paper."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Kind = Literal["pool", "base", "trunk", "checkpoint", "completions", "record"]
# The order in which one is made from another.
KINDS: tuple[Kind, ...] = ("pool", "base", "trunk", "checkpoint", "completions", "record")
# Kinds that every study has.
ALWAYS = frozenset(KINDS) - {"trunk"}
# The role of an input that saves work and changes no number: it is no part of what an artifact is.
TRUNK = "trunk"


@dataclass(frozen=True)
class Artifact:
    """One thing to be made. `spec` and `inputs` are its identity; the rest is for people and machines."""

    kind: Kind
    key: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, str]  # role -> key
    places: Mapping[str, Any] = field(default_factory=dict)  # digest of a data source -> where to read it
    label: str = ""

    @property
    def shares_engine(self) -> bool:
        """Whether one engine, which takes long to start, makes many of these where nothing comes between."""
        return self.spec.get("engine") == "vllm"


def made_of(
    keys: Iterable[str], artifacts: Mapping[str, Artifact], without: Container[str] = frozenset()
) -> dict[str, Artifact]:
    """These and all that they are made from, each before its inputs; the walk ends at those `without`."""
    found: dict[str, Artifact] = {}
    ahead = [*keys][::-1]
    while ahead:
        key = ahead.pop()
        if key not in found and key not in without:
            found[key] = artifacts[key]
            ahead += reversed([*artifacts[key].inputs.values()])
    return found


def inputs_first(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Each after all of these that it is made from; otherwise by kind, and as they were given.

    Kinds alone do not tell: a pool may be made from other pools, or from what a checkpoint answered.
    """
    given = list(artifacts)
    known = {artifact.key: artifact for artifact in given}
    rounds: dict[str, int] = {}

    def turn(artifact: Artifact) -> tuple[int, int]:
        kind = KINDS.index(artifact.kind)
        if artifact.key not in rounds:
            before = [turn(known[key]) for key in artifact.inputs.values() if key in known]
            rounds[artifact.key] = max((n + (of >= kind) for n, of in before), default=0)
        return rounds[artifact.key], kind

    return sorted(given, key=turn)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no white space, the same in every process.

    Raises TypeError for what JSON does not know and ValueError for numbers that are not finite: whatever
    cannot be written the same way everywhere has no identity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """128 bits of BLAKE2b over the canonical JSON, as 32 hexadecimal digits."""
    return hashlib.blake2b(canonical(value).encode(), digest_size=16).hexdigest()


def key_of(kind: Kind, spec_digest: str, inputs: Mapping[str, str]) -> str:
    """The key of an artifact, from the digest of its spec and the keys of what it is made from.

    A change of place, cluster or label cannot reach it, nor whether it was trained alone or from a trunk.
    """
    return digest([kind, spec_digest, defining(inputs)])


def defining(inputs: Mapping[str, T]) -> dict[str, T]:
    """The inputs that can change a number: all but a trunk."""
    return {role: value for role, value in inputs.items() if role != TRUNK}
