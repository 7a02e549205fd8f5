"""Several processes train one model: each computes the gradient of its share of every batch.

Batches and the tokens that a loss is a mean of stay those of one process, so weights differ from what it
would train in rounding alone. A process by itself is rank 0 of 1, for which nothing here does anything.
"""

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from experiments.batches import Batch
from experiments.state import State
from experiments.training import Training

# While rank 0 saves, all others wait: a large state on a slow disk takes long.
PATIENCE = timedelta(hours=2)
FIRST = 0


class Ended(Exception):
    """Rank 0 does not go on; it knows why."""


def meeting_place(host: str, size: int) -> Any:
    """Where so many processes find each other; its `port` is one that was free."""
    store = dist.TCPStore  # type: ignore[attr-defined]
    return store(host, 0, size, is_master=True, timeout=PATIENCE, wait_for_workers=False)


def follow() -> None:
    """Join as the environment says: RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT."""
    place = os.environ
    size = int(place["WORLD_SIZE"])
    host, port = place["MASTER_ADDR"], int(place["MASTER_PORT"])
    store = dist.TCPStore(host, port, size, is_master=False, timeout=PATIENCE)  # type: ignore[attr-defined]
    join(store, int(place["RANK"]), size, int(place["LOCAL_RANK"]))


def join(store: Any, rank: int, size: int, device: int) -> None:
    """Become one of so many; the store is where they meet, the device that of this node."""
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)


def leave() -> None:
    """Be by oneself again."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Which of them this process is."""
    return dist.get_rank() if dist.is_initialized() else FIRST


def size() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def my_parts(batch: Batch, n_parts: int) -> list[Batch]:
    """The share of this process in a batch that is taken in about so many parts in all."""
    in_all = -(-n_parts // size()) * size()
    return list(islice(batch.parts(in_all), rank(), None, size()))


def add_gradients(weights: Iterable[Tensor]) -> None:
    """Leave every process with the gradient of the whole batch."""
    if size() == 1:
        return
    at_work = []
    for weight in weights:
        if weight.grad is None:  # there were fewer rows than processes
            weight.grad = torch.zeros_like(weight)
        at_work.append(dist.all_reduce(weight.grad, async_op=True))
    for one in at_work:
        one.wait()


def add(value: float) -> float:
    """The sum over all processes."""
    if size() == 1:
        return value
    total = torch.tensor(value, dtype=torch.float64)
    dist.all_reduce(total)
    return total.item()


def first_decides(action: Callable[[], None]) -> None:
    """Have rank 0 do it, while the others wait. Raises what it raises there, and Ended elsewhere."""
    if size() == 1:
        action()
        return
    done = torch.zeros(1)
    try:
        if rank() == FIRST:
            action()
            done += 1
    finally:
        dist.broadcast(done, FIRST)
    if not done:
        raise Ended


def begin_step(number: int, seed: int) -> None:
    """Draw dropout as no other process does: from the seed, the step and the rank.

    Rank 0 goes on as a process by itself would, and its state is the one that is saved.
    """
    if rank() != FIRST:
        torch.manual_seed(((seed * 1_000_003 + number) * 4_099 + rank()) % 2**63)


def hand_out(training: Training) -> None:
    """Bring every process to where rank 0 stands."""
    if size() == 1:
        return
    mine = training.state() if rank() == FIRST else None
    told = [None if mine is None else (mine.step, mine.facts, _kinds(mine.tensors))]
    dist.broadcast_object_list(told, FIRST)
    assert told[0] is not None, "rank 0 has told"
    step, facts, kinds = told[0]
    tensors: dict[str, Tensor] = {} if mine is None else mine.tensors
    for name, (shape, dtype, device) in kinds.items():
        if mine is None:
            tensors[name] = torch.empty(shape, dtype=dtype, device=device)
        dist.broadcast(tensors[name], FIRST)
    if mine is None:
        _take_over(training, State(step, tensors, facts))


def _take_over(training: Training, state: State) -> None:
    if state.step:
        training.restore(state)
    else:  # the optimizer has nothing yet
        training.take_weights(state)


def _kinds(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype, str]]:
    return {name: (tensor.shape, tensor.dtype, tensor.device.type) for name, tensor in tensors.items()}
