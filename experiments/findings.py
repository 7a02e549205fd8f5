"""What a plan's files prove: that they are whole, that subsets nest, what is shared and what leaked."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from experiments.contamination import NONE, InCommon, Tested
from experiments.held_out import HeldOut, declared
from experiments.sources import read_hashed
from orchestrator.artifacts import TOMBSTONE
from orchestrator.files import sha256
from orchestrator.identity import canonical, defining

Artifacts = Mapping[str, Mapping[str, Any]]  # of a plan, by key

REMEDY = "remove its folder and those of the records made from it, and run again"


@dataclass(frozen=True)
class Chain:
    """Checkpoints that differ in their amount alone, the smallest first."""

    strategy: str
    subset_seed: int
    train_seed: int
    amounts: tuple[int, ...]
    nested: bool


@dataclass(frozen=True)
class Overlap:
    """Of the sources that at least one of two strategies has at an amount, the share that both have."""

    amount: int
    subset_seed: int
    strategies: tuple[str, str]
    n_sources: tuple[int, int]
    shared: float


@dataclass(frozen=True)
class Contamination:
    """What the rows of a subset have of a benchmark's items.

    `n_matches`: queries that are one of them once normalised. The rest is no leak by itself, and is shown:
    queries that differ in their numbers alone, and those with a run of 8 or of 13 words in common.
    """

    strategy: str
    amount: int
    subset_seed: int
    benchmark: str
    n_rows: int
    n_matches: int
    n_same_mould: int
    n_short_runs: int
    n_long_runs: int


@dataclass(frozen=True)
class Findings:
    """All that was looked at; `problems` are sentences, and there should be none."""

    n_complete: int
    n_evicted: int  # of these, checkpoints whose weights are gone and were not looked at
    n_changed: int  # checkpoints that were trained again after an eviction, with other bytes
    n_missing: int
    chains: tuple[Chain, ...]
    overlap: tuple[Overlap, ...]
    contamination: tuple[Contamination, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Trained:
    """A checkpoint that exists, and what it saw: (role, row, source) in order."""

    strategy: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, str]
    rows: Sequence[tuple[str, str, str]]

    @property
    def amount(self) -> int:
        """Units of the pool, without the seed set."""
        return int(self.spec["subset"]["n"])

    @property
    def subset_seed(self) -> int:
        """What the nested order is keyed with."""
        return int(self.spec["subset"]["seed"])

    @property
    def chain(self) -> str:
        """The same for checkpoints that differ in their amount alone."""
        subset = {name: value for name, value in self.spec["subset"].items() if name != "n"}
        return canonical([{**self.spec, "subset": subset}, defining(self.inputs)])


def verify(plan: Mapping[str, Any], store: Path) -> Findings:
    """What the files say about the artifacts of a plan; those that are not made yet are counted."""
    artifacts: Artifacts = plan["artifacts"]
    complete = [key for key in artifacts if (_folder(store, artifacts, key) / "manifest.json").is_file()]
    damage = {key: list(_damage(_folder(store, artifacts, key))) for key in complete}
    whole = {key for key in complete if not damage[key]}
    # Nothing more can be said about a checkpoint whose own files, or whose pools, are not what they were.
    trained = [
        _trained(store, artifacts, key)
        for key in complete
        if artifacts[key]["kind"] == "checkpoint" and whole >= {key, *_pools(artifacts[key]["inputs"])}
    ]
    chains = tuple(_chains(trained))
    contamination = tuple(_contamination(store, artifacts, trained, _benchmarks(plan)))
    return Findings(
        n_complete=len(complete),
        n_evicted=sum(bool(_evicted(_folder(store, artifacts, key))) for key in complete),
        n_changed=sum(_changed(_folder(store, artifacts, key)) for key in complete),
        n_missing=len(artifacts) - len(complete),
        chains=chains,
        overlap=tuple(_overlap(artifacts, trained)),
        contamination=contamination,
        problems=(
            *(problem for key in complete for problem in damage[key]),
            *_broken(chains),
            *_leaked(contamination),
            *_held_out(artifacts, trained),
        ),
    )


def _folder(store: Path, artifacts: Artifacts, key: str) -> Path:
    return store / str(artifacts[key]["kind"]) / key


def _pools(inputs: Mapping[str, str]) -> list[str]:
    return [key for role, key in inputs.items() if role in ("pool", "seed")]


def _damage(folder: Path) -> Iterator[str]:
    """A sentence for every file that is not what its manifest says."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    evicted = _evicted(folder)
    for name, described in manifest["files"].items():
        path = folder / name
        if name in evicted:
            if evicted[name] != described:
                yield f"{folder / TOMBSTONE} names another {name} than was written; {REMEDY}"
        elif not path.is_file():
            yield f"{path} is missing; {REMEDY}"
        elif sha256(path) != described["sha256"]:
            yield f"{path} is not what was written; {REMEDY}"


def _evicted(folder: Path) -> Mapping[str, Any]:
    """The files that a tombstone stands for."""
    path = folder / TOMBSTONE
    return dict(json.loads(path.read_text(encoding="utf-8"))["files"]) if path.is_file() else {}


def _changed(folder: Path) -> bool:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest["provenance"].get("as_evicted") is False


def _trained(store: Path, artifacts: Artifacts, key: str) -> Trained:
    artifact = artifacts[key]
    pool = artifacts[artifact["inputs"]["pool"]]
    table = pq.read_table(_folder(store, artifacts, key) / "subset.parquet")
    rows = zip(*(table[name].to_pylist() for name in ("role", "row_id", "source_id")), strict=True)
    return Trained(pool["spec"]["strategy"]["name"], artifact["spec"], artifact["inputs"], list(rows))


