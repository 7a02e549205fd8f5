"""What Slurm 22.05.8 answered on the cluster of scripts/slurm, word for word, of jobs the first few."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator import slurm, slurm_offers
from orchestrator.offer_checks import Offer

FOLDER = Path(__file__).parent / "recorded"
FILES = {
    "show node": "nodes.txt",
    "show partition": "partitions.txt",
    "show config": "config.txt",
    "sacctmgr": "associations.txt",
    "sacct": "sacct.txt",
}


def answers(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    """Every command answers as it was recorded, but with some text in place of another."""

    def ask(command: Sequence[str], **variables: str) -> str:
        line = " ".join(command)
        name = next(name for name in FILES if name in line)
        told = (FOLDER / FILES[name]).read_text()
        for old, new in changes.items():
            told = told.replace(old, new)
        return told

    monkeypatch.setattr(slurm, "ask", ask)


def offer(monkeypatch: pytest.MonkeyPatch, **changes: str) -> Offer:
    """What the recorded cluster offers."""
    answers(monkeypatch, **changes)
    return Offer(slurm.configuration(), slurm.partitions(), slurm_offers.nodes())
