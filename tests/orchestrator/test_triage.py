"""What is done about failures, and what the next try gets."""

from typing import Any, get_args

import pytest

from orchestrator import shapes, slurm, triage
from orchestrator.settings import Cause, ResourceChanges
from tests.tiny import CLUSTER, RESOURCES, SLURM


def attempts(*causes: str) -> list[dict[str, Any]]:
    return [{"cause": cause, "node": f"n{number}"} for number, cause in enumerate(causes)]


def test_every_cause_of_slurm_and_of_the_stages_has_a_policy() -> None:
    stages = {"out of GPU memory", "out of memory", "disk full", "loss not finite", "import error", "unknown"}
    assert {*slurm.CAUSES.values(), *stages, "bad input", "killed", "lost"} <= triage.POLICIES.keys()
    assert set(get_args(Cause)) == triage.POLICIES.keys()


@pytest.mark.parametrize(
    ("causes", "given_up"),
    [
        (("bad input",), True),
        (("killed",), False),
        (("killed", "killed"), True),
        (("preempted",) * 99, False),
        (("preempted",) * 100, True),
        (("killed", *("preempted",) * 50), False),
        (("node failed",) * 4, False),
        (("time limit", "killed", "time limit"), False),
        ((), False),
    ],
)
def test_each_cause_is_counted_by_itself(causes: tuple[str, ...], given_up: bool) -> None:
    assert triage.final(attempts(*causes), SLURM) is given_up


def test_a_study_may_have_its_own_patience() -> None:
    patient = SLURM.model_copy(update={"tries": {"killed": 3}})
    assert not triage.final(attempts("killed", "killed"), patient)


def test_on_one_machine_nothing_is_tried_again_that_wants_another_one() -> None:
    assert triage.final(attempts("out of memory"), CLUSTER)
    assert not triage.final(attempts("out of memory"), SLURM)


def test_failures_teach_the_next_try() -> None:
    learnt = triage.adjustments(
        attempts("out of GPU memory", "out of memory", "time limit", "out of GPU memory", "node failed")
    )
    assert learnt == triage.Adjustments(micro_batches=4, memory_factor=2.0, time_factor=2.0, avoid=("n4",))


def test_resources_grow_up_to_the_cap_and_avoid_nodes() -> None:
    cluster = SLURM.model_copy(update={"most_memory_gib": 6.0, "most_minutes": 90.0})
    learnt = triage.Adjustments(memory_factor=4.0, time_factor=2.0, avoid=("n1", "n2"))
    got = shapes.resources_for(cluster, "checkpoint", "llama", learnt)
    assert (got.memory_gib, got.minutes, got.exclude) == (6.0, 90.0, "n1,n2")


def test_a_model_wins_over_a_stage_and_a_stage_over_the_rest() -> None:
    cluster = SLURM.model_copy(
        update={
            "stages": {"checkpoint": ResourceChanges(gpus=1, partition="gpu")},
            "models": {"large": {"checkpoint": ResourceChanges(gpus=8)}},
        }
    )
    none = triage.Adjustments()
    wanted = [
        shapes.resources_for(cluster, kind, model, none)
        for kind, model in (("checkpoint", "large"), ("checkpoint", "small"), ("record", "large"))
    ]
    assert [(each.gpus, each.partition) for each in wanted] == [(8, "gpu"), (1, "gpu"), (0, None)]


def test_a_time_limit_holds_the_predicted_work_twice() -> None:
    assert shapes.with_time_for(RESOURCES, 60.0, None) == RESOURCES
    assert shapes.with_time_for(RESOURCES, 3600.0, None).minutes == 120.0
    assert shapes.with_time_for(RESOURCES, 3600.0, 100.0).minutes == 100.0
