"""Show what a plan's files prove, and fail where something is not so."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from experiments.findings import Contamination, Findings, verify
from orchestrator.planfile import read_plan
from orchestrator.refusal import Refused


def run(plan: Path, outputs: Path, form: Literal["text", "json"]) -> int:
    """Print the findings; 1 if there are problems. Raises Refused for a plan that cannot be read."""
    found = verify(read_plan_file(plan), outputs / "artifacts")
    if form == "json":
        sys.stdout.write(json.dumps(asdict(found), indent=1) + "\n")
    else:
        _show(found, Console())
    for problem in found.problems:
        sys.stderr.write(f"error: {problem}\n")
    return 1 if found.problems else 0


def read_plan_file(path: Path) -> dict[str, Any]:
    """A plan. Raises Refused for a file that is none."""
    try:
        plan: dict[str, Any] = read_plan(path)
    except (OSError, ValueError) as error:
        raise Refused(
            f"{path} is no plan that can be read ({error}); give outputs/studies/NAME/plans/N.json"
        ) from error
    if not isinstance(plan, dict) or not {"cells", "artifacts"} <= plan.keys():
        raise Refused(
            f"{path} is no plan, as it has no cells and artifacts; give outputs/studies/NAME/plans/N.json"
        )
    return plan


def _show(found: Findings, console: Console) -> None:
    gone = f" ({found.n_evicted} without their weights, which were evicted)" if found.n_evicted else ""
    console.print(f"{found.n_complete} artifacts complete{gone}, {found.n_missing} not made yet")
    if found.n_changed:
        console.print(
            f"{found.n_changed} checkpoints were trained again after their weights had been evicted, with "
            "other bytes: records from before are of the weights of then"
        )
    chains = Table("strategy", "subset seed", "train seed", "amounts", "nested", title="Chains")
    for chain in found.chains:
        amounts = " < ".join(map(str, chain.amounts))
        nested = "yes" if chain.nested else "NO"
        chains.add_row(chain.strategy, str(chain.subset_seed), str(chain.train_seed), amounts, nested)
    overlap = Table("strategies", "amount", "subset seed", "sources", "shared", title="Overlap of sources")
    for pair in sorted(found.overlap, key=lambda pair: (pair.strategies, pair.amount, pair.subset_seed)):
        strategies, sources = " and ".join(pair.strategies), " and ".join(map(str, pair.n_sources))
        overlap.add_row(strategies, str(pair.amount), str(pair.subset_seed), sources, f"{pair.shared:.1%}")
    leaks = Table("strategy", "amount", "benchmark", "rows", "same", "other numbers", "8 words", "13 words")
    leaks.title = "Rows whose query is a benchmark's, or has part of one, all seeds together"
    for (strategy, amount, benchmark), counts in _totals(found.contamination).items():
        leaks.add_row(strategy, str(amount), benchmark, *map(str, counts))
    for table in (chains, overlap, leaks):
        if table.row_count:
            console.print(table)
    console.print("nothing wrong" if not found.problems else f"{len(found.problems)} problems")


def _totals(contamination: Sequence[Contamination]) -> dict[tuple[str, int, str], tuple[int, ...]]:
    totals: dict[tuple[str, int, str], tuple[int, ...]] = {}
    for found in sorted(contamination, key=lambda found: (found.strategy, found.amount, found.benchmark)):
        where = (found.strategy, found.amount, found.benchmark)
        counts = (found.n_rows, found.n_matches, found.n_same_mould, found.n_short_runs, found.n_long_runs)
        totals[where] = tuple(map(sum, zip(totals.get(where, (0,) * len(counts)), counts, strict=True)))
    return totals
