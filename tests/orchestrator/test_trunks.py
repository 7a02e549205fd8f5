"""What a plan makes of recipes with a trunk."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator import check, compose, packing, study, trunks
from orchestrator.cell import Cell
from orchestrator.identity import Artifact, digest, key_of
from orchestrator.refusal import Refused
from tests.tiny import OVERRIDES, RESOURCES

RECIPE: dict[str, Any] = {
    "batch_size": 4,
    "rehearsal": 0,
    "final_rate_share": 0.0,
    "trunk": {"warmup_steps": 1, "cooldown_share": 0.2, "cooldown": "linear"},
}
BASE = Artifact("base", "base", {}, {})
POOL = Artifact("pool", "pool", {}, {})


def a_checkpoint(n: int, seed: int = 0, subset_seed: int = 0, **recipe: Any) -> Artifact:
    subset = {"n": n, "unit": "examples", "order": "breadth", "seed": subset_seed}
    spec = {"train": {**RECIPE, **recipe}, "train_seed": seed, "subset": subset}
    inputs = {"base": "base", "pool": "pool"}
    return Artifact("checkpoint", key_of("checkpoint", digest(spec), inputs), spec, inputs, {}, f"of {n}")


def grown(*checkpoints: Artifact) -> dict[str, Artifact]:
    return trunks.grown({artifact.key: artifact for artifact in (BASE, POOL, *checkpoints)})


def the_trunks(artifacts: dict[str, Artifact]) -> list[Artifact]:
    found = [artifact for artifact in artifacts.values() if artifact.kind == "trunk"]
    return sorted(found, key=lambda trunk: trunk.spec["subset"]["n"])


def test_each_trunk_goes_on_from_the_one_before_and_each_checkpoint_from_its_own() -> None:
    checkpoints = [a_checkpoint(n) for n in (64, 16, 32)]
    artifacts = grown(*checkpoints)
    smallest, middle, largest = the_trunks(artifacts)
    assert "trunk" not in smallest.inputs
    assert (middle.inputs["trunk"], largest.inputs["trunk"]) == (smallest.key, middle.key)
    for checkpoint, trunk in zip(checkpoints, (largest, smallest, middle), strict=True):
        assert artifacts[checkpoint.key].inputs == {**checkpoint.inputs, "trunk": trunk.key}
        assert artifacts[checkpoint.key].spec == checkpoint.spec


def test_an_amount_that_comes_in_between_changes_no_key() -> None:
    few, more = grown(a_checkpoint(16), a_checkpoint(64)), grown(*map(a_checkpoint, (16, 32, 64)))
    assert few.keys() < more.keys()


def test_another_shape_of_cooldown_shares_the_trunk_and_another_length_does_not() -> None:
    of_all = grown(
        a_checkpoint(16),
        a_checkpoint(16, trunk={**RECIPE["trunk"], "cooldown": "sqrt"}),
        a_checkpoint(16, trunk={**RECIPE["trunk"], "cooldown_share": 0.5}),
    )
    assert len(the_trunks(of_all)) == 2


def test_other_seeds_and_what_shall_not_be_shared_have_trunks_of_their_own_or_none() -> None:
    alone = {**RECIPE["trunk"], "shared": False}
    assert len(the_trunks(grown(a_checkpoint(16), a_checkpoint(16, subset_seed=1)))) == 2
    assert the_trunks(grown(a_checkpoint(16, trunk=alone), a_checkpoint(32, trunk=alone))) == []


def test_training_seeds_that_change_nothing_are_refused() -> None:
    with pytest.raises(Refused, match="train_seed=0,1 would change nothing"):
        grown(a_checkpoint(16, seed=0), a_checkpoint(16, seed=1))
    assert the_trunks(grown(a_checkpoint(16, seed=0), a_checkpoint(16, seed=1, subset_seed=1)))
    # What is rehearsed, and adapters, are drawn.
    for draws in ({"rehearsal": 1}, {"lora": {"rank": 2}}):
        assert (
            len(the_trunks(grown(a_checkpoint(16, seed=0, **draws), a_checkpoint(16, seed=1, **draws)))) == 2
        )


def test_training_seeds_draw_the_dropout_of_a_model_that_has_one() -> None:
    drops = replace(BASE, places={"digest": {"dropout": True}})
    several = {one.key: one for one in (drops, POOL, a_checkpoint(16, seed=0), a_checkpoint(16, seed=1))}
    assert len(the_trunks(trunks.grown(several))) == 2


def test_a_chain_is_one_job_that_makes_its_trunks_in_turn() -> None:
    to_make = grown(*map(a_checkpoint, (64, 16, 32)))
    units = packing.units(to_make, lambda artifact: RESOURCES, lambda artifact: 1.0)
    (chain,) = [unit for unit in units if unit.wave]
    assert [(artifact.kind, artifact.label) for artifact in chain.artifacts] == [
        (kind, f"of {n}") for n in (16, 32, 64) for kind in ("trunk", "checkpoint")
    ]


def cell(*overrides: str) -> Cell:
    found: list[Cell] = []

    def task(grid: compose.Grid) -> int:
        found.extend(cell for _, cell in check.cells(grid.points))
        return 0

    # Without the last of them, which is of another recipe.
    assert compose.run([*OVERRIDES[:-1], "amount=64", "train=mini_trunk", *overrides], task) == 0
    return found[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.budget.value=3.0", "budget of 3 epochs"),
        ("train.budget.unit=steps", "budget of 1 steps"),
        ("train.warmup_share=0.05", r"train\.warmup_share=0\.05"),
        ("train.trunk.warmup_steps=14", "64 rows are 16 steps .* no room for 3 of cooldown"),
    ],
)
def test_what_has_no_trunk_is_refused_with_the_reason(override: str, sentence: str) -> None:
    trunks.refuse(cell(), 64)
    with pytest.raises(Refused, match=sentence):
        trunks.refuse(cell(override), 64)


def test_a_cell_is_made_from_all_the_trunks_before_its_own() -> None:
    artifacts = grown(*map(a_checkpoint, (16, 32, 64)))
    middle = a_checkpoint(32).key
    answers = Artifact("completions", "answers", {}, {"weights": middle})
    record = Artifact("record", "record", {}, {"completions": "answers"})
    cell = {"artifacts": {"record": {"test": "record"}}}
    made_from = study.makings(cell, {**artifacts, "answers": answers, "record": record})
    assert sorted((made.kind, made.label) for made in made_from if made.kind in ("trunk", "checkpoint")) == [
        ("checkpoint", "of 32"),
        ("trunk", "of 16"),
        ("trunk", "of 32"),
    ]
    assert made_from[-1] is record
