"""Fine-tuning of models as the hub has them: the same stage as the miniature's, in full and by adapters."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from experiments import lora, pretrained
from experiments.batches import collate
from experiments.encode import Text, encode
from experiments.how import How
from experiments.resume import Paused, Resumption
from experiments.start import start
from experiments.world import Row
from orchestrator.refusal import Refused
from tests.experiments.fine_tuning import LORA, linked, spec, sums, trained
from tests.experiments.interrupting import AfterLooks, DeathAfterLooks, interrupted, same_files
from tests.experiments.tiny_models import CONFIGS, write_model
from tests.experiments.training import write_pool

ALWAYS = 1e-9
KINDS = sorted(CONFIGS)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("hub")
    shard = {"qwen2": "20KB"}
    made = {kind: write_model(place / kind, kind, shard.get(kind, "1GB")) for kind in KINDS}
    return {kind: linked(folder, place / f"{kind}.base") for kind, folder in made.items()}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sums(tmp_path_factory.mktemp("pool") / "pool")


@pytest.mark.parametrize("kind", KINDS)
def test_a_fine_tuned_model_is_a_folder_for_plain_transformers(
    kind: str, bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    summary = trained(bases[kind], pool, tmp_path / "made", spec())
    course = pq.read_table(tmp_path / "made/training.parquet")["loss"].to_pylist()
    assert summary["n_steps"] == len(course) == 6
    assert course[-1] < course[0]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "made", dtype=torch.float32)
    before = AutoModelForCausalLM.from_pretrained(bases[kind], dtype=torch.float32)
    changed = [
        not torch.equal(weight, before.state_dict()[name]) for name, weight in model.state_dict().items()
    ]
    assert all(changed)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "made")
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(bases[kind]).get_vocab()
    assert not any(path.is_symlink() for path in (tmp_path / "made").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_logits_for_answers_are_those_of_each_row_alone(
    kind: str, bases: dict[str, Path], pool: Path
) -> None:
    begun = start(bases[kind], spec(), How())
    begun.learner.model.eval()
    texts = [Text(str(n), "1 + 1 = ?" * n, "so 2 " * (4 - n)) for n in (1, 2, 3)]
    batch = collate(encode(texts, begun.reading).examples)
    alone = []
    for example in encode(texts, begun.reading).examples:
        logits = begun.learner.model(torch.tensor([example.tokens[:-1]])).logits[0]
        alone.append(logits[example.n_prompt - 1 :])
    torch.testing.assert_close(begun.learner.predict(batch), torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_adapters_answer_as_adapters_do(
    kind: str, bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    made_from = spec(lora=LORA, learning_rate=0.05)
    trained(bases[kind], pool, tmp_path / "made", made_from)
    tensors = load_file(tmp_path / "made/adapter_model.safetensors")
    assert all("lora_" in name for name in tensors)
    assert not any((tmp_path / "made").glob("model*.safetensors"))
    base = pretrained.load(bases[kind], "float32", "sdpa")
    tokens = torch.arange(3, 40)[None]
    untrained = base(tokens).logits
    adapted = lora.PeftModel.from_pretrained(base, str(tmp_path / "made")).eval()(tokens).logits
    merged = lora.merged(pretrained.load(bases[kind], "float32", "sdpa"), tmp_path / "made")
    torch.testing.assert_close(merged.eval()(tokens).logits, adapted, rtol=1e-4, atol=1e-5)
    assert (adapted - untrained).abs().max() > 0.1
    assert type(merged).__name__ == type(pretrained.load(bases[kind], "float32", "sdpa")).__name__


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "adapters"), [("gpt2", None), ("llama", LORA), ("qwen2", LORA)])
def test_a_training_interrupted_again_and_again_ends_with_the_same_bytes(
    kind: str, adapters: Any, bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    """GPT-2 and the adapters have dropout: their random numbers must go on too."""
    made_from = spec(lora=adapters)

    def make(into: Path, resumption: Resumption) -> dict[str, Any]:
        return trained(bases[kind], pool, into, made_from, resumption=resumption)

    trained(bases[kind], pool, tmp_path / "undisturbed", made_from)
    interruptions = [(AfterLooks, 2), (DeathAfterLooks, 2), (AfterLooks, 1)]
    assert interrupted(make, tmp_path, interruptions, ALWAYS)
    assert same_files(tmp_path / "made", tmp_path / "undisturbed")


@pytest.mark.slow
def test_dropout_follows_the_training_seed(bases: dict[str, Path], pool: Path, tmp_path: Path) -> None:
    for name, seed, dropout in (("one", 0, 0.2), ("same", 0, 0.2), ("none", 0, 0.0)):
        made_from = {**spec(lora={**LORA, "dropout": dropout}), "train_seed": seed}
        torch.manual_seed(len(name))
        trained(bases["llama"], pool, tmp_path / name, made_from)
    read = {
        name: (tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("one", "same", "none")
    }
    assert read["one"] == read["same"] != read["none"]


def test_states_of_adapters_leave_the_frozen_weights_out(
    bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    with pytest.raises(Paused, match="step 2 of 6"):
        trained(
            bases["llama"],
            pool,
            tmp_path / "made",
            spec(lora=LORA),
            resumption=Resumption(tmp_path / "state", 60.0, AfterLooks(2)),
        )
    names = load_file(tmp_path / "state/2.safetensors").keys()
    weights = [name for name in names if name.startswith("weights.")]
    assert weights
    assert all("lora_" in name for name in weights)


@pytest.mark.parametrize(
    "how",
    [How(gradient_checkpointing=True), How(rows_at_once=1), How(micro_batches=2), How(attention="eager")],
)
def test_how_memory_is_spent_changes_rounding_at_most(
    how: How, bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    courses = []
    for name, one in (("plain", How()), ("other", how)):
        trained(bases["llama"], pool, tmp_path / name, spec(), one)
        courses.append(pq.read_table(tmp_path / name / "training.parquet")["loss"].to_pylist())
    assert courses[1] == pytest.approx(courses[0], rel=1e-4)


def test_bfloat16_is_the_arithmetic_and_not_the_weights(
    bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    exact = trained(bases["llama"], pool, tmp_path / "exact", spec())
    rounded = trained(bases["llama"], pool, tmp_path / "rounded", spec(precision="bfloat16"))
    assert rounded["final_loss"] == pytest.approx(exact["final_loss"], rel=0.02)
    assert rounded["final_loss"] != exact["final_loss"]
    held = load_file(tmp_path / "rounded/model.safetensors")
    assert {weight.dtype for weight in held.values()} == {torch.float32}
    trained(
        bases["llama"], pool, tmp_path / "saved", {**spec(precision="bfloat16"), "saved_dtype": "bfloat16"}
    )
    saved = load_file(tmp_path / "saved/model.safetensors")
    assert all(torch.equal(weight, held[name].bfloat16()) for name, weight in saved.items())


def test_adapters_go_onto_frozen_weights_in_bfloat16(
    bases: dict[str, Path], pool: Path, tmp_path: Path
) -> None:
    made_from = {**spec(lora=LORA, precision="bfloat16"), "dtype": "bfloat16"}
    summary = trained(bases["qwen2"], pool, tmp_path / "made", made_from)
    assert summary["final_loss"] < pq.read_table(tmp_path / "made/training.parquet")["loss"][0].as_py()
    assert {weight.dtype for weight in load_file(tmp_path / "made/adapter_model.safetensors").values()} == {
        torch.float32
    }


def test_a_target_that_no_layer_has_is_refused(bases: dict[str, Path], pool: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"train\.lora\.targets=\('nowhere',\)"):
        trained(bases["llama"], pool, tmp_path / "made", spec(lora={**LORA, "targets": ["nowhere"]}))


@pytest.mark.parametrize(("policy", "n_rows", "counts"), [("drop", 10, (2, 0)), ("truncate", 12, (0, 2))])
def test_rows_above_the_context_are_dropped_or_cut_and_counted(
    policy: str, n_rows: int, counts: tuple[int, int], bases: dict[str, Path], tmp_path: Path
) -> None:
    rows = [Row(str(n), "numbers", 0, f"{n} + 1 = ?", "1 " * (30 if n < 2 else 3)) for n in range(12)]
    pool = write_pool(tmp_path / "pool", rows)
    made_from = {**spec(too_long=policy), "context": 48}
    summary = trained(bases["llama"], pool, tmp_path / "made", made_from)
    subset = pq.read_table(tmp_path / "made/subset.parquet")
    assert len(subset) == summary["n_rows"] == n_rows
    assert (summary["n_dropped"], summary["n_truncated"]) == counts
    with pytest.raises(Refused, match=r"above|more than the context of 48.*train\.too_long=drop"):
        trained(bases["llama"], pool, tmp_path / "refused", {**spec(), "context": 48})
    with pytest.raises(Refused, match=r"none of the 12 rows fits into the context of 4 tokens"):
        trained(bases["llama"], pool, tmp_path / "none", {**spec(too_long="drop"), "context": 4})
