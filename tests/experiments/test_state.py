"""A state that is damaged, incomplete or somebody else's is passed over, aloud; a full disk stops nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from experiments import state as states
from experiments.resume import Paused, Resumption
from experiments.state import State, States, identity
from tests.experiments.interrupting import AfterLooks, same_files
from tests.experiments.training import SUBSET, checkpoint_spec, made

N_STEPS = 8


@pytest.fixture(scope="module")
def undisturbed(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("undisturbed") / "made"
    made(inputs, into, checkpoint_spec())
    return into


@pytest.fixture
def state(inputs: dict[str, Path], tmp_path: Path) -> Path:
    """A state after three steps, and one after five."""
    for number, looks in enumerate([3, 2]):
        resumption = Resumption(tmp_path / "state", 60.0, AfterLooks(looks))
        with pytest.raises(Paused):
            made(inputs, tmp_path / f"paused-{number}", checkpoint_spec(), resumption)
    return tmp_path / "state"


def n_steps_done_again(inputs: dict[str, Path], into: Path, state: Path, **spec: Any) -> int:
    looks = AfterLooks(100)
    made(inputs, into, {**checkpoint_spec(), **spec}, Resumption(state, 60.0, looks))
    return 100 - looks.left


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", [cut, empty, flip, remove])
def test_the_state_before_a_damaged_one_is_used(
    inputs: dict[str, Path],
    undisturbed: Path,
    state: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    suffix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(state / f"5{suffix}")
    assert n_steps_done_again(inputs, tmp_path / "made", state) == N_STEPS - 3
    assert same_files(tmp_path / "made", undisturbed)
    if damage is not remove or suffix != ".json":  # without its last file a state was never there
        assert "5.json is not resumed from: it" in caplog.text


def test_a_state_whose_step_was_altered_is_damaged(
    inputs: dict[str, Path], undisturbed: Path, state: Path, tmp_path: Path
) -> None:
    """Well-formed, and from the same shuffle: only the digest tells."""
    path = state / "5.json"
    path.write_text(path.read_text().replace('"step": 5', '"step": 6'))
    assert n_steps_done_again(inputs, tmp_path / "made", state) == N_STEPS - 3
    assert same_files(tmp_path / "made", undisturbed)


def test_where_both_are_damaged_training_begins_again(
    inputs: dict[str, Path], undisturbed: Path, state: Path, tmp_path: Path
) -> None:
    flip(state / "5.json")
    flip(state / "3.safetensors")
    assert n_steps_done_again(inputs, tmp_path / "made", state) == N_STEPS
    assert same_files(tmp_path / "made", undisturbed)


@pytest.mark.parametrize(
    "piece", ["random.torch", "optimizer.3.exp_avg", "weights.model.norm.weight", "course.loss"]
)
def test_a_state_that_lacks_a_piece_is_not_resumed_from(
    inputs: dict[str, Path],
    undisturbed: Path,
    state: Path,
    tmp_path: Path,
    piece: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The piece is missing from a state that is otherwise as its writer left it."""
    write_again(state, inputs, lambda held: {name: held[name] for name in held if name != piece})
    assert n_steps_done_again(inputs, tmp_path / "made", state) == N_STEPS - 3
    assert same_files(tmp_path / "made", undisturbed)
    assert f"5.json is not resumed from: it has no {piece}" in caplog.text


def test_a_state_with_weights_of_another_shape_is_not_resumed_from(
    inputs: dict[str, Path], undisturbed: Path, state: Path, tmp_path: Path
) -> None:
    name = "weights.model.norm.weight"
    write_again(state, inputs, lambda held: {**held, name: torch.zeros(3)})
    assert n_steps_done_again(inputs, tmp_path / "made", state) == N_STEPS - 3
    assert same_files(tmp_path / "made", undisturbed)


def test_a_state_whose_data_would_go_on_elsewhere_is_not_resumed_from(
    inputs: dict[str, Path], undisturbed: Path, state: Path, tmp_path: Path
) -> None:
    write_again(state, inputs, lambda held: held, facts={"batches": {"bit_generator": "another"}})
    assert n_steps_done_again(inputs, tmp_path / "made", state) == N_STEPS - 3
    assert same_files(tmp_path / "made", undisturbed)


def write_again(
    folder: Path,
    inputs: dict[str, Path],
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    facts: dict[str, Any] | None = None,
) -> None:
    """Replace the state of step 5 by one that holds something else, with digests that are right."""
    document = json.loads((folder / "5.json").read_text())
    tensors = {name: tensor.clone() for name, tensor in load_file(folder / "5.safetensors").items()}
    made_from = identity("checkpoint", checkpoint_spec(), inputs)
    (folder / "aside").mkdir()
    States(folder / "aside", made_from).save(State(5, change(tensors), facts or document["content"]["facts"]))
    for path in (folder / "aside").iterdir():
        path.replace(folder / path.name)
    (folder / "aside").rmdir()


@pytest.mark.parametrize(
    "other",
    [{"train_seed": 1}, {"version": 2}, {"subset": {**SUBSET, "n": 15}}],
    ids=lambda spec: str(list(spec)),
)
def test_a_state_of_another_spec_is_ignored(
    inputs: dict[str, Path],
    state: Path,
    tmp_path: Path,
    other: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert n_steps_done_again(inputs, tmp_path / "made", state, **other) == N_STEPS
    assert "it belongs to another artifact" in caplog.text


def test_the_key_of_an_input_and_the_libraries_are_part_of_whose_state_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {identity("checkpoint", {}, {"base": tmp_path}), identity("base", {}, {"base": tmp_path})}
    for key in ("a", "b"):
        (tmp_path / "manifest.json").write_text(json.dumps({"key": key}))
        found.add(identity("checkpoint", {}, {"base": tmp_path}))
    monkeypatch.setattr(states.metadata, "version", lambda name: "another")
    found.add(identity("checkpoint", {}, {"base": tmp_path}))
    assert len(found) == 5


def test_training_goes_on_where_the_disk_is_full_and_says_so_once(
    inputs: dict[str, Path],
    undisturbed: Path,
    full_disk: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made(inputs, tmp_path / "made", checkpoint_spec(), Resumption(full_disk / "state", 1e-9))
    assert same_files(tmp_path / "made", undisturbed)
    assert caplog.text.count("training goes on, but cannot be saved") == 1
    assert "No space left on device" in caplog.text
    assert not list((full_disk / "state").iterdir())


def test_a_pause_that_finds_the_disk_full_says_what_it_loses(
    inputs: dict[str, Path], full_disk: Path, tmp_path: Path
) -> None:
    with pytest.raises(Paused, match=r"^step 3 of 8, saved at step 0$"):
        made(inputs, tmp_path / "made", checkpoint_spec(), Resumption(full_disk, 60.0, AfterLooks(3)))
