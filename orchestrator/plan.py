"""From cells to the artifacts they need, each named by what makes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator import amounts, bases, validation
from orchestrator.artifacts import Store
from orchestrator.cell import Benchmark, Cell
from orchestrator.facts import Facts, held_out
from orchestrator.identity import Artifact, Kind, canonical, digest, key_of
from orchestrator.ledger import wanted
from orchestrator.prompts import text_of
from orchestrator.refusal import Refused
from orchestrator.specs import Data, SeedStrategy, Strategy

T = TypeVar("T")
SERVER = "server"  # where a model answers, among the places of a pool beside the digests of its data
SEEDS_ALONE = SeedStrategy(kind="seed", name="seed")


@dataclass(frozen=True)
class PlannedCell:
    """A cell, and the keys of all that it needs."""

    axes: Mapping[str, Any]
    cell: Cell
    amount: int  # rows (or queries) of the pool, resolved
    pool: str
    base: str
    checkpoint: str | None  # None: the base itself is evaluated
    completions: Mapping[str, str]  # benchmark -> key
    records: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What a study needs: its cells, and each artifact that leads to one of their records, once."""

    cells: tuple[PlannedCell, ...]
    artifacts: Mapping[str, Artifact]


@dataclass
class Planner:
    """Derives artifacts from cells; what cells share is derived once."""

    facts: Facts
    store: Store
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    # By the identity of the specs, which `check.cells` makes one object where they are equal. The plan's
    # cells keep them alive, so no identity is given out twice.
    _shared: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def plan(self, points: Iterable[tuple[Mapping[str, Any], Cell]]) -> Plan:
        """Raises Refused for a cell that cannot be: amount above the pool, unreadable data, and so on."""
        cells: dict[str, PlannedCell] = {}
        for axes, cell in points:
            planned = self._cell(axes, cell)
            place = canonical(planned.axes)
            if place in cells and cells[place].records != planned.records:
                raise Refused(
                    f"two different cells are both called {_named(planned.axes)}: give the strategies or "
                    "models that they come from names of their own (strategy.name, model.name)"
                )
            cells.setdefault(place, planned)
        return Plan(tuple(cells.values()), wanted(self.artifacts, complete=set()))

    def _cell(self, axes: Mapping[str, Any], cell: Cell) -> PlannedCell:
        amounts.parse(cell.amount)
        pool = self._pool(cell.data, cell.strategy)
        seed = self._pool(cell.data, SEEDS_ALONE)
        base = self._base(cell, seed)
        amount = self._amount(cell, pool, seed)
        if amount:
            checkpoint = self._checkpoint(cell, base, pool, amount, seed if cell.subset.with_seed else None)
        elif cell.subset.with_seed:
            # Nothing beside the seed set: the same thing as the seed set whole, and the same artifact.
            size = self._pool_size(seed, cell.subset.unit)
            checkpoint = self._checkpoint(cell, base, seed, size, None)
        else:
            checkpoint = None
        weights = checkpoint or base
        made_of = {"weights": weights.key}
        if checkpoint and cell.train.lora:
            made_of["base"] = base.key  # adapters are nothing without it
        tests = {name: self._evaluation(cell, name, weights, made_of) for name in cell.evaluate.benchmarks}
        return PlannedCell(
            _axes(axes, cell, amount + self._riding(cell, seed)),
            cell,
            amount,
            pool.key,
            base.key,
            checkpoint.key if checkpoint else None,
            {name: completions.key for name, (completions, _) in tests.items()},
            {name: record.key for name, (_, record) in tests.items()},
        )

    def _amount(self, cell: Cell, pool: Artifact, seed: Artifact) -> int:
        unit = cell.subset.unit
        if cell.strategy.kind == "llm" and not self.store.has("pool", pool.key):
            amounts.refuse_share(cell.amount, cell.strategy.name)
        return amounts.resolve(
            cell.amount,
            cell.subset,
            self._pool_size(pool, unit),
            self._riding(cell, seed),
            cell.strategy.name,
        )

    def _riding(self, cell: Cell, seed: Artifact) -> int:
        """Rows of the seed set that an amount counts as its own."""
        if not (cell.subset.with_seed and cell.subset.axis == "total"):
            return 0
        return self._pool_size(seed, cell.subset.unit)

    def _pool_size(self, pool: Artifact, unit: str) -> int:
        strategy = pool.spec["strategy"]
        if strategy["kind"] in ("symbolic", "annotated") and unit == "examples":
            return int(strategy["rows"])  # the generator gives exactly these, or refuses

        def size() -> dict[str, int]:
            if self.store.has("pool", pool.key):
                summary: dict[str, int] = self.store.manifest("pool", pool.key)["summary"]
                return summary
            return self.facts.pool_size(pool.spec, pool.places)

        sizes = self._once(("size", pool.key), size)
        return int(sizes["n_rows" if unit == "examples" else "n_queries"])

    def _pool(self, data: Data, strategy: Strategy) -> Artifact:
        def derive() -> Artifact:
            seed = self.facts.source(data.seed, None)
            tests = [self.facts.source(source, None) for source in data.decontaminate.values()]
            chosen = strategy.model_dump(mode="json")
            places = {**seed.places, **{d: p for test in tests for d, p in test.places.items()}}
            if strategy.kind == "table":
                table = self.facts.source(strategy.source, None)
                chosen["source"] = dict(table.identity)
                places.update(table.places)
            elif strategy.kind == "llm":
                places[SERVER] = chosen.pop("server")
            spec = {
                "version": self.facts.versions()["pool"],
                "seed": dict(seed.identity),
                "strategy": chosen,
                "decontaminate": sorted((dict(test.identity) for test in tests), key=canonical),
            }
            if data.validation is not None:
                spec["validation"] = held_out(data.validation)
            return self._artifact("pool", spec, {}, strategy.name, places)

        return self._once(("pool", id(data), id(strategy)), derive)

    def _base(self, cell: Cell, seed: Artifact) -> Artifact:
        def derive() -> Artifact:
            found = bases.origin(cell, seed, self.facts)
            return self._artifact("base", found.spec, found.inputs, cell.model.name, found.places)

        return self._once(("base", id(cell.model), id(cell.train), seed.key), derive)

    def _checkpoint(
        self, cell: Cell, base: Artifact, pool: Artifact, amount: int, seed: Artifact | None
    ) -> Artifact:
        spec = {
            "version": self.facts.versions()["checkpoint"],
            "train": self._once(("train", id(cell.train)), lambda: bases.recipe(cell.train)),
            "train_seed": cell.train_seed,
            "subset": {
                "n": amount,
                "unit": cell.subset.unit,
                "order": cell.subset.order,
                "seed": cell.subset_seed,
            },
            "prompt": text_of(cell.model.prompt),
            **bases.loading(cell),
        }
        inputs = {"base": base.key, "pool": pool.key, **({"seed": seed.key} if seed else {})}
        return self._artifact("checkpoint", spec, inputs, _label(cell, amount), {})

    def _evaluation(
        self, cell: Cell, name: str, weights: Artifact, made_of: dict[str, str]
    ) -> tuple[Artifact, Artifact]:
        """The completions and the record of one benchmark."""
        asked, answers, places = self._benchmark(cell, name)
        label = f"{weights.label} on {name}"
        completions = self._artifact("completions", asked, made_of, label, places)
        record = self._artifact("record", answers, {"completions": completions.key}, label, places)
        return completions, record

    def _benchmark(self, cell: Cell, name: str) -> tuple[dict[str, Any], dict[str, Any], Mapping[str, Any]]:
        benchmark: Benchmark = cell.evaluate.benchmarks[name]

        def derive() -> tuple[dict[str, Any], dict[str, Any], Mapping[str, Any]]:
            validation.check(cell, name)
            source = self.facts.source(benchmark.source, benchmark.answer)
            versions = self.facts.versions()
            asked = {
                "version": versions["completions"],
                "source": dict(source.identity),
                "prompt": text_of(benchmark.prompt or cell.model.prompt),
                "max_new_tokens": benchmark.max_new_tokens,
                "likelihood": benchmark.likelihood,
                "engine": cell.evaluate.engine,
                "dtype": cell.evaluate.dtype,
                "context": cell.model.context,
            }
            # What a greedy study does not say keeps its keys as they were.
            if benchmark.stop:
                asked["stop"] = list(benchmark.stop)
            if cell.evaluate.sampling:
                asked["sampling"] = cell.evaluate.sampling.model_dump(mode="json")
            answers = {
                "version": versions["record"],
                "grader": versions["grader"],
                "answer": benchmark.answer,
                "source": dict(source.identity),
            }
            return asked, answers, source.places

        return self._once(("benchmark", name, id(cell.evaluate), id(cell.model), id(cell.data)), derive)

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


def _axes(axes: Mapping[str, Any], cell: Cell, amount: int) -> dict[str, Any]:
    """What tells cells apart: what every study has, then whatever else this one varies."""
    known = {
        "model": cell.model.name,
        "strategy": cell.strategy.name,
        "amount": amount,
        "subset_seed": cell.subset_seed,
        "train_seed": cell.train_seed,
    }
    # `seed` only moves the other two.
    return {**known, **{name: value for name, value in axes.items() if name not in (*known, "seed")}}


def _named(axes: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in axes.items())


def _label(cell: Cell, amount: int) -> str:
    seeds = (
        f"seed {cell.train_seed}"
        if cell.subset_seed == cell.train_seed
        else f"subset seed {cell.subset_seed}, train seed {cell.train_seed}"
    )
    return f"{cell.strategy.name} {amount} {seeds}"
