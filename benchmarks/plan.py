"""How long 10,000 cells take to compose, to validate and to plan, beside Hydra's own composition.

python benchmarks/plan.py
"""

import tempfile
import time
from collections.abc import Sequence

import hydra
from omegaconf import OmegaConf

from orchestrator import check, compose
from orchestrator.cell import Cell
from orchestrator.prepare import prepare

CHOICES = {"strategy": ["queries", "numbers"], "evaluate": ["[mini_test]", "[mini_test,mini_ood]"]}
LEAVES = {
    "amount": [2**power for power in range(3, 13)],
    "seed": range(25),
    "train.learning_rate": [step / 10000 for step in range(1, 11)],
}
AXES = [f"{name}={','.join(map(str, values))}" for name, values in {**CHOICES, **LEAVES}.items()]
SAMPLE = 100  # cells that Hydra composes by itself


def main() -> None:
    """Prints one line per step."""
    with tempfile.TemporaryDirectory() as outputs:
        compose.run(["study=benchmark", f"outputs={outputs}", *AXES], lambda grid: measure(grid, STARTED))


def measure(grid: compose.Grid, started: float) -> int:
    """The steps behind composition, and Hydra's own way for the first cells of the grid."""
    composed = time.perf_counter()
    cells = list(check.cells(grid.points))
    validated = time.perf_counter()
    prepared = prepare(check.settings(grid.settings), cells, grid.notes)
    planned = time.perf_counter()
    sample = [grid.points[index] for index in range(0, len(grid.points), len(grid.points) // SAMPLE)]
    hydras = hydras_seconds(sample) * len(cells) / len(sample)
    print(f"{len(cells)} cells, {len(prepared.plan.artifacts)} artifacts")
    print(f"compose            {composed - started:7.2f} s")
    print(f"validate           {validated - composed:7.2f} s")
    print(f"plan and estimate  {planned - validated:7.2f} s")
    print(f"all                {planned - started:7.2f} s")
    print(f"Hydra and pydantic {hydras:7.0f} s to compose and validate, from {len(sample)} cells")
    print(f"ratio              {hydras / (validated - started):7.0f}")
    return 0


def hydras_seconds(points: Sequence[compose.Point]) -> float:
    """What a program without a sweeper of its own would do for every cell."""
    with hydra.initialize_config_dir(str(compose.CONF), version_base="1.3"):
        begun = time.perf_counter()
        for point in points:
            overrides = [f"{name}={value}" for name, value in point.axes.items()]
            config = hydra.compose("config", ["study=benchmark", *overrides])
            plain = {key: config[key] for key in compose.CELL_KEYS}
            cell = OmegaConf.to_container(OmegaConf.create(plain), resolve=True)
            assert Cell.model_validate(cell) == Cell.model_validate(point.config)
        return time.perf_counter() - begun


STARTED = time.perf_counter()

if __name__ == "__main__":
    main()
