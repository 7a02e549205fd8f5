"""Several trainings run as one: each takes over where the one before it stood."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.state import identity
from orchestrator.identity import TRUNK, defining
from orchestrator.trunks import of_trunk


@dataclass(frozen=True)
class Relay:
    """Where a training takes over, and where it hands on."""

    identity: str  # the same for all of them
    begins: Path | None  # folder with the state of the one before; None: at the beginning
    ends: Path | None = None  # folder for the last state; None: nobody goes on from it


def relay(spec: Mapping[str, Any], inputs: Mapping[str, Path], ends: Path | None = None) -> Relay:
    """Of a trunk, or of a checkpoint that goes on from one.

    States are the same for all amounts, and for all cooldowns: neither has a part in them.
    """
    trunk = of_trunk(spec)
    subset = {name: value for name, value in trunk["subset"].items() if name != "n"}
    plateau = {name: value for name, value in trunk["train"]["trunk"].items() if name != "cooldown_share"}
    of_all = {**trunk, "subset": subset, "train": {**trunk["train"], "trunk": plateau}}
    return Relay(identity("trunk", of_all, defining(inputs)), inputs.get(TRUNK), ends)
