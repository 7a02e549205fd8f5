"""Makes a base: a tokenizer and weights from nothing, and what they read before any fine-tuning."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments import learner as learners
from experiments import model as models
from experiments import pretrained
from experiments.batches import Example, ShuffledBatches
from experiments.encode import Reading, Text, encode
from experiments.keeper import Keeper
from experiments.loop import Recipe, fit
from experiments.resume import Progress, Resumption
from experiments.state import identity
from experiments.world import Passage, base_mixture, items, vocabulary
from orchestrator.cell import NewModel, Pretrain
from orchestrator.refusal import Refused
from orchestrator.specs import SymbolicSource, World

REHEARSAL = "rehearsal.parquet"
REHEARSAL_SEQUENCES = 4000
CHUNK = 1000  # passages encoded at a time

# The recipe of the miniature's own base; what is worth varying stands in `Pretrain`.
WARMUP_SHARE, FINAL_RATE_SHARE, WEIGHT_DECAY, BETAS, CLIP = 0.05, 0.02, 0.01, (0.9, 0.98), 1.0


def make_base(
    spec: dict[str, Any],
    inputs: dict[str, Path],
    into: Path,
    progress: Progress,
    places: Mapping[str, Any],
    resumption: Resumption,
) -> dict[str, Any]:
    """Write the folder that fine-tuning starts from, and return its summary.

    Raises Paused where pretraining is asked to pause.
    """
    if "pretrained" in spec:
        digest = spec["pretrained"]
        return pretrained.link(places[digest]["folder"], digest, into, progress)
    model = NewModel.model_validate({"kind": "new", "name": "base", **spec["model"]})
    world = World.model_validate(spec["world"]) if spec["world"] else None
    tokenizer = _tokenizer(model, world, inputs)
    llama = models.new_llama(model, tokenizer)
    summary = {"n_parameters": sum(weight.numel() for weight in llama.parameters())}
    summary |= {"vocabulary": len(tokenizer), "n_steps": 0, "n_tokens": 0}
    if model.pretrain is not None:
        if world is None:
            raise Refused("model.pretrain needs data of the symbolic world: set model.pretrain to null")
        reading = _Reading(model, model.pretrain, world, _forbidden(spec["decontaminate"]), tokenizer)
        keeper = Keeper(resumption, identity("base", spec, inputs), progress)
        summary |= _pretrain(llama, reading, progress, keeper)
        write_rehearsal(list(islice(reading.examples("rehearsal"), REHEARSAL_SEQUENCES)), into)
    models.save(models.Pretrained(llama, tokenizer), into)
    return summary


def write_rehearsal(examples: Sequence[Example], folder: Path) -> None:
    """Write sequences of the base mixture beside a base, for fine-tuning to rehearse."""
    columns = {
        "tokens": pa.array([example.tokens for example in examples], pa.list_(pa.int32())),
        "n_prompt": pa.array([example.n_prompt for example in examples], pa.int32()),
    }
    pq.write_table(pa.table(columns), folder / REHEARSAL)


def read_rehearsal(folder: Path) -> list[Example]:
    """Read the sequences that `write_rehearsal` wrote; raises Refused where there are none."""
    if not (folder / REHEARSAL).exists():
        raise Refused(f"the base in {folder} has nothing to rehearse: set train.rehearsal to 0")
    table = pq.read_table(folder / REHEARSAL)
    pairs = zip(table["tokens"].to_pylist(), table["n_prompt"].to_pylist(), strict=True)
    return [Example(tuple(tokens), n_prompt) for tokens, n_prompt in pairs]


@dataclass(frozen=True)
class _Reading:
    model: NewModel
    pretrain: Pretrain
    world: World
    forbidden: frozenset[str]
    tokenizer: Any

    def examples(self, purpose: str) -> Iterator[Example]:
        passages = base_mixture(self.pretrain, self.world, self.forbidden, purpose)
        while True:
            chunk = [_text(passage) for passage in islice(passages, CHUNK)]
            yield from encode(chunk, Reading(self.tokenizer, self.model.prompt, self.model.context)).examples


def _text(passage: Passage) -> Text:
    return Text("of the base mixture", passage.query, passage.response)


def _tokenizer(model: NewModel, world: World | None, inputs: dict[str, Path]) -> Any:
    if model.tokenizer == "words":
        if world is None:
            raise Refused("tokenizer 'words' needs data of the symbolic world: set model.tokenizer=bpe")
        return models.words_tokenizer(
            [*model.prompt.replace("{query}", " ").split(), *vocabulary(world)], model.context
        )
    if model.vocabulary is None:
        raise Refused("tokenizer 'bpe' needs its size: set model.vocabulary")
    seed = pq.read_table(inputs["seed"] / "pool.parquet", columns=["query", "response"])
    texts = [*seed["query"].to_pylist(), *seed["response"].to_pylist()]
    return models.bpe_tokenizer(texts, model.vocabulary, model.context)


def _forbidden(sources: Sequence[dict[str, Any]]) -> frozenset[str]:
    symbolic = [SymbolicSource.model_validate(source) for source in sources if source["kind"] == "symbolic"]
    return frozenset(problem.query for source in symbolic for problem in items(source))


def _pretrain(llama: Any, reading: _Reading, progress: Progress, keeper: Keeper) -> dict[str, int]:
    pretrain = reading.pretrain
    examples, n_tokens = [], 0
    for example in reading.examples("base"):
        examples.append(example)
        n_tokens += len(example.tokens)
        if n_tokens >= pretrain.tokens:
            break
    n_steps = -(-len(examples) // pretrain.batch_size)
    recipe = Recipe(
        n_steps, pretrain.learning_rate, 1.0, WARMUP_SHARE, FINAL_RATE_SHARE, WEIGHT_DECAY, BETAS, CLIP
    )
    batches = ShuffledBatches(examples, pretrain.batch_size, [], 0, pretrain.seed)
    fit(learners.of_new(llama), batches, recipe, progress, keeper)
    return {"n_steps": n_steps, "n_tokens": n_tokens}
