"""The pools that cells are trained on: what each is made from, and how much it offers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator import mixing, sampled
from orchestrator.artifacts import Store
from orchestrator.cell import Cell
from orchestrator.facts import Facts, held_out
from orchestrator.identity import Artifact, Kind, canonical, digest, key_of
from orchestrator.strategies import MixtureStrategy, RejectionStrategy, Strategy

T = TypeVar("T")
SERVER = "server"  # where a model answers, among the places of a pool beside the digests of its data


@dataclass
class PoolPlanner(ABC):
    """Derives pools from cells; what cells share is derived once."""

    facts: Facts
    store: Store
    artifacts: dict[str, Artifact] = field(default_factory=dict, init=False)
    # By the identity of the specs, which `check.cells` makes one object where they are equal. The plan's
    # cells keep them alive, so no identity is given out twice.
    _shared: dict[tuple[object, ...], Any] = field(default_factory=dict, init=False)

    @abstractmethod
    def _answers_of_sampled(self, cell: Cell, strategy: RejectionStrategy) -> Artifact:
        """What the fine-tuned model answers to the seed problems."""

    def _is_unwritten(self, pool: Artifact) -> bool:
        """Whether a model has yet to write some of it, so that nobody knows its size."""
        if self.store.has("pool", pool.key):
            return False
        parts = any(map(self._is_unwritten, self._parts(pool).values()))
        return parts or pool.spec["strategy"]["kind"] in ("llm", "rejection")

    def _pool_size(self, pool: Artifact, unit: str) -> int:
        strategy, name = pool.spec["strategy"], "n_rows" if unit == "examples" else "n_queries"
        if strategy["kind"] in ("symbolic", "annotated") and unit == "examples":
            return int(strategy["rows"])  # the generator gives exactly these, or refuses

        def size() -> dict[str, Any]:
            if self.store.has("pool", pool.key):
                summary: dict[str, Any] = self.store.manifest("pool", pool.key)["summary"]
                return summary
            if strategy["kind"] == "mixture":
                parts = {part: {name: self._pool_size(of, unit)} for part, of in self._parts(pool).items()}
                return {"parts": parts}
            return self.facts.pool_size(pool.spec, pool.places)

        sizes = self._once(("size", pool.key, unit), size)
        if strategy["kind"] == "mixture":
            of_parts = {part: int(known[name]) for part, known in sizes["parts"].items()}
            return sum(mixing.reach(of_parts, strategy["weights"]).values())
        return int(sizes[name])

    def _parts(self, pool: Artifact) -> dict[str, Artifact]:
        """The pools of the parts of a mixture."""
        keys = mixing.parts(pool.inputs)
        return {part: self.artifacts[key] for part, key in keys.items()}

    def _pool(self, cell: Cell, strategy: Strategy) -> Artifact:
        data = cell.data

        def derive() -> Artifact:
            seed = self.facts.source(data.seed, None)
            tests = [self.facts.source(source, None) for source in data.decontaminate.values()]
            chosen = strategy.model_dump(mode="json")
            places = {**seed.places, **{d: p for test in tests for d, p in test.places.items()}}
            inputs: dict[str, str] = {}
            if strategy.kind == "table":
                table = self.facts.source(strategy.source, None)
                chosen["source"] = dict(table.identity)
                places.update(table.places)
            elif strategy.kind == "llm":
                places[SERVER] = chosen.pop("server")
            elif isinstance(strategy, RejectionStrategy):
                inputs = {"completions": self._answers_of_sampled(cell, strategy).key}
            elif isinstance(strategy, MixtureStrategy):
                del chosen["parts"]  # which stand among the inputs
                pools = {part: self._pool(cell, of) for part, of in strategy.parts.items()}
                inputs = {mixing.role_of(part): pool.key for part, pool in pools.items()}
            spec = {
                "version": self.facts.versions()["pool"],
                "seed": dict(seed.identity),
                "strategy": chosen,
                "decontaminate": sorted((dict(test.identity) for test in tests), key=canonical),
            }
            if data.validation is not None:
                spec["validation"] = held_out(data.validation)
            return self._artifact("pool", spec, inputs, strategy.name, places)

        asker = (id(cell.model), id(cell.train), id(cell.evaluate), cell.subset.order)
        place = ("pool", id(data), id(strategy), *(asker if sampled.has_cell(strategy) else ()))
        return self._once(place, derive)

    def _artifact(
        self, kind: Kind, spec: dict[str, Any], inputs: dict[str, str], label: str, places: Mapping[str, Any]
    ) -> Artifact:
        # Completions and records share one spec per benchmark: hashed once, not once per cell.
        known, spec_digest = self._once(("digest", id(spec)), lambda: (spec, digest(spec)))
        key = key_of(kind, spec_digest, inputs)
        assert known is spec, "what is remembered is kept alive, so its identity is its own"
        if key not in self.artifacts:
            self.artifacts[key] = Artifact(kind, key, spec, inputs, places, label)
        return self.artifacts[key]

    def _once(self, name: tuple[object, ...], derive: Callable[[], T]) -> T:
        if name not in self._shared:
            self._shared[name] = derive()
        value: T = self._shared[name]
        return value
