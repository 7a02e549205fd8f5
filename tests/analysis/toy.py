"""A study on disk, as docs/files.md has it, with accuracies that a test chooses."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

N_ITEMS = {"in": 600, "out": 400}
ROLES = {"in": "in_domain", "out": "out_of_domain"}
PROVENANCE = {
    "commit": "0123abcd",
    "dirty": False,
    "code": "feedbeef",
    "packages": {"torch": "2.13.0", "transformers": "5.16.1"},
    "processor": "x86_64",
    "host": "here",
    "pid": 7,
    "run": "r1",
    "seconds": 12.5,
    "cpu_seconds": 11.0,
}

POOL = {
    "n_rows": 8192,
    "n_sources": 400,
    "removed": {"empty": 0, "duplicate": 3},
    "yield": {"numbers": {"paths asked": 8209, "kept": 8195, "disagreement": 9, "no answer": 5}},
    "parts": {
        "one": {"n_rows": 6000, "n_queries": 6000, "n_in_earlier_parts": 0, "weight": 2, "share": 2 / 3},
        "other": {"n_rows": 2192, "n_queries": 400, "n_in_earlier_parts": 8, "weight": 1, "share": 1 / 3},
    },
}


def line(strategy: str, benchmark: str, amount: int) -> float:
    """The planted accuracy: queries 10 points per doubling, others 6; a fifth of it out of domain."""
    slope = 0.10 if strategy == "queries" else 0.06
    doublings = np.log2(amount / 128)
    return 0.2 + slope * doublings if benchmark == "in" else 0.35 + 0.2 * slope * doublings


@dataclass
class ToyStudy:
    """What a study shall look like; `write` puts it under `outputs/studies/<name>`."""

    name: str = "toy"
    strategies: Sequence[str] = ("queries", "responses", "numbers")
    amounts: Sequence[int] = (128, 256, 512, 1024, 2048)
    seeds: Sequence[int] = (0, 1, 2)
    benchmarks: Sequence[str] = ("in", "out")
    models: Sequence[str] = ("tiny",)
    references: Mapping[str, Sequence[float]] = field(
        default_factory=lambda: {"base": (0.12, 0.36), "seed": (0.34, 0.38)}
    )
    metric: str = "accuracy"
    compare: Sequence[str] = ("queries", "responses")
    by_construction: str = "New facts come with new queries: part of their lead is built in."
    accuracy: Callable[[str, str, int], float] = line
    run_sd: float = 0.015
    axes: Callable[[str, int], Mapping[str, Any]] = lambda strategy, seed: {}
    subset_seed: Callable[[int], int] = lambda seed: seed
    missing: Callable[[Mapping[str, Any]], bool] = lambda axes: False
    provenance: Callable[[int], Mapping[str, Any]] = lambda number: PROVENANCE

    def write(self, outputs: Path) -> Path:
        """The folder of the study."""
        generator = np.random.default_rng(5)
        cells: list[dict[str, Any]] = []
        artifacts: dict[str, Any] = {}
        pool_keys = {strategy: self._pool(outputs, artifacts, strategy) for strategy in self.strategies}
        for model in self.models:
            for name, values in self.references.items():
                axes = {"strategy": "seed", "amount": 0, "subset_seed": 0, "train_seed": 0, "model": model}
                cells.append(self._cell(axes, name, next(iter(pool_keys.values()))))
                shares = dict(zip(self.benchmarks, values, strict=False))
                self._records(outputs, artifacts, cells[-1], shares, len(cells))
            for strategy in self.strategies:
                for amount in self.amounts:
                    for seed in self.seeds:
                        axes = {"strategy": strategy, "amount": amount, "subset_seed": self.subset_seed(seed)}
                        axes |= {"train_seed": seed, "model": model, **self.axes(strategy, seed)}
                        cells.append(self._cell(axes, None, pool_keys[strategy]))
                        noise = generator.normal(scale=self.run_sd, size=len(self.benchmarks))
                        shares = {
                            benchmark: self.accuracy(strategy, benchmark, amount) + noise[i]
                            for i, benchmark in enumerate(self.benchmarks)
                        }
                        self._records(outputs, artifacts, cells[-1], shares, len(cells))
        folder = outputs / "studies" / self.name
        (folder / "plans").mkdir(parents=True)
        settings = {"study": self.name, "analysis": self._analysis()}
        plan = {"study": self.name, "number": 2, "settings": settings, "cells": cells, "artifacts": artifacts}
        (folder / "plans" / "1.json").write_text(json.dumps({**plan, "cells": []}))
        (folder / "plans" / "2.json").write_text(json.dumps(plan))
        return folder

    def _analysis(self) -> dict[str, Any]:
        return {
            "law": "loglinear",
            "metric": self.metric,
            "references": ["seed"],
            "compare": list(self.compare),
            "by_construction": self.by_construction,
        }

    def _cell(self, axes: dict[str, Any], reference: str | None, pool: str) -> dict[str, Any]:
        keys = {name: key_of([self.name, axes, reference, name]) for name in self.benchmarks}
        benchmarks = {name: {"role": ROLES[name], "max_new_tokens": 40} for name in self.benchmarks}
        evaluate = {"engine": "transformers", "dtype": "float32", "benchmarks": benchmarks}
        train = {"budget": {"unit": "epochs", "value": 3.0}, "batch_size": 4, "learning_rate": 0.0005}
        subset = {"order": "breadth", "unit": "examples", "with_seed": False, "axis": "augmented"}
        artifacts = {"pool": pool, "base": key_of("base"), "checkpoint": key_of(axes), "record": keys}
        return {
            "axes": axes,
            "cell": {"evaluate": evaluate, "subset": subset, "train": train, "model": {"n_layers": 2}},
            "reference": reference,
            "artifacts": {**artifacts, "completions": {}},
        }

    def _pool(self, outputs: Path, artifacts: dict[str, Any], strategy: str) -> str:
        key = key_of(["pool", strategy])
        artifacts[key] = {
            "kind": "pool",
            "spec": {},
            "inputs": {},
            "places": {},
            "label": strategy,
            "cost": {},
        }
        write_manifest(outputs, "pool", key, POOL, PROVENANCE)
        return key

    def _records(
        self,
        outputs: Path,
        artifacts: dict[str, Any],
        cell: Mapping[str, Any],
        shares: Mapping[str, float],
        number: int,
    ) -> None:
        for benchmark, key in cell["artifacts"]["record"].items():
            spec = {"version": 1, "grader": 1, "answer": "gsm8k"}
            known = {"kind": "record", "spec": spec, "inputs": {}, "places": {}, "label": "", "cost": {}}
            artifacts[key] = known
            if self.missing({**cell["axes"], "benchmark": benchmark}):
                continue
            n_items = N_ITEMS[benchmark]
            summary = {
                "n_items": n_items,
                "n_correct": round(n_items * min(max(shares[benchmark], 0.0), 1.0)),
                "n_no_answer": 7,
                "n_truncated": 3,
                "n_unparsable": 2,
                "n_grader_timed_out": 0,
                "n_agree": n_items - 5,
                "n_samples": 1,
                "nll_per_token": 2.0 - 0.9 * shares[benchmark],
            }
            write_manifest(outputs, "record", key, summary, self.provenance(number))


def key_of(value: Any) -> str:
    """A key as good as any."""
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()


def write_manifest(
    outputs: Path, kind: str, key: str, summary: Mapping[str, Any], provenance: Mapping[str, Any]
) -> None:
    """A complete artifact without payload."""
    folder = outputs / "artifacts" / kind / key
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {"kind": kind, "key": key, "spec": {}, "inputs": {}, "summary": summary, "files": {}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "provenance": provenance}))
