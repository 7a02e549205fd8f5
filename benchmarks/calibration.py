"""How long cells take against what was predicted from others of their study.

    python benchmarks/calibration.py [OUTPUTS [STUDY]]

reads a finished study (by default `outputs`, `mini`), learns from the cells of its first seed at all but the
two largest amounts, and predicts every other cell: other seeds, and amounts up to four times as large.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.artifacts import Store
from orchestrator.calibration import calibrated, of_plan
from orchestrator.pace import Pace, declared
from orchestrator.settings import Settings
from orchestrator.study import StudyFolder

WITHIN = 0.25


def main(outputs: Path, name: str) -> None:
    """Prints one line per pace."""
    newest = StudyFolder(outputs, name).latest()
    if newest is None:
        raise SystemExit(f"{outputs} has no study '{name}': doublings run experiment={name}")
    artifacts, store = newest[1]["artifacts"], Store(outputs)
    cluster = Settings.model_validate(newest[1]["settings"]).cluster
    cells = [cell for cell in newest[1]["cells"] if not cell["reference"]]
    amounts = sorted({cell["axes"]["amount"] for cell in cells})
    learnt = [
        cell for cell in cells if cell["axes"]["subset_seed"] == 0 and cell["axes"]["amount"] in amounts[:-2]
    ]
    known = {key for cell in learnt for key in keys_of(cell)}
    others = [cell for cell in cells if not known & set(keys_of(cell))]
    pace = calibrated(
        of_plan({key: artifacts[key] for key in known}, store, cluster), cluster.flops_per_second
    )
    print(f"learnt from {len(learnt)} cells (amounts {amounts[:-2]}), predicted {len(others)} others")
    for title, one in (("declared", declared(cluster.flops_per_second)), ("calibrated", pace)):
        print(f"{title:<11} {told(others, artifacts, store, one)}")


def keys_of(cell: Mapping[str, Any]) -> list[str]:
    """What is made for one cell alone."""
    keys = cell["artifacts"]
    return [keys["checkpoint"], *keys["completions"].values(), *keys["record"].values()]


def told(cells: Iterable[Mapping[str, Any]], artifacts: Mapping[str, Any], store: Store, pace: Pace) -> str:
    """Errors as shares of what was measured, cell by cell."""
    ratios, predicted_in_all, took_in_all = [], 0.0, 0.0
    for cell in cells:
        predicted = took = 0.0
        for key in keys_of(cell):
            one = artifacts[key]
            predicted += pace.seconds(one["kind"], one["spec"], one["cost"]["flops"])
            took += store.manifest(one["kind"], key)["provenance"]["seconds"]
        ratios.append(predicted / took)
        predicted_in_all, took_in_all = predicted_in_all + predicted, took_in_all + took
    errors = [abs(ratio - 1) for ratio in ratios]
    within = sum(error <= WITHIN for error in errors)
    return (
        f"{within} of {len(errors)} cells within {WITHIN:.0%}, median error {median(errors):.1%}, largest "
        f"{max(errors):.1%}; in all {predicted_in_all:.0f} s predicted, {took_in_all:.0f} s measured"
    )


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(Path(arguments[0] if arguments else "outputs"), arguments[1] if len(arguments) > 1 else "mini")
