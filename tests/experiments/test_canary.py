"""Which weights an engine answers with, told by known tokens; and what a folder of weights must hold."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from experiments.inference import engines
from experiments.inference.canary import evidence, known_rows
from experiments.inference.engine import Pair
from experiments.inference.engines import Wish, engine_for
from experiments.inference.held import Held
from experiments.inference.reference import Transformers
from experiments.inference.weights import read_weights
from experiments.pretrained import read_tokenizer
from orchestrator.refusal import Refused
from orchestrator.settings import Inference
from tests.experiments.checkpoints import write_adapters, write_checkpoint


class Engine:
    """Plain transformers in the place of an engine that swaps, or only claims to."""

    release = "an engine of this test"

    def __init__(self, wish: Wish, folder: Path) -> None:
        self.tokenizer = wish.tokenizer
        self.swaps = True
        self.ended = False
        self.off = 0.0  # nats, wherever it is asked
        self._load(folder)

    def _load(self, folder: Path) -> None:
        self._model = Transformers(read_weights(folder, None), self.tokenizer, "float32")

    def swap(self, folder: Path) -> None:
        if self.swaps:
            self._load(folder)

    def log_probabilities(self, pairs: Sequence[Pair], tick: Any) -> list[list[float]]:
        rows = self._model.log_probabilities(pairs, tick)
        return [[one + self.off for one in row] for row in rows]

    def end(self) -> None:
        self.ended = True


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return [write_checkpoint(folder / str(seed), seed) for seed in range(2)]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Engine]:
    """The engines that were started; only how is replaced."""
    found: list[Engine] = []

    def start(wish: Wish, folder: Path) -> Engine:
        found.append(Engine(wish, folder))
        return found[-1]

    monkeypatch.setattr(engines, "_started", start)
    return found


def asked(folder: Path, held: Held, context: int = 64, base: Path | None = None) -> Mapping[str, Any]:
    """The proof that these weights answer."""
    weights, tokenizer = read_weights(folder, base), read_tokenizer(folder)
    wish = Wish(weights, tokenizer, "vllm", "float32", context, Inference())
    return engine_for(wish, held, folder.parent / "scratch")[1]


def nearly(folder: Path, into: Path, factor: float) -> Path:
    """The same checkpoint with its last norm a little off."""
    shutil.copytree(folder, into)
    tensors = load_file(into / "model.safetensors")
    tensors["model.norm.weight"] *= factor
    save_file(tensors, into / "model.safetensors", metadata={"format": "pt"})
    return into


def test_one_engine_takes_the_weights_of_each_checkpoint(folders: list[Path], started: list[Engine]) -> None:
    held = Held()
    proofs = [asked(folder, held) for folder in (*folders, folders[0], folders[0])]
    assert len(started) == 1
    assert [proof["proof"] for proof in proofs] == ["fresh engine", *["swapped in"] * 3]
    assert proofs[2] is proofs[3]  # the same weights are there already
    digest = hashlib.sha256((folders[1] / "model.safetensors").read_bytes()).hexdigest()
    assert proofs[1]["sha256"] == {"model.safetensors": digest}


def test_a_swap_that_leaves_the_old_weights_costs_the_engine(
    folders: list[Path], started: list[Engine]
) -> None:
    held = Held()
    asked(folders[0], held)
    started[0].swaps = False
    proof = asked(folders[1], held)
    assert (len(started), started[0].ended, started[1].ended) == (2, True, False)
    assert proof["proof"] == "fresh engine"
    assert "log-probabilities are off by" in proof["swap_failed"]


def test_a_swap_that_breaks_costs_the_engine(folders: list[Path], started: list[Engine]) -> None:
    held = Held()
    asked(folders[0], held)

    def broken(folder: Path) -> None:
        raise RuntimeError("the prefix cache was not reset")

    started[0].swap = broken  # type: ignore[method-assign]
    proof = asked(folders[1], held)
    assert [engine.ended for engine in started] == [True, False]
    assert proof["swap_failed"] == "RuntimeError: the prefix cache was not reset"


def test_an_engine_that_does_not_even_end_well_is_forgotten(
    folders: list[Path], started: list[Engine], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("already dead")

    held = Held()
    asked(folders[0], held)
    started[0].end = broken  # type: ignore[method-assign]
    held.end()
    assert held.alive is None
    assert "the engine did not end well: already dead" in caplog.text
    assert asked(folders[0], held)["proof"] == "fresh engine"


@pytest.mark.parametrize("swaps", [True, False])
def test_checkpoints_too_alike_to_tell_apart_are_never_swapped(
    folders: list[Path], started: list[Engine], tmp_path: Path, swaps: bool
) -> None:
    held = Held()
    asked(folders[0], held)
    started[0].swaps = swaps
    proof = asked(nearly(folders[0], tmp_path / "alike", 1.00001), held)
    assert len(started) == 2
    assert "too little to tell a swap by" in proof["swap_failed"]


def test_an_engine_of_another_shape_is_started_anew(folders: list[Path], started: list[Engine]) -> None:
    held = Held()
    asked(folders[0], held)
    assert asked(folders[0], held, context=32)["swap_failed"] is None
    assert [engine.ended for engine in started] == [True, False]


def test_other_numbers_than_the_reference_has_are_refused(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_started", lambda wish, folder: off(Engine(wish, folder)))
    held = Held()
    with pytest.raises(Refused, match=r"off by 0\.002 nats, and 0\.001 are allowed; choose evaluate.engine"):
        asked(folders[0], held)
    assert held.alive is None


def off(engine: Engine) -> Engine:
    engine.off = 0.002
    return engine


def test_adapters_answer_with_their_base_and_where_they_do_not_that_is_refused(
    folders: list[Path], started: list[Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters = write_adapters(folders[0], tmp_path / "adapters")
    held = Held()
    plain = asked(folders[0], held)
    proof = asked(adapters, held, base=folders[0])
    assert proof["proof"] == "swapped in"
    assert proof["sha256"].keys() == {"adapter_model.safetensors", "model.safetensors"}
    assert proof["sha256"].items() > plain["sha256"].items()
    assert not list((tmp_path / "scratch").iterdir())
    # An engine that is given the base without its adapters, and says nothing of it.
    monkeypatch.setattr(engines, "_readable", lambda wish, *_: nullcontext(wish.weights.base))
    with pytest.raises(Refused, match="computes other numbers than transformers"):
        asked(adapters, Held(), base=folders[0])
    with pytest.raises(Refused, match="holds adapters, which need the base"):
        asked(adapters, Held())


def test_what_is_not_a_number_convinces_nobody(folders: list[Path]) -> None:
    tokenizer = read_tokenizer(folders[0])
    engine = Transformers(read_weights(folders[0], None), tokenizer, "float32")
    rows = known_rows(len(tokenizer), tokenizer.all_special_ids, 64)
    wanted = engine.log_probabilities(rows, lambda: None)
    assert evidence(wanted, wanted, None, "float32").convinces
    broken = [[float("nan"), *row[1:]] for row in wanted]
    assert not evidence(broken, wanted, None, "float32").convinces


@given(st.integers(6, 300), st.sets(st.integers(0, 5), max_size=5), st.integers(2, 400))
def test_known_tokens_are_always_the_same_plain_and_fit(size: int, special: set[int], context: int) -> None:
    rows = known_rows(size, list(special), context)
    assert rows == known_rows(size, list(special), context)
    for prompt, reference in rows:
        assert len(prompt) == 1
        assert 1 <= len(reference) < context
        assert set(prompt + reference) <= set(range(size)) - special


def test_weights_are_those_of_the_manifest_or_refused(folders: list[Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders[0], tmp_path / "made")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    manifest = {"key": "k", "files": {"model.safetensors": {"sha256": digest, "bytes": 1}}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert read_weights(folder, None).files == {"model.safetensors": digest}
    shutil.copy(folders[1] / "model.safetensors", folder)
    with pytest.raises(Refused, match=rf"its digest is \w+ and was {digest[:12]}"):
        read_weights(folder, None)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("config.json", r"as it has no config\.json"),
        ("tokenizer", "has no tokenizer that can be read"),
        ("model.safetensors", r"has neither model\.safetensors"),
    ],
)
def test_a_folder_that_lacks_something_is_refused(
    folders: list[Path], tmp_path: Path, name: str, sentence: str
) -> None:
    folder = shutil.copytree(folders[0], tmp_path / "made")
    for path in folder.glob(f"{name}*"):
        path.unlink()
    with pytest.raises(Refused, match=sentence):
        read_tokenizer(read_weights(folder, None).folder)


def test_weights_that_are_missing_or_of_another_shape_are_refused(
    folders: list[Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[0], tmp_path / "made")
    tensors = load_file(folder / "model.safetensors")
    norm = tensors.pop("model.norm.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Refused, match=r"has no model\.norm\.weight"):
        Transformers(read_weights(folder, None), read_tokenizer(folder), "float32")
    save_file({**tensors, "model.norm.weight": norm[:-1]}, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refused, match=r"of other shapes .* says: .*model\.norm\.weight"):
        Transformers(read_weights(folder, None), read_tokenizer(folder), "float32")


def test_weights_of_one_architecture_are_told_from_those_of_another(
    folders: list[Path], tmp_path: Path
) -> None:
    one, same = (read_weights(folder, None) for folder in folders)
    assert (one.architecture, one.sha256 == same.sha256) == (same.architecture, False)
    config = json.loads((folders[0] / "config.json").read_text())
    folder = shutil.copytree(folders[0], tmp_path / "saved by another release")
    (folder / "config.json").write_text(json.dumps({**config, "transformers_version": "5.0.0"}))
    assert read_weights(folder, None).architecture == one.architecture
    (folder / "config.json").write_text(json.dumps({**config, "rope_theta": 5e5}))
    assert read_weights(folder, None).architecture != one.architecture
