"""From cells to the artifacts they need, each named by what makes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator import amounts, bases, mixing, sampled
from orchestrator.artifacts import Store
from orchestrator.cell import Benchmark, Cell
from orchestrator.facts import Facts
from orchestrator.identity import Artifact, Kind, canonical, digest, key_of
from orchestrator.ledger import wanted
from orchestrator.prompts import text_of
from orchestrator.refusal import Refused
from orchestrator.specs import MixtureStrategy, RejectionStrategy, Strategy

T = TypeVar("T")
SERVER = "server"  # where a model answers, among the places of a pool beside the digests of its data


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
        pool = self._pool(cell, cell.strategy)
        seed = self._pool(cell, sampled.SEEDS_ALONE)
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
        made_of = _made_of(cell, checkpoint, base)
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
        if self._is_unwritten(pool):
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
            return self._artifact("pool", spec, inputs, strategy.name, places)

        asker = (id(cell.model), id(cell.train), id(cell.evaluate), cell.subset.order)
        place = ("pool", id(data), id(strategy), *(asker if sampled.has_cell(strategy) else ()))
        return self._once(place, derive)

    def _answers_of_sampled(self, cell: Cell, strategy: RejectionStrategy) -> Artifact:
        """What the fine-tuned model answers to the seed problems."""
        tutor = sampled.sampled(cell, strategy)
        seed = self._pool(tutor, sampled.SEEDS_ALONE)
        base = self._base(tutor, seed)
        checkpoint = self._checkpoint(tutor, base, seed, self._pool_size(seed, "examples"), None)
        source = self.facts.source(cell.data.seed, None)
        version = self.facts.versions()["completions"]
        asked = sampled.question(tutor, sampled.wish(cell, strategy), dict(source.identity), version)
        label = f"{checkpoint.label} on its seed problems"
        made_of = _made_of(tutor, checkpoint, base)
        return self._artifact("completions", asked, made_of, label, source.places)

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
            "subset": _subset(cell, amount, pool),
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
            source = self.facts.source(benchmark.source, benchmark.answer)
            versions = self.facts.versions()
            asked = sampled.question(cell, benchmark, dict(source.identity), versions["completions"])
            answers = {
                "version": versions["record"],
                "grader": versions["grader"],
                "answer": benchmark.answer,
                "source": dict(source.identity),
            }
            return asked, answers, source.places

        return self._once(("benchmark", name, id(cell.evaluate), id(cell.model)), derive)

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


def _made_of(cell: Cell, checkpoint: Artifact | None, base: Artifact) -> dict[str, str]:
    """What answers come from; adapters are nothing without their base."""
    if checkpoint is None:
        return {"weights": base.key}
    return {"weights": checkpoint.key, **({"base": base.key} if cell.train.lora else {})}


def _subset(cell: Cell, amount: int, pool: Artifact) -> dict[str, Any]:
    chosen = {
        "n": amount,
        "unit": cell.subset.unit,
        "order": cell.subset.order,
        "seed": cell.subset_seed,
    }
    if pool.spec["strategy"]["kind"] == "mixture":
        chosen["weights"] = pool.spec["strategy"]["weights"]
    return chosen


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
