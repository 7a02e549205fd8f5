"""How far the pools of a study lie from its benchmarks: tables in the folder of the study."""

import csv
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr

from experiments.distances import Distance, Features, Words, distance, places
from experiments.poolrows import PoolRows
from experiments.sources import read_hashed
from experiments.subset import Nested, drawn
from experiments.verify import read_plan_file
from orchestrator.identity import canonical
from orchestrator.refusal import Refused

# Points of one pool or benchmark in the figure; it draws no more of them.
MOST_POINTS = 800
TABLES = ("distances", "distribution")
Seen = Literal["words", "sentences", "states"]
# Over fewer cells a correlation says nothing.
LEAST_CELLS = 4


@dataclass(frozen=True)
class Row:
    """A cell's subset of its pool against one benchmark, and the accuracy there where it is known."""

    strategy: str
    amount: int
    subset_seed: int
    benchmark: str
    distance: Distance
    accuracy: float | None

    def flat(self) -> dict[str, Any]:
        """As the table has it."""
        fields = {name: value for name, value in asdict(self).items() if name != "distance"}
        return {**fields, **asdict(self.distance)}


@dataclass(frozen=True)
class _Study:
    """What a plan leads to in the store."""

    plan: Mapping[str, Any]
    store: Path

    def queries(self, cell: Mapping[str, Any]) -> list[str]:
        """Those of a cell's subset, each once; empty where its pool is not made, or too small for it."""
        key, n = cell["artifacts"]["pool"], cell["artifacts"]["checkpoint"]
        path = self.store / "pool" / key / "pool.parquet"
        if n is None or not path.is_file():
            return []
        subset = self.plan["artifacts"][n]["spec"]["subset"]
        order = _drawn(path, canonical({**subset, "n": 0}))
        if subset["n"] > order.size:
            return []  # a model wrote less than was planned for
        chosen = PoolRows(path, ["query"]).take(pa.array(order.prefix(subset["n"])))
        return list(dict.fromkeys(chosen["query"].to_pylist()))

    def benchmarks(self) -> dict[str, list[str]]:
        """The queries of each, read anew from where they came."""
        records = {
            name: self.plan["artifacts"][key]
            for cell in self.plan["cells"]
            for name, key in cell["artifacts"]["record"].items()
        }
        return {
            name: list(read_hashed(record["spec"]["source"], record["places"]).queries)
            for name, record in sorted(records.items())
        }

    def accuracy(self, place: "Place", benchmark: str) -> float | None:
        """Mean over the cells with this subset; None where there is no record yet."""
        found = []
        for cell in self.plan["cells"]:
            path = self.store / "record" / cell["artifacts"]["record"][benchmark] / "manifest.json"
            if _place(cell) == place and path.is_file():
                summary = json.loads(path.read_text(encoding="utf-8"))["summary"]
                found.append(summary["n_correct"] / (summary["n_items"] * summary.get("n_samples", 1)))
        return float(np.mean(found)) if found else None


@lru_cache(maxsize=8)
def _drawn(pool: Path, subset: str) -> Nested:
    """Amounts are prefixes: one order serves them all."""
    return drawn(PoolRows(pool), json.loads(subset))


def run(
    plan: Path,
    outputs: Path,
    form: Literal["text", "json"],
    by: Literal["pca", "tsne"],
    features: Seen = "words",
    model: str | None = None,
) -> int:
    """Write `distances.csv` and `distribution.csv`; show the first. Raises Refused where no pool is made.

    Their names end in what texts are seen by, if that is not `words`.
    """
    study = _Study(read_plan_file(plan), outputs / "artifacts")
    folder, benchmarks = plan.parent.parent, study.benchmarks()
    subsets = {_place(cell): study.queries(cell) for cell in study.plan["cells"]}
    there = {place: queries for place, queries in subsets.items() if queries}
    if not there:
        raise Refused(f"no pool of {folder.name} is made yet; run the study first")
    largest = _largest(there)
    pools = {strategy: there[place] for strategy, place in largest.items()}
    texts = [text for texts in (*pools.values(), *benchmarks.values()) for text in texts]
    seen = _seen(study, features, model, texts)
    rows = list(_rows(study, seen, there, benchmarks))
    written = [folder / f"{name}{'' if features == 'words' else f'-{features}'}.csv" for name in TABLES]
    _write(written[0], [row.flat() for row in rows])
    _write(written[1], _points(seen, pools, benchmarks, by))
    correlations = dict(_correlations(rows))
    if form == "json":
        found = {"distances": [row.flat() for row in rows], "correlation_with_accuracy": correlations}
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        _show(rows, correlations, written)
    return 0


