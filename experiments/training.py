"""A training in progress, taken apart into named pieces and put together again bit for bit."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from experiments.batches import ShuffledBatches
from experiments.state import State, UnusableError

# What AdamW keeps for each weight.
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
DTYPES = {int: torch.int64, float: torch.float64}


@dataclass(frozen=True)
class Step:
    """What one step did: the same whoever trains, and from `seconds` on what was measured meanwhile."""

    step: int
    loss: float
    learning_rate: float
    n_tokens: int  # that count in the loss
    grad_norm: float
    n_examples: int
    n_read: int  # tokens of prompts and responses
    seconds: float
    n_padding: int  # places that held no token
    memory: int  # bytes: of a GPU the most so far, else what the process holds after the step


@dataclass(frozen=True)
class Training:
    """All that the next step depends on, and what the steps before it did."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    batches: ShuffledBatches
    steps: list[Step]

    def state(self) -> State:
        """Everything after the last step; the tensors are those in use, not copies."""
        tensors = {f"weights.{name}": weight.detach() for name, weight in self._weights().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": moments[name] for name in MOMENTS}
        tensors |= {f"random.{name}": state for name, state in _random_states().items()}
        for field in fields(Step):
            values = [getattr(step, field.name) for step in self.steps]
            tensors[f"course.{field.name}"] = torch.tensor(values, dtype=DTYPES[_type(field.name)])
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        return State(len(self.steps), contiguous, {"batches": self.batches.random_state()})

    def restore(self, state: State) -> None:
        """Go on as if this process had done those steps.

        Raises UnusableError where a piece is missing, superfluous or of another shape, or where the data
        would not go on as it did: before any weight is changed.
        """
        self._check_pieces(state.tensors)
        self.batches.seek(state.step)
        if self.batches.random_state() != state.facts.get("batches"):
            self.batches.seek(0)
            raise UnusableError("its data do not go on where this process would go on")
        self.take_weights(state)
        moments = {
            index: {name: state.tensors[f"optimizer.{index}.{name}"].clone() for name in MOMENTS}
            for index in self._indices()
        }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        _set_random_states(state.tensors)
        columns = [state.tensors[f"course.{field.name}"].tolist() for field in fields(Step)]
        self.steps[:] = [Step(*row) for row in zip(*columns, strict=True)]

    def take_weights(self, state: State) -> None:
        """Train on from these weights, and nothing else of a state."""
        with torch.no_grad():
            for name, weight in self._weights().items():
                weight.copy_(state.tensors[f"weights.{name}"])

    def _check_pieces(self, tensors: dict[str, Tensor]) -> None:
        weights = self._weights()
        wanted = {f"weights.{name}" for name in weights}
        wanted |= {f"optimizer.{index}.{name}" for index in self._indices() for name in MOMENTS}
        wanted |= {f"random.{name}" for name in _random_states()}
        wanted |= {f"course.{field.name}" for field in fields(Step)}
        if missing := sorted(wanted - tensors.keys()):
            raise UnusableError(f"it has no {missing[0]} (and {len(missing) - 1} more are missing)")
        if surplus := sorted(tensors.keys() - wanted):
            raise UnusableError(f"it has {surplus[0]}, which this training has not")
        for name, weight in weights.items():
            held = tensors[f"weights.{name}"]
            if (held.shape, held.dtype) != (weight.shape, weight.dtype):
                raise UnusableError(f"its {name} is {tuple(held.shape)} and not {tuple(weight.shape)}")

    def _weights(self) -> dict[str, Tensor]:
        """Parameters that are trained and buffers that are saved with a model, those that are tied once."""
        held: dict[int, tuple[str, Tensor]] = {}
        for name, tensor in self.model.state_dict(keep_vars=True).items():
            if tensor.requires_grad or not isinstance(tensor, torch.nn.Parameter):
                held.setdefault(id(tensor), (name, tensor))
        return dict(held.values())

    def _indices(self) -> list[int]:
        return [index for group in self.optimizer.state_dict()["param_groups"] for index in group["params"]]


def _random_states() -> dict[str, Tensor]:
    states = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _set_random_states(tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random.torch"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])


def _type(name: str) -> Any:
    return Step.__annotations__[name]