def _chains(trained: Sequence[Trained]) -> Iterator[Chain]:
    chains: dict[str, list[Trained]] = defaultdict(list)
    for checkpoint in trained:
        chains[checkpoint.chain].append(checkpoint)
    for chain in chains.values():
        chain.sort(key=lambda checkpoint: checkpoint.amount)
        yield Chain(
            strategy=chain[0].strategy,
            subset_seed=chain[0].subset_seed,
            train_seed=chain[0].spec["train_seed"],
            amounts=tuple(checkpoint.amount for checkpoint in chain),
            nested=all(small.rows == large.rows[: len(small.rows)] for small, large in pairwise(chain)),
        )


def _broken(chains: Sequence[Chain]) -> Iterator[str]:
    for chain in chains:
        if not chain.nested:
            yield (
                f"the subsets of {chain.strategy} (amounts {', '.join(map(str, chain.amounts))}, subset_seed="
                f"{chain.subset_seed}, train_seed={chain.train_seed}) do not nest; remove these checkpoints "
                "and run again"
            )


def _overlap(artifacts: Artifacts, trained: Sequence[Trained]) -> Iterator[Overlap]:
    """Of strategies that start from the same seed problems, at the same amount in the same order."""
    sources: dict[str, dict[str, set[str]]] = defaultdict(dict)
    subsets: dict[str, Trained] = {}
    for checkpoint in trained:
        seed = artifacts[checkpoint.inputs["pool"]]["spec"]["seed"]
        amount = {name: value for name, value in checkpoint.spec["subset"].items() if name != "weights"}
        subset = canonical([seed, amount])
        subsets[subset] = checkpoint
        sources[subset][checkpoint.strategy] = {row[2] for row in checkpoint.rows if row[0] == "pool"}
    for subset, by_strategy in sources.items():
        for (one, first), (other, second) in combinations(sorted(by_strategy.items()), 2):
            yield Overlap(
                amount=subsets[subset].amount,
                subset_seed=subsets[subset].subset_seed,
                strategies=(one, other),
                n_sources=(len(first), len(second)),
                shared=len(first & second) / max(len(first | second), 1),
            )


def _benchmarks(plan: Mapping[str, Any]) -> dict[str, Tested]:
    """The queries of every benchmark of the cells, read anew from where they came."""
    records = {name: key for cell in plan["cells"] for name, key in cell["artifacts"]["record"].items()}
    benchmarks = {}
    for name, key in sorted(records.items()):
        record = plan["artifacts"][key]
        benchmarks[name] = Tested(read_hashed(record["spec"]["source"], record["places"]).queries)
    return benchmarks


def _contamination(
    store: Path, artifacts: Artifacts, trained: Sequence[Trained], benchmarks: Mapping[str, Tested]
) -> Iterator[Contamination]:
    pools: dict[str, dict[str, dict[str, InCommon]]] = {}
    for checkpoint in {(one.chain, one.amount): one for one in trained}.values():
        for key in _pools(checkpoint.inputs):
            if key not in pools:
                pools[key] = _overlaps(_folder(store, artifacts, key), benchmarks)
        met = [pools[checkpoint.inputs[role]][row] for role, row, _ in checkpoint.rows]
        for name in benchmarks:
            found = sum((overlaps[name] for overlaps in met), NONE)
            yield Contamination(
                strategy=checkpoint.strategy,
                amount=checkpoint.amount,
                subset_seed=checkpoint.subset_seed,
                benchmark=name,
                n_rows=len(met),
                n_matches=found.n_same,
                n_same_mould=found.n_same_mould,
                n_short_runs=found.n_short_runs,
                n_long_runs=found.n_long_runs,
            )


def _overlaps(pool: Path, benchmarks: Mapping[str, Tested]) -> dict[str, dict[str, InCommon]]:
    """For each row of a pool what it has of each benchmark."""
    table = pq.read_table(pool / "pool.parquet", columns=["row_id", "query"])
    known: dict[str, dict[str, InCommon]] = {}
    for query in table["query"].unique().to_pylist():
        known[query] = {name: tested.overlap(query) for name, tested in benchmarks.items()}
    rows = zip(table["row_id"].to_pylist(), table["query"].to_pylist(), strict=True)
    return {row: known[query] for row, query in rows}


def _leaked(contamination: Sequence[Contamination]) -> Iterator[str]:
    for found in contamination:
        if found.n_matches:
            yield (
                f"{found.n_matches} of {found.n_rows} rows of {found.strategy} at amount {found.amount} "
                f"(subset_seed={found.subset_seed}) are items of {found.benchmark}; "
                "add it to data.decontaminate"
            )


def _held_out(artifacts: Artifacts, trained: Sequence[Trained]) -> Iterator[str]:
    """A sentence for every checkpoint that saw a source which its pool holds out."""
    known: dict[str, HeldOut] = {}
    for one in trained:
        pool = artifacts[one.inputs["pool"]]
        validation = declared(pool["spec"])
        if validation is None:
            continue
        if (seeds := canonical([pool["spec"]["seed"], pool["spec"]["validation"]])) not in known:
            known[seeds] = read_hashed(pool["spec"]["seed"], pool["places"]).held_out(validation)
        if seen := {source for _, _, source in one.rows} & known[seeds].sources:
            yield (
                f"{one.strategy} at amount {one.amount} (subset_seed={one.subset_seed}) was trained on "
                f"{len(seen)} sources that data.validation holds out; remove its pool and run again"
            )