def _seen(study: _Study, by: Seen, model: str | None, texts: Sequence[str]) -> Features:
    if by == "words":
        return Words(texts)
    vectors = importlib.import_module("experiments.vectors")  # torch, which words do not need
    if by == "states":
        folder, base = vectors.largest_checkpoint(study.plan, study.store)
        embed = vectors.hidden_states(*((folder, base) if model is None else (Path(model), None)))
    elif model is None:
        raise Refused("--features sentences needs a model: give --model FOLDER, or its name on the hub")
    else:
        embed = vectors.sentence_embeddings(model)
    seen: Features = vectors.Vectors(texts, embed)
    return seen


Place = tuple[str, int, int]  # strategy, amount, subset seed
Subsets = Mapping[Place, Sequence[str]]


def _place(cell: Mapping[str, Any]) -> Place:
    axes = cell["axes"]
    return axes["strategy"], axes["amount"], axes["subset_seed"]


def _largest(subsets: Subsets) -> dict[str, Place]:
    """For each strategy its largest subset."""
    largest: dict[str, Place] = {}
    for place in sorted(subsets, key=lambda place: place[1]):
        largest[place[0]] = place
    return dict(sorted(largest.items()))


def _rows(
    study: _Study, features: Features, subsets: Subsets, benchmarks: Mapping[str, Sequence[str]]
) -> Iterator[Row]:
    for place, queries in sorted(subsets.items()):
        for name, asked in benchmarks.items():
            yield Row(*place, name, distance(features, queries, asked), study.accuracy(place, name))


def _points(
    features: Features,
    pools: Mapping[str, Sequence[str]],
    benchmarks: Mapping[str, Sequence[str]],
    by: Literal["pca", "tsne"],
) -> list[dict[str, Any]]:
    """A place in the plane for each query, as the figure of the report reads it."""
    thinned = [
        (kind, name, texts[:: max(1, len(texts) // MOST_POINTS)])
        for kind, named in (("pool", pools), ("benchmark", benchmarks))
        for name, texts in named.items()
    ]
    points = iter(
        places(features, [text for *_, texts in thinned for text in texts], by_neighbours=by == "tsne")
    )
    return [
        {"x": float(x), "y": float(y), "pool": "", "benchmark": "", kind: name}
        for kind, name, texts in thinned
        for x, y in (next(points) for _ in texts)
    ]


def _correlations(rows: Sequence[Row]) -> Iterator[tuple[str, float | None]]:
    """By benchmark, Spearman's correlation of coverage with accuracy over cells; None if it says nothing."""
    for name in dict.fromkeys(row.benchmark for row in rows):
        known = [(row.distance.coverage, row.accuracy) for row in rows if row.benchmark == name]
        pairs = np.array([pair for pair in known if pair[1] is not None], dtype=np.float64)
        if len(pairs) < LEAST_CELLS or (np.ptp(pairs, axis=0) == 0).any():
            yield name, None
        else:
            yield name, float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    aside = path.with_suffix(".aside")
    with aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    aside.replace(path)


def _show(rows: Sequence[Row], correlations: Mapping[str, float | None], written: Sequence[Path]) -> None:
    console = Console()
    table = Table("strategy", "amount", "seed", "benchmark", "queries", "coverage", "MMD²", "p", "AUC")
    for row in rows:
        far = row.distance
        numbers = (f"{far.coverage:.3f}", f"{far.mmd:.4f}", f"{far.mmd_p:.3f}", f"{far.auc:.3f}")
        counts = (str(row.amount), str(row.subset_seed), row.benchmark, str(far.n_pool))
        table.add_row(row.strategy, *counts, *numbers)
    console.print(table)
    for name, value in correlations.items():
        told = "too few cells" if value is None else f"{value:.2f}"
        console.print(f"coverage with accuracy over cells, {name}: Spearman {told}")
    console.print(f"written: {', '.join(map(str, written))} (the report draws distribution.csv)")
