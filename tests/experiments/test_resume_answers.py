"""However often answering is interrupted, the completions are the same bytes."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import shards
from experiments.generate import Generation
from experiments.inference.held import Held
from experiments.resume import Paused, Resumption
from tests.experiments.interrupting import AfterLooks, DeathAfterLooks, Died, interrupted, same_files
from tests.experiments.training import MODEL, beside, quiet, source

pytestmark = pytest.mark.slow

N_ITEMS, N_BATCHES = 320, 13  # three batches of answers, ten of likelihoods
SPEC: dict[str, Any] = {
    "version": 1,
    "source": source("test", N_ITEMS).model_dump(),
    "prompt": MODEL["prompt"],
    "max_new_tokens": 4,
    "likelihood": True,
    "engine": "transformers",
    "dtype": "float32",
    "context": 64,
}
Interruptions = list[tuple[type[AfterLooks], int]]
anywhere = st.tuples(st.sampled_from([AfterLooks, DeathAfterLooks]), st.integers(0, N_BATCHES - 1))


def answer(base: Path, into: Path, resumption: Resumption) -> dict[str, Any]:
    into.mkdir()
    return Generation(Held(), {}).make(SPEC, {"weights": base}, into, quiet, {}, resumption)


@pytest.fixture(scope="module")
def undisturbed(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("answers") / "made"
    answer(inputs["base"], into, beside(into))
    return into


@given(st.lists(anywhere, min_size=1, max_size=3), st.sampled_from([0.0, 60.0]))
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answers_interrupted_anywhere_are_the_same_bytes(
    inputs: dict[str, Path], undisturbed: Path, interruptions: Interruptions, save_every: float
) -> None:
    def make(into: Path, resumption: Resumption) -> dict[str, Any]:
        return answer(inputs["base"], into, resumption)

    with tempfile.TemporaryDirectory() as name:
        if interrupted(make, Path(name), interruptions, save_every) is not None:
            assert same_files(Path(name) / "made", undisturbed)


def test_a_death_loses_no_more_than_the_shard_in_hand(inputs: dict[str, Path], tmp_path: Path) -> None:
    state = tmp_path / "state"
    for number in range(2):  # each dies over its third batch
        with pytest.raises(Died):
            answer(inputs["base"], tmp_path / str(number), Resumption(state, 0.0, DeathAfterLooks(2)))
    looks = AfterLooks(100)
    answer(inputs["base"], tmp_path / "made", Resumption(state, 0.0, looks))
    assert 100 - looks.left == N_BATCHES - 2 * 2


def test_a_shard_is_saved_when_it_is_full_however_long_that_took(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "LARGEST", 300)
    state = tmp_path / "state"
    with pytest.raises(Died):  # over its third batch, when the first two, of 150, were saved together
        answer(inputs["base"], tmp_path / "one", Resumption(state, 3600.0, DeathAfterLooks(2)))
    looks = AfterLooks(100)
    answer(inputs["base"], tmp_path / "made", Resumption(state, 3600.0, looks))
    assert 100 - looks.left == N_BATCHES - 2


def test_a_damaged_shard_is_answered_again(
    inputs: dict[str, Path], undisturbed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    with pytest.raises(Paused, match=r"^reference 64 of 320$"):
        answer(inputs["base"], tmp_path / "one", Resumption(state, 0.0, AfterLooks(4)))
    damaged = sorted(state.glob("*/*.json"))
    assert len(damaged) == 5
    for path in damaged[::2]:
        path.write_bytes(path.read_bytes()[:-20])
    answer(inputs["base"], tmp_path / "other", Resumption(state, 0.0))
    assert same_files(tmp_path / "other", undisturbed)
    assert caplog.text.count("is not resumed from: it is damaged") == 3


def test_answering_goes_on_where_the_disk_is_full_and_says_so_once(
    inputs: dict[str, Path],
    undisturbed: Path,
    full_disk: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer(inputs["base"], tmp_path / "made", Resumption(full_disk, 0.0))
    assert same_files(tmp_path / "made", undisturbed)
    for what in ("answers", "likelihoods"):
        assert caplog.text.count(f"the {what} cannot be saved") == 1
    assert "No space left on device" in caplog.text
