"""Adapters to trackers of experiments. What they hold is a copy: no result is ever read from them.

Each writes one finished run. Names of servers and keys come from the environment that the tracker's own
documentation names (MLFLOW_TRACKING_URI, WANDB_API_KEY, WANDB_MODE, ...), and from nowhere else.
"""

import importlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.replay import TrackedRun
from orchestrator.refusal import Refused

Write = Callable[[Any, TrackedRun, Path], None]
# The tag by which a run is found again in MLflow.
KEY = "doublings.key"
# The most metrics that MLflow takes at once.
BATCH = 1000


@dataclass(frozen=True)
class Tracker:
    """The package that a tracker needs, and how a run is written with it."""

    package: str
    module: str
    write: Write

    def take(self, module: Any, run: TrackedRun, folder: Path) -> None:
        """Write a run; raises Refused, with the tracker's own words, where it does not take it."""
        try:
            self.write(module, run, folder)
        except Exception as error:
            told = " ".join(str(error).split())
            raise Refused(
                f"{self.package} did not take the run {run.name} ({type(error).__name__}: {told}): mend that "
                "and track again; what was copied before is kept"
            ) from error

    def loaded(self) -> Any:
        """The module. Raises Refused where the package is not installed."""
        try:
            return importlib.import_module(self.module)
        except ImportError as error:
            raise Refused(
                f"{self.package} cannot be imported ({error}): install it with `pip install {self.package}`"
            ) from error


def _tensorboard(module: Any, run: TrackedRun, folder: Path) -> None:
    shutil.rmtree(folder / run.key, ignore_errors=True)  # half of it, from a copy that was interrupted
    with module.SummaryWriter(str(folder / run.key)) as writer:
        writer.add_text("run", run.name)
        for step in run.steps:
            for name, value in _metrics(step).items():
                writer.add_scalar(f"training/{name}", value, int(step["step"]))
        last = int(run.steps[-1]["step"])
        for name, value in run.results.items():
            writer.add_scalar(name, value, last)


def _mlflow(module: Any, run: TrackedRun, folder: Path) -> None:
    client = module.MlflowClient()
    experiment = client.get_experiment_by_name(run.study)
    place = experiment.experiment_id if experiment else client.create_experiment(run.study)
    for half in client.search_runs([place], f"tags.`{KEY}` = '{run.key}'"):
        client.delete_run(half.info.run_id)
    begun = client.create_run(place, run_name=run.name, tags={KEY: run.key}).info.run_id
    entities = module.entities
    axes = [entities.Param(name, str(value)) for name, value in run.axes.items()]
    client.log_batch(begun, params=axes)
    courses = [
        entities.Metric(f"training/{name}", value, 0, int(step["step"]))
        for step in run.steps
        for name, value in _metrics(step).items()
    ]
    last = int(run.steps[-1]["step"])
    courses += [entities.Metric(name, value, 0, last) for name, value in run.results.items()]
    for first in range(0, len(courses), BATCH):
        client.log_batch(begun, metrics=courses[first : first + BATCH])
    client.set_terminated(begun)


def _wandb(module: Any, run: TrackedRun, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    begun = module.init(
        project=run.study, id=run.key, name=run.name, config=dict(run.axes), dir=str(folder), resume="allow"
    )
    for step in run.steps:
        metrics = {f"training/{name}": value for name, value in _metrics(step).items()}
        begun.log(metrics, step=int(step["step"]))
    begun.summary.update(dict(run.results))
    begun.finish()


def _metrics(step: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in step.items() if name != "step"}


TRACKERS = {
    "tensorboard": Tracker("tensorboardX", "tensorboardX", _tensorboard),
    "mlflow": Tracker("mlflow", "mlflow", _mlflow),
    "wandb": Tracker("wandb", "wandb", _wandb),
}
