"""What a job of a cluster makes next of its share."""

from pathlib import Path

import pytest

from orchestrator.claims import Assigned
from orchestrator.identity import Artifact
from orchestrator.ledger import Ledger

SHARE = [Artifact("pool", name, {}, {}) for name in ("first", "second")]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.at(tmp_path)


def claimed(ledger: Ledger, tmp_path: Path, *outcomes: str | None) -> list[str]:
    """What is claimed, where tries end like this one after the other: with a cause, or well (None)."""
    keys = []
    left = list(outcomes)
    for artifact, lease in Assigned(SHARE, {}, ledger, tmp_path).claims({}):
        keys.append(artifact.key)
        if cause := left.pop(0):
            ledger.attempts.add(artifact.key, {"cause": cause})
            ledger.leases.release(lease)
        else:
            ledger.forget(artifact.key)  # as a worker does
            ledger.leases.clear(artifact.key)
    assert not left
    return keys


def test_what_may_work_here_is_tried_again_at_once(ledger: Ledger, tmp_path: Path) -> None:
    assert claimed(ledger, tmp_path, "killed", None, None) == ["first", "first", "second"]


def test_what_only_another_job_can_do_better_is_left_to_it(ledger: Ledger, tmp_path: Path) -> None:
    assert claimed(ledger, tmp_path, "out of memory", None) == ["first", "second"]


def test_a_success_after_earlier_failures_leads_on_to_the_next(ledger: Ledger, tmp_path: Path) -> None:
    for _ in range(3):
        ledger.attempts.add("first", {"cause": "preempted"})
    assert claimed(ledger, tmp_path, None, None) == ["first", "second"]
