"""Weights go when nothing needs them, and at no moment do the files say what is not so."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator import retention
from orchestrator.artifacts import TOMBSTONE, Store
from orchestrator.claims import Assigned, Shared
from orchestrator.estimate import Cost
from orchestrator.identity import Artifact
from orchestrator.ledger import Ledger, State, wanted
from orchestrator.references import Reference
from orchestrator.refusal import Refused
from orchestrator.settings import Keep
from orchestrator.study import StudyFolder, artifacts_of
from tests.orchestrator.kept import (
    AMOUNTS,
    WEIGHTS,
    a_study,
    checkpoint,
    made,
    planned,
    publish,
    sweeper,
    with_weights,
)


def finished(outputs: Path, name: str = "one", keep: Keep = "all") -> dict[str, Any]:
    return made(outputs, planned(outputs, a_study(name, keep)))


@pytest.mark.parametrize(("keep", "left"), [("all", [4, 8, 16]), ("largest", [16]), ("none", [])])
def test_a_finished_study_keeps_the_weights_that_it_wants_kept(
    tmp_path: Path, keep: Keep, left: list[int]
) -> None:
    study = finished(tmp_path, keep=keep)
    freed = sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == left
    assert freed.n_bytes == 100 * (len(AMOUNTS) - len(left))
    assert sweeper(tmp_path, study).sweep() == retention.NOTHING, "what is gone is not freed again"


def test_what_proves_nesting_stays(tmp_path: Path) -> None:
    study = finished(tmp_path, keep="none")
    sweeper(tmp_path, study).sweep()
    folder = Store(tmp_path).folder("checkpoint", checkpoint(study, 4))
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "subset.parquet", TOMBSTONE]


def test_weights_stay_while_a_record_of_their_own_study_is_missing(tmp_path: Path) -> None:
    study = planned(tmp_path, a_study("one", "none"))
    made(tmp_path, study, "pool", "base", "checkpoint", "completions")
    sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == [], "completions are there: grading needs no weights"
    other = planned(tmp_path, a_study("other", "none", tests=("more",)))
    for key, artifact in artifacts_of(other).items():
        if artifact.kind == "checkpoint":
            publish(Store(tmp_path), artifact)
            assert not Store(tmp_path).evicted("checkpoint", key)
    assert sweeper(tmp_path, other).sweep() == retention.NOTHING


@pytest.mark.parametrize(
    ("keep", "tests", "left"),
    [("none", ("test", "more"), [4, 8]), ("all", ("test",), [4, 8]), ("none", ("test",), [])],
)
def test_another_study_that_lacks_a_record_or_keeps_weights_holds_them(
    tmp_path: Path, keep: Keep, tests: tuple[str, ...], left: list[int]
) -> None:
    study = finished(tmp_path, keep="none")
    planned(tmp_path, a_study("other", keep, tests, amounts=(4, 8)))
    sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == left


def test_all_means_also_the_checkpoint_that_wrote_a_pool(tmp_path: Path) -> None:
    study, other = finished(tmp_path, keep="none"), a_study("other", amounts=())
    of_pool = checkpoint(study, 4)
    other["artifacts"][of_pool] = study["artifacts"][of_pool]
    planned(tmp_path, other)
    sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == [4]


def test_weights_in_use_stay_and_so_do_all_where_somebody_makes_what_no_plan_names(tmp_path: Path) -> None:
    study, ledger = finished(tmp_path, keep="none"), Ledger.at(tmp_path)
    asked = study["cells"][0]["artifacts"]["completions"]["test"]
    lease = ledger.leases.claim(asked, {"study": "one", "run": None, "kind": "completions"})
    sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == [4]
    assert lease is not None
    ledger.leases.clear(asked)
    ledger.leases.claim("unheard-of", {"study": "new", "run": None, "kind": "completions"})
    sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == [4]


def test_nothing_goes_where_a_plan_cannot_be_read(tmp_path: Path) -> None:
    study = finished(tmp_path, keep="none")
    (StudyFolder(tmp_path, "torn").plans).mkdir(parents=True)
    (StudyFolder(tmp_path, "torn").plans / "1.json").write_text('{"cells": [')
    with pytest.raises(Refused, match="torn cannot be read"):
        sweeper(tmp_path, study).sweep()
    assert with_weights(tmp_path, study) == [4, 8, 16]


def test_an_evicted_checkpoint_is_complete_for_its_records_and_absent_for_new_ones(tmp_path: Path) -> None:
    study, ledger = finished(tmp_path, keep="none"), Ledger.at(tmp_path)
    sweeper(tmp_path, study).sweep()
    assert set(ledger.states(artifacts_of(study)).values()) == {State.COMPLETE}
    more = artifacts_of(a_study("one", "none", tests=("test", "more"), amounts=(4,)))
    states = ledger.states(more)
    again = checkpoint(study, 4)
    assert states[again] == State.READY
    missing = wanted(more, ledger.complete(more))
    assert sorted(one.kind for one in missing.values()) == ["checkpoint", "completions", "record"]
    assert all(states[key] == State.WAITING for key in missing if key != again)


def test_trunks_go_too_and_grow_again_from_the_beginning_for_a_larger_amount(tmp_path: Path) -> None:
    study, ledger = (
        planned(tmp_path, a_study("one", "none", amounts=(4, 8), trunks=True)),
        Ledger.at(tmp_path),
    )
    made(tmp_path, study)
    assert len(sweeper(tmp_path, study).sweep().keys) == 4
    assert set(ledger.states(artifacts_of(study)).values()) == {State.COMPLETE}
    more = artifacts_of(a_study("one", "none", trunks=True))
    missing = wanted(more, ledger.complete(more)).values()
    labels = sorted((one.kind, one.label) for one in missing if one.kind in ("trunk", "checkpoint"))
    assert labels == [("checkpoint", "queries 16"), *(("trunk", f"queries {n}") for n in (16, 4, 8))]


def test_a_worker_makes_evicted_weights_anew_before_what_needs_them(tmp_path: Path) -> None:
    study, ledger = finished(tmp_path, keep="none"), Ledger.at(tmp_path)
    sweeper(tmp_path, study).sweep()
    more = artifacts_of(a_study("one", "none", tests=("more",), amounts=(4,)))
    # The run was planned while the weights were there, so they are not on its list.
    order = [key for key, one in more.items() if one.kind in ("completions", "record")]
    kinds = []
    for artifact, lease in Shared(order, more, ledger, tmp_path).claims({}):
        kinds.append(artifact.kind)
        assert publish(ledger.store, artifact, weights="again")
        ledger.leases.clear(lease.key)
    assert kinds == ["checkpoint", "completions", "record"]
    folder = ledger.store.folder("checkpoint", checkpoint(study, 4))
    assert (folder / WEIGHTS).read_text() == "again"
    assert not (folder / TOMBSTONE).exists()
    assert not list((tmp_path / "artifacts" / "checkpoint").glob(".*")), "the old folder is gone"


@pytest.mark.parametrize(("weights", "same"), [("w" * 100, True), ("v" * 100, False)])
def test_weights_that_come_back_tell_whether_they_are_the_same(
    tmp_path: Path, weights: str, same: bool
) -> None:
    study, store = finished(tmp_path, keep="none"), Store(tmp_path)
    sweeper(tmp_path, study).sweep()
    again = artifacts_of(study)[checkpoint(study, 4)]
    assert publish(store, again, weights)
    assert store.manifest("checkpoint", again.key)["provenance"]["as_evicted"] is same


def test_a_job_that_is_begun_anew_trains_nothing_whose_records_are_there(tmp_path: Path) -> None:
    study, ledger = finished(tmp_path, keep="none"), Ledger.at(tmp_path)
    sweeper(tmp_path, study).sweep()
    artifacts = artifacts_of(study)
    share = [artifacts[key] for key in chain_of(study)]
    kinds = {key: one.kind for key, one in artifacts.items()}
    assert list(Assigned(share, kinds, ledger, tmp_path).claims({})) == []
    new = artifacts_of(a_study("one", tests=("more",), amounts=(4,)))
    share = [one for one in new.values() if one.kind in ("checkpoint", "completions")]
    claimed = []
    for artifact, lease in Assigned(share, kinds, ledger, tmp_path).claims({}):
        claimed.append(artifact.kind)
        publish(ledger.store, artifact)
        ledger.leases.clear(lease.key)
    assert claimed == ["checkpoint", "completions"]


def chain_of(study: dict[str, Any]) -> list[str]:
    keys = study["cells"][0]["artifacts"]
    return [keys["checkpoint"], keys["completions"]["test"], keys["record"]["test"]]


class Killed(BaseException):
    """As `kill -9` would."""


@pytest.mark.parametrize("moment", ["tombstone", "first look", "first file"])
def test_an_eviction_that_was_killed_leaves_the_truth_and_is_ended_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    study = finished(tmp_path, keep="none")
    store = Store(tmp_path)
    names = {"tombstone": "write_json", "first look": "_delete", "first file": "_delete"}

    def killed(*_: Any) -> None:
        if moment == "first file":
            (
                store.folder("checkpoint", min(checkpoint(study, amount) for amount in AMOUNTS)) / WEIGHTS
            ).unlink()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(retention, names[moment], killed)
        with pytest.raises(Killed):
            sweeper(tmp_path, study).sweep()
    assert set(Ledger.at(tmp_path).states(artifacts_of(study)).values()) == {State.COMPLETE}
    for amount in AMOUNTS:
        key = checkpoint(study, amount)
        gone = not (store.folder("checkpoint", key) / WEIGHTS).exists()
        assert store.evicted("checkpoint", key) or not gone, "no weights are gone without a tombstone"
    later = sweeper(tmp_path, study)
    later.end_what_was_begun()
    later.sweep()
    assert with_weights(tmp_path, study) == []
    checkpoints = (one for one in artifacts_of(study).values() if one.kind == "checkpoint")
    assert not any(retention.unfinished(store, one) for one in checkpoints)


def test_what_evicted_weights_cost_again_is_announced(tmp_path: Path) -> None:
    study, ledger = finished(tmp_path, keep="none"), Ledger.at(tmp_path)
    sweeper(tmp_path, study).sweep()
    more = artifacts_of(a_study("one", tests=("test", "more")))
    costs = {key: Cost(1, 1e9, 1, 60.0) for key in more}
    (line,) = retention.retrained(more, ledger.complete(more), ledger, costs)
    assert "3 checkpoints whose weights were evicted are trained again for more" in line
    assert "3e+09 FLOPs, about 3 min 00 s" in line
    old: dict[str, Artifact] = dict(Reference.of("one", study).artifacts)
    assert retention.retrained(old, ledger.complete(old), ledger, costs) == []
