"""What a study takes of GPUs, and what that costs at the declared price."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.estimate import Cost
from orchestrator.identity import Artifact
from orchestrator.settings import Cluster
from orchestrator.shapes import held


@dataclass(frozen=True)
class Bill:
    """GPU-hours, and their price in the cluster's currency; None where none is declared."""

    gpu_hours: float
    price: float | None


def bill(
    keys: Iterable[str], artifacts: Mapping[str, Artifact], costs: Mapping[str, Cost], cluster: Cluster
) -> Bill:
    """Of some artifacts: the time that each is predicted to take, for every GPU that its job holds."""
    seconds = sum(costs[key].seconds * held(cluster, artifacts[key], artifacts)[0] for key in keys)
    hours, price = seconds / 3600, cluster.price_per_gpu_hour
    return Bill(hours, None if price is None else hours * price)
