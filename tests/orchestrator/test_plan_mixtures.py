"""Plans of pools that are made from other pools, or from what a checkpoint answers."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from experiments.serve import QUESTIONS
from experiments.versions import VERSIONS
from orchestrator import check, compose
from orchestrator.artifacts import Store
from orchestrator.facts import Facts
from orchestrator.identity import Artifact, inputs_first
from orchestrator.plan import Plan, Planner
from orchestrator.refusal import Refused
from tests.tiny import OVERRIDES

# Hydra composes each.
pytestmark = pytest.mark.slow

MIXTURE = ("strategy=mixture", "strategy.parts.queries.rows=32", "strategy.parts.responses.rows=32")


class Here:
    """Answers what a stage process would."""

    def ask(self, request: Mapping[str, Any]) -> Any:
        if request["ask"] == "versions":
            return VERSIONS
        module, name, given = QUESTIONS[request["ask"]]
        return getattr(import_module(module), name)(*(request[part] for part in given))


def planned(tmp_path: Path, *overrides: str) -> Plan:
    found: list[Plan] = []

    def task(grid: Any) -> int:
        cells = list(check.cells(grid.points))
        found.append(Planner(Facts(Here()), Store(tmp_path)).plan(cells))
        return 0

    assert compose.run((*OVERRIDES, "seed=0", *overrides), task) == 0
    return found[0]


def of(plan: Plan, kind: str) -> dict[str, Artifact]:
    """By label."""
    return {one.label: one for one in plan.artifacts.values() if one.kind == kind}


def test_a_mixture_is_made_from_the_pools_that_its_parts_have_alone(tmp_path: Path) -> None:
    mixed = of(planned(tmp_path, *MIXTURE, "amount=6"), "pool")
    alone = of(planned(tmp_path, "strategy=queries,responses", "strategy.rows=32", "amount=6"), "pool")
    assert mixed.keys() == {"mixture", "queries", "responses"}
    assert alone.items() <= mixed.items()
    assert dict(mixed["mixture"].inputs) == {f"part {name}": pool.key for name, pool in alone.items()}


def test_other_weights_are_other_subsets(tmp_path: Path) -> None:
    two_to_one = of(planned(tmp_path, *MIXTURE, "amount=6"), "checkpoint")
    even = of(planned(tmp_path, *MIXTURE, "strategy.weights.queries=1", "amount=6"), "checkpoint")
    [one], [other] = two_to_one.values(), even.values()
    assert one.spec["subset"]["weights"] == {"queries": 2, "responses": 1}
    assert one.key != other.key


@pytest.mark.parametrize(("rows", "most"), [(32, 48), (10, 31)])
def test_an_amount_above_what_a_mixture_can_hold_is_refused(tmp_path: Path, rows: int, most: int) -> None:
    short = (*MIXTURE, f"strategy.parts.responses.rows={rows}")
    planned(tmp_path, *short, f"amount={most}")
    with pytest.raises(Refused, match=f"strategy 'mixture' offers: it has {most} examples"):
        planned(tmp_path, *short, f"amount={most + 1}")


def test_every_part_has_a_weight(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="a weight for each part and no other: parts queries, responses"):
        planned(tmp_path, *MIXTURE, "+strategy.weights.other=1", "amount=6")


def test_what_is_sampled_is_the_checkpoint_of_the_seed_problems(tmp_path: Path) -> None:
    plan = planned(tmp_path, "strategy=rejection", "amount=6", "seed=0,1")
    seeds = planned(tmp_path, "strategy=seed", "amount=12")
    [pool] = [one for one in of(plan, "pool").values() if one.inputs]
    answers = plan.artifacts[pool.inputs["completions"]]
    assert answers.spec["sampling"] == {"n": 8, "temperature": 0.7, "top_p": 1.0, "seed": 0}
    assert answers.inputs["weights"] == seeds.cells[0].checkpoint
    assert {cell.pool for cell in plan.cells} == {pool.key}
    order = [one.key for one in inputs_first(plan.artifacts.values())]
    assert len(order) == len(plan.artifacts)
    for one in plan.artifacts.values():
        assert all(order.index(key) < order.index(one.key) for key in one.inputs.values())


def test_another_recipe_samples_another_checkpoint(tmp_path: Path) -> None:
    plan = planned(tmp_path, "strategy=rejection", "amount=6", "train.learning_rate=1e-3,1e-4")
    assert len({cell.pool for cell in plan.cells}) == 2


def test_a_share_of_what_nobody_has_sampled_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"amount=0\.5 is a share of a pool that strategy 'rejection' has yet"):
        planned(tmp_path, "strategy=rejection", "amount=0.5")
    with pytest.raises(Refused, match="it has 96 examples"):  # 8 answers to each of 12 problems
        planned(tmp_path, "strategy=rejection", "amount=97")


def test_a_recipe_that_knows_no_new_setting_keeps_its_key(tmp_path: Path) -> None:
    pool = of(planned(tmp_path, "strategy=queries", "strategy.rows=32", "amount=6"), "pool")["queries"]
    assert "paths" not in pool.spec["strategy"]
    several = planned(tmp_path, "strategy=queries_responses", "strategy.rows=32", "amount=6")
    assert of(several, "pool")["queries_responses"].spec["strategy"]["paths"] == 4
