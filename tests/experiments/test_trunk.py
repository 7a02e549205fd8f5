"""A trunk and its cooldowns against trainings of the same schedule that share nothing."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from experiments.batches import Example, ShuffledBatches
from experiments.course import MEASURED, OF_THE_RUN
from experiments.nested import NestedBatches
from experiments.plateau import Plateau
from experiments.resume import Resumption
from experiments.trunk import make_trunk
from orchestrator.refusal import Refused
from orchestrator.trunks import of_trunk
from tests.experiments.interrupting import AfterLooks, DeathAfterLooks, interrupted
from tests.experiments.training import SUBSET, beside, checkpoint_spec, made, quiet

TRUNK = {"warmup_steps": 1, "cooldown_share": 0.25, "cooldown": "sqrt"}
AMOUNTS = (12, 18, 32)  # 18: its last batch is not full


def spec_of(amount: int, **changes: Any) -> dict[str, Any]:
    one_pass = {"budget": {"unit": "epochs", "value": 1.0}, "warmup_share": 0.0, "trunk": TRUNK}
    return {**checkpoint_spec(**one_pass, **changes), "subset": {**SUBSET, "n": amount}}


def grow(
    inputs: dict[str, Path], spec: dict[str, Any], into: Path, resumption: Resumption | None = None
) -> dict[str, Any]:
    into.mkdir(exist_ok=True)
    return make_trunk(of_trunk(spec), inputs, into, quiet, resumption or beside(into))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MEASURED}


def state_in(trunk: Path) -> dict[str, bytes]:
    (path,) = trunk.glob("*.safetensors")
    measured = {f"course.{name}" for name in OF_THE_RUN}
    tensors = load_file(path).items()
    return {name: tensor.numpy().tobytes() for name, tensor in tensors if name not in measured}


@pytest.mark.slow
def test_cooldowns_of_one_trunk_are_bit_for_bit_the_trainings_that_share_nothing(
    inputs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = inputs
    taken_over = []
    for amount in AMOUNTS:
        alone, trunk, branch = (tmp_path / f"{name}{amount}" for name in ("alone", "trunk", "branch"))
        made(inputs, alone, spec_of(amount))
        caplog.clear()
        grow(given, spec_of(amount), trunk)
        given = {**inputs, "trunk": trunk}
        made(given, branch, spec_of(amount))
        taken_over += [record.message for record in caplog.records]
        assert bytes_of(branch) == bytes_of(alone)
    # Nothing was trained twice: each went on where the one before stood.
    assert taken_over == [
        "goes on after step 2 of 3",
        "goes on after step 2 of 4",
        "goes on after step 4 of 5",
        "goes on after step 4 of 6",
        "goes on after step 6 of 8",
    ]


def test_another_cooldown_goes_on_from_the_same_trunk(inputs: dict[str, Path], tmp_path: Path) -> None:
    other = spec_of(18, final_rate_share=0.0)
    other["train"]["trunk"] = {**TRUNK, "cooldown": "linear"}
    assert of_trunk(other) == of_trunk(spec_of(18))
    grow(inputs, spec_of(18), tmp_path / "trunk")
    made({**inputs, "trunk": tmp_path / "trunk"}, tmp_path / "branch", other)
    made(inputs, tmp_path / "alone", other)
    assert bytes_of(tmp_path / "branch") == bytes_of(tmp_path / "alone")


def test_a_trunk_that_is_interrupted_again_and_again_is_the_same_trunk(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    grow(inputs, spec_of(32), tmp_path / "whole")

    def make(into: Path, resumption: Resumption) -> dict[str, Any]:
        return grow(inputs, spec_of(32), into, resumption)

    assert interrupted(make, tmp_path, [(AfterLooks, 1), (AfterLooks, 2), (DeathAfterLooks, 1)])
    assert state_in(tmp_path / "made") == state_in(tmp_path / "whole")


def test_a_trunk_of_another_recipe_is_passed_over_aloud_and_the_training_done_in_full(
    inputs: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grow(inputs, spec_of(18, learning_rate=1e-4), tmp_path / "trunk")
    made({**inputs, "trunk": tmp_path / "trunk"}, tmp_path / "branch", spec_of(18))
    made(inputs, tmp_path / "alone", spec_of(18))
    assert bytes_of(tmp_path / "branch") == bytes_of(tmp_path / "alone")
    assert "belongs to another artifact" in caplog.text


def test_rows_without_room_for_a_cooldown_are_refused(inputs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"4 rows are 1 steps .* no room for 1 of cooldown"):
        made(inputs, tmp_path / "made", spec_of(4))


@given(st.lists(st.integers(2, 9), min_size=1, max_size=40), st.integers(1, 7), st.integers(0, 39))
def test_batches_of_a_smaller_amount_are_the_first_of_a_larger_one(
    lengths: list[int], size: int, n_fewer: int
) -> None:
    examples = [Example(tuple(range(length)), 1) for length in lengths]
    fewer = examples[: max(len(examples) - n_fewer, 1)]
    larger, smaller = (list(NestedBatches(rows, size, examples, 1, 3)) for rows in (examples, fewer))
    n_full = len(fewer) // size
    assert [b.tokens.tolist() for b in smaller[:n_full]] == [b.tokens.tolist() for b in larger[:n_full]]
    assert len(smaller) == -(-len(fewer) // size)


def test_a_place_in_nested_batches_is_found_again() -> None:
    examples = [Example((1, 2, number), 1) for number in range(20)]

    def rest(batches: Iterable[Any]) -> list[Any]:
        return [batch.tokens.tolist() for batch in batches]

    whole = NestedBatches(examples, 3, examples, 2, 0)
    for _ in range(4):
        next(whole)
    again: ShuffledBatches = NestedBatches(examples, 3, examples, 2, 0)
    again.seek(4)
    assert again.random_state() == whole.random_state()
    assert rest(again) == rest(whole)


@given(
    st.integers(0, 50),
    st.integers(1, 50),
    st.integers(1, 50),
    st.sampled_from(["linear", "sqrt", "cosine"]),
    st.floats(0.0, 1.0),
)
def test_a_plateau_rises_stays_and_falls_to_its_end(
    n_warmup: int, n_constant: int, n_cooldown: int, shape: Any, final: float
) -> None:
    begins = n_warmup + n_constant
    plateau = Plateau(n_warmup, begins, n_cooldown, shape)
    shares = [plateau.share(step, final) for step in range(1, begins + n_cooldown + 1)]
    assert shares[:n_warmup] == sorted(shares[:n_warmup])
    assert set(shares[n_warmup:begins]) == {1.0}
    assert shares[begins:] == sorted(shares[begins:], reverse=True)
    assert shares[-1] == pytest.approx(final, abs=1e-12)
    # How long the training is shows in nothing before its cooldown.
    longer = Plateau(n_warmup, begins + 7, n_cooldown + 3, shape)
    assert [longer.share(step, final) for step in range(1, begins + 1)] == shares[:begins]
