"""However often a training is interrupted, and wherever, it ends as if nobody had touched it."""

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import state
from experiments.loop import NotFiniteError
from experiments.resume import Paused, Resumption
from tests.experiments.interrupting import AfterLooks, DeathAfterLooks, interrupted, same_files
from tests.experiments.training import base_spec, checkpoint_spec, made, made_base

pytestmark = pytest.mark.slow

N_STEPS = 8
ALWAYS = 1e-9  # seconds between saves: as often as their share of the time allows
Interruptions = list[tuple[type[AfterLooks], int]]
anywhere = st.tuples(st.sampled_from([AfterLooks, DeathAfterLooks]), st.integers(0, N_STEPS - 1))


@pytest.fixture(scope="session")
def undisturbed(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("undisturbed") / "made"
    made(inputs, into, checkpoint_spec())
    return into


@given(st.lists(anywhere, min_size=1, max_size=4), st.sampled_from([ALWAYS, 60.0]))
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_training_interrupted_anywhere_ends_with_the_same_bytes(
    inputs: dict[str, Path], undisturbed: Path, interruptions: Interruptions, save_every: float
) -> None:
    def make(into: Path, resumption: Resumption) -> dict[str, Any]:
        return made(inputs, into, checkpoint_spec(), resumption)

    with tempfile.TemporaryDirectory() as name:
        summary = interrupted(make, Path(name), interruptions, save_every)
        if summary is not None:
            assert summary["n_steps"] == N_STEPS
            assert same_files(Path(name) / "made", undisturbed)


@pytest.mark.parametrize("step", [0, 1, N_STEPS - 1])
def test_a_pause_says_where_it_stopped_and_the_next_maker_goes_on_there(
    inputs: dict[str, Path], tmp_path: Path, step: int
) -> None:
    folder = tmp_path / "state"
    with pytest.raises(Paused, match=f"^step {step} of {N_STEPS}$"):
        made(inputs, tmp_path / "one", checkpoint_spec(), Resumption(folder, 60.0, AfterLooks(step)))
    looks = AfterLooks(100)
    made(inputs, tmp_path / "other", checkpoint_spec(), Resumption(folder, 60.0, looks))
    assert 100 - looks.left == N_STEPS - step


def test_pretraining_resumes_as_fine_tuning_does(tmp_path: Path, inputs: dict[str, Path]) -> None:
    def make(into: Path, resumption: Resumption) -> dict[str, Any]:
        return made_base({}, into, base_spec(), resumption)

    assert interrupted(make, tmp_path, [(AfterLooks, 5), (DeathAfterLooks, 7), (AfterLooks, 3)], ALWAYS)
    assert same_files(tmp_path / "made", inputs["base"])


def test_a_training_that_nobody_interrupts_writes_no_state(inputs: dict[str, Path], tmp_path: Path) -> None:
    made(inputs, tmp_path / "made", checkpoint_spec(), Resumption(tmp_path / "state", 60.0))
    assert not (tmp_path / "state").exists()


def test_two_states_are_kept_and_what_dead_makers_left_is_not(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / ".1.safetensors.4711.0123abcd").write_bytes(b"half of a st")
    for number in range(3):
        with pytest.raises(Paused):
            made(inputs, tmp_path / str(number), checkpoint_spec(), Resumption(folder, 60.0, AfterLooks(2)))
    assert {path.name for path in folder.iterdir()} == {
        f"{step}{suffix}" for step in (4, 6) for suffix in (".json", ".safetensors")
    }


def test_a_loss_that_is_not_finite_stops_a_resumed_training_too(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    spec = checkpoint_spec(learning_rate=1e30, clip=1e30)
    with pytest.raises(Paused):
        made(inputs, tmp_path / "one", spec, Resumption(tmp_path / "state", 60.0, AfterLooks(1)))
    with pytest.raises(NotFiniteError, match="loss not finite"):
        made(inputs, tmp_path / "other", spec, Resumption(tmp_path / "state", 60.0))


def test_saving_takes_a_small_share_of_the_time_however_slow_the_disk(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "flush", lambda path: time.sleep(0.5))
    made(inputs, tmp_path / "made", checkpoint_spec(), Resumption(tmp_path / "state", ALWAYS))
    assert {path.stem for path in (tmp_path / "state").iterdir()} == {"1"}  # the next one is due in 20 s


def test_random_numbers_go_on_where_the_paused_training_left_them(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    """No training draws from torch's generator yet, so its end shows it as it was at the pause."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        torch.rand(3)
        with pytest.raises(Paused):
            made(
                inputs,
                tmp_path / "one",
                checkpoint_spec(),
                Resumption(tmp_path / "state", 60.0, AfterLooks(3)),
            )
        at_the_pause = torch.get_rng_state()
        torch.manual_seed(2)
        made(inputs, tmp_path / "other", checkpoint_spec(), Resumption(tmp_path / "state", 60.0))
        assert torch.equal(torch.get_rng_state(), at_the_pause)
