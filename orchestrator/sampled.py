"""What a fine-tuned model is asked so that its own right answers become a pool."""

from typing import Any

from orchestrator.cell import Benchmark, Cell, Evaluate, Sampling
from orchestrator.prompts import text_of
from orchestrator.strategies import MixtureStrategy, RejectionStrategy, SeedStrategy, Strategy

SEEDS_ALONE = SeedStrategy(kind="seed", name="seed")


def has_cell(strategy: Strategy) -> bool:
    """Whether a strategy's pool depends on the cell that wants it: on the model that it fine-tunes."""
    if isinstance(strategy, MixtureStrategy):
        return any(map(has_cell, strategy.parts.values()))
    return isinstance(strategy, RejectionStrategy)


def sampled(cell: Cell, strategy: RejectionStrategy) -> Cell:
    """The cell whose checkpoint is sampled: the same model and recipe on the seed set alone."""
    subset = cell.subset.model_copy(update={"unit": "examples"})
    drawn = Sampling(
        n=strategy.paths, temperature=strategy.temperature, top_p=strategy.top_p, seed=strategy.sampling_seed
    )
    changes = {
        "strategy": SEEDS_ALONE,
        "subset_seed": strategy.subset_seed,
        "train_seed": strategy.train_seed,
        "subset": subset,
        "evaluate": cell.evaluate.model_copy(update={"sampling": drawn}),
    }
    return cell.model_copy(update=changes)


def wish(cell: Cell, strategy: RejectionStrategy) -> Benchmark:
    """The seed problems as what is asked."""
    return Benchmark(
        role="in_domain",
        source=cell.data.seed,
        answer=strategy.answer,
        max_new_tokens=strategy.max_new_tokens,
        stop=strategy.stop,
        likelihood=False,
    )


def question(cell: Cell, benchmark: Benchmark, source: dict[str, Any], version: int) -> dict[str, Any]:
    """The spec of completions."""
    evaluate: Evaluate = cell.evaluate
    asked = {
        "version": version,
        "source": source,
        "prompt": text_of(benchmark.prompt or cell.model.prompt),
        "max_new_tokens": benchmark.max_new_tokens,
        "likelihood": benchmark.likelihood,
        "engine": evaluate.engine,
        "dtype": evaluate.dtype,
        "context": cell.model.context,
    }
    # What a greedy study does not say keeps its keys as they were.
    if benchmark.stop:
        asked["stop"] = list(benchmark.stop)
    if evaluate.sampling:
        asked["sampling"] = evaluate.sampling.model_dump(mode="json")
    return asked
