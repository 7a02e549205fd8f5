"""The sweeper that Hydra finds: hands the declared axes to the orchestrator, and the grid to the task."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SweeperConfig:
    """What `hydra.sweeper` may declare."""

    _target_: str = "hydra_plugins.doublings_sweeper.DoublingsSweeper"
    params: dict[str, Any] = field(default_factory=dict)  # axis -> values
    zip: list[Any] = field(default_factory=list)  # groups of axes that move together
    exclude: list[str] = field(default_factory=list)  # expressions over axes
    also: list[Any] = field(default_factory=list)  # further grids, by what they change of the first


ConfigStore.instance().store(
    group="hydra/sweeper", name="doublings", node=SweeperConfig, provider="doublings"
)


class DoublingsSweeper(Sweeper):
    """Composes the whole grid at once and calls the task with it, once."""

    def __init__(self, **declared: Any) -> None:
        self.declared = declared

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra knows."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Calls the task with the grid of the declared axes and the overrides of the command line."""
        # Hydra imports this file in every Hydra program of the environment: the rest only where it is used.
        compose = import_module("orchestrator.compose")
        assert self.hydra_context is not None
        return self.task_function(
            compose.grid(self.hydra_context.config_loader, self.config, arguments, self.declared)
        )
