"""Packed rows give what padded ones do: the same logits, the same training, nothing seen of a neighbour."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from experiments import learner as learners
from experiments import model as models
from experiments import pretrained
from experiments.batches import Batch, Example, collate
from experiments.how import How
from experiments.packed import attention_for, check_apart, packed, positions
from experiments.resume import Resumption
from experiments.train import make_checkpoint
from orchestrator.refusal import Refused
from tests.experiments.fine_tuning import LORA, linked, spec, sums, trained
from tests.experiments.interrupting import AfterLooks, DeathAfterLooks, interrupted, same_files
from tests.experiments.tiny_models import CONFIGS, write_model
from tests.experiments.training import beside, checkpoint_spec, quiet

KINDS = sorted(CONFIGS)
PADDED, PACKED = How(), How(layout="packed")
Predict = Callable[[Batch], torch.Tensor]


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("hub")
    return {kind: linked(write_model(place / kind, kind), place / f"{kind}.base") for kind in KINDS}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sums(tmp_path_factory.mktemp("pool") / "pool")


def examples(*lengths: int) -> list[Example]:
    return [
        Example(tuple((7 * number + place) % 60 + 4 for place in range(length)), length // 3)
        for number, length in enumerate(lengths)
    ]


def both(base: Path, attention: str = "sdpa") -> tuple[Predict, Predict]:
    """How a model predicts padded batches and packed ones."""
    plain = learners.of_any(pretrained.load(base, "float32", attention), "float32")
    apart = learners.of_any(
        pretrained.load(base, "float32", attention_for(attention)), "float32", layout="packed"
    )
    for learner in (plain, apart):
        learner.model.eval()
    return plain.predict, apart.predict


@given(st.lists(st.integers(2, 30), min_size=1, max_size=9))
def test_a_packed_row_is_the_examples_in_turn_with_all_their_targets(lengths: list[int]) -> None:
    given_examples = examples(*lengths)
    row = packed(collate(given_examples))
    assert row.tokens[0].tolist() == [token for one in given_examples for token in one.tokens[:-1]]
    assert row.n_padding == 0
    told = row.tokens[0][row.answers].tolist()
    assert told == [token for one in given_examples for token in one.tokens[max(one.n_prompt, 1) - 1 : -1]]
    assert positions(row.lengths).tolist() == [place for one in lengths for place in range(one - 1)]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_logits_of_packed_examples_are_those_of_padded_ones(
    kind: str, attention: str, bases: dict[str, Path]
) -> None:
    plain, apart = both(bases[kind], attention)
    batch = collate(examples(9, 30, 2, 17, 30))
    torch.testing.assert_close(apart(packed(batch)), plain(batch), rtol=0.0, atol=3e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_example_sees_the_one_before_it(kind: str, bases: dict[str, Path]) -> None:
    _, apart = both(bases[kind])
    one, other = examples(12, 20), examples(12, 20)
    other[0] = Example(tuple(token + 1 for token in other[0].tokens), other[0].n_prompt)
    n_first = 12 - 4
    before, after = (apart(packed(collate(given))) for given in (one, other))
    assert torch.equal(before[n_first:], after[n_first:])
    assert not torch.equal(before[:n_first], after[:n_first])


def test_the_llama_of_our_own_packs_too(inputs: dict[str, Path]) -> None:
    llama = models.load(inputs["base"]).model
    batch = collate(examples(9, 30, 2, 17))
    plain, apart = learners.of_new(llama), learners.of_new(llama, "packed")
    given_rows = apart.lay_out(batch)
    torch.testing.assert_close(apart.predict(given_rows), plain.predict(batch), rtol=0.0, atol=3e-5)
    assert (plain.lay_out(batch).n_padding, given_rows.n_padding) == (62, 0)


@pytest.mark.parametrize(
    "habit",
    [
        {"attention_mask": torch.ones(1, 12, dtype=torch.long)},  # then positions are not looked at
        {"position_ids": torch.arange(12)[None]},
    ],
)
def test_a_model_in_which_examples_would_see_each_other_is_refused(
    habit: dict[str, Any], bases: dict[str, Path]
) -> None:
    model = AutoModelForCausalLM.from_pretrained(bases["llama"], dtype=torch.float32)
    check_apart(model)

    def leaky(input_ids: torch.Tensor, **kwargs: Any) -> Any:
        cut = {name: value[:, : input_ids.shape[1]] for name, value in habit.items()}
        return model(input_ids=input_ids, **{**kwargs, **cut})

    class Leaky(SimpleNamespace):
        __call__ = staticmethod(leaky)

    facade = Leaky(
        config=model.config, device=model.device, training=False, eval=model.eval, train=model.train
    )
    with pytest.raises(Refused, match=r"mixes examples that are packed.*cluster\.compute\.layout=padded"):
        check_apart(facade)


def test_attention_that_is_not_told_where_an_example_ends_is_refused(bases: dict[str, Path]) -> None:
    model = pretrained.load(bases["llama"], "float32", attention_for("sdpa"))
    with pytest.raises(Refused, match=r"does not tell attention where an example ends"):
        model(input_ids=torch.arange(8)[None], position_ids=torch.arange(4).repeat(2)[None])


def courses(folder: Path) -> tuple[list[float], dict[str, list[int]], int]:
    """Losses, what every step read, and how many places were padding."""
    course = pq.read_table(folder / "training.parquet").to_pydict()
    counts = {name: course[name] for name in ("n_tokens", "n_examples", "n_read")}
    return course["loss"], counts, sum(pq.read_table(folder / "measured.parquet")["n_padding"].to_pylist())


def close(one: Path, other: Path) -> bool:
    """Whether weights are the same but for rounding."""
    theirs = load_file(other / "model.safetensors")
    return all(
        torch.allclose(weight, theirs[name], rtol=1e-3, atol=1e-4)
        for name, weight in load_file(one / "model.safetensors").items()
    )


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("llama", How(layout="packed")),
        ("qwen2", How(layout="packed", rows_at_once=2)),
        ("llama", How(layout="packed", gradient_checkpointing=True)),
        ("qwen2", How(layout="packed", attention="eager")),
    ],
)
def test_packing_changes_a_training_in_rounding_only(
    kind: str, how: How, bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    trained(bases[kind], pool, tmp_path / "padded", spec())
    trained(bases[kind], pool, tmp_path / "packed", spec(), how)
    losses, counts, n_padding = courses(tmp_path / "packed")
    as_padded, padded_counts, n_padded = courses(tmp_path / "padded")
    assert losses == pytest.approx(as_padded, rel=1e-4)
    assert counts == padded_counts
    assert n_padding == 0 < n_padded
    assert close(tmp_path / "packed", tmp_path / "padded")
    assert (tmp_path / "packed/config.json").read_bytes() == (tmp_path / "padded/config.json").read_bytes()
    assert (tmp_path / "packed/subset.parquet").read_bytes() == (
        tmp_path / "padded/subset.parquet"
    ).read_bytes()


def test_the_miniature_packs_with_rehearsal_and_in_parts(inputs: dict[str, Path], tmp_path: Path) -> None:
    for name, how in (("padded", PADDED), ("packed", How(micro_batches=2, layout="packed"))):
        (tmp_path / name).mkdir()
        into = tmp_path / name
        make_checkpoint(checkpoint_spec(), inputs, into, quiet, beside(into), how)
    losses, counts, n_padding = courses(tmp_path / "packed")
    assert losses == pytest.approx(courses(tmp_path / "padded")[0], rel=1e-4)
    assert counts == courses(tmp_path / "padded")[1]
    assert counts["n_examples"] == [5] * 8
    assert n_padding == 0
    assert close(tmp_path / "packed", tmp_path / "padded")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "adapters"), [("gpt2", None), ("qwen2", LORA)])
def test_a_packed_training_that_is_interrupted_ends_with_the_same_bytes(
    kind: str, adapters: Any, bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    made_from = spec(lora=adapters)

    def make(into: Path, resumption: Resumption) -> dict[str, Any]:
        return trained(bases[kind], pool, into, made_from, PACKED, resumption)

    trained(bases[kind], pool, tmp_path / "undisturbed", made_from, PACKED)
    assert interrupted(make, tmp_path, [(AfterLooks, 2), (DeathAfterLooks, 2)], 1e-9)
    assert same_files(tmp_path / "made", tmp_path / "undisturbed")
    measured = pq.read_table(tmp_path / "made/measured.parquet")
    assert measured["step"].to_pylist() == list(range(1, 7))
    assert min(measured["seconds"].to_pylist()) > 0.0
    assert min(measured["tokens_per_second"].to_pylist()) > 0.0
    assert min(measured["memory"].to_pylist()) > 1_000_000
