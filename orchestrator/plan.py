"""From cells to the artifacts they need, each named by what makes it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator import amounts, bases, naming, sampled, trunks, validation
from orchestrator.cell import Benchmark, Cell
from orchestrator.identity import Artifact, canonical
from orchestrator.ledger import wanted
from orchestrator.pools import PoolPlanner
from orchestrator.prompts import text_of
from orchestrator.refusal import Refused
from orchestrator.settings import Way
from orchestrator.strategies import RejectionStrategy


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
class Audit:
    """A cell of a trunk and the same amount trained by itself."""

    way: Way
    shared: PlannedCell
    alone: PlannedCell


@dataclass(frozen=True)
class Plan:
    """What a study needs: its cells, and each artifact that leads to one of their records, once."""

    cells: tuple[PlannedCell, ...]
    artifacts: Mapping[str, Artifact]
    audits: tuple[Audit, ...] = ()


@dataclass
class Planner(PoolPlanner):
    """Derives artifacts from cells; what cells share is derived once."""

    def plan(self, points: Iterable[tuple[Mapping[str, Any], Cell]]) -> Plan:
        """Raises Refused for a cell that cannot be: amount above the pool, unreadable data, and so on."""
        cells: dict[str, PlannedCell] = {}
        for axes, cell in points:
            planned = self.cell(axes, cell)
            place = canonical(planned.axes)
            if place in cells and cells[place].records != planned.records:
                raise Refused(
                    f"two different cells are both called {naming.named(planned.axes)}: give the strategies "
                    "or models that they come from names of their own (strategy.name, model.name)"
                )
            cells.setdefault(place, planned)
        return self.finished(tuple(cells.values()))

    def finished(self, cells: tuple[PlannedCell, ...], audits: tuple[Audit, ...] = ()) -> Plan:
        """All that these cells and audits need."""
        return Plan(cells, trunks.grown(wanted(self.artifacts, complete=set())), audits)

    def cell(self, axes: Mapping[str, Any], cell: Cell) -> PlannedCell:
        """Derive all that one cell needs."""
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
            naming.axes_of(axes, cell, amount + self._riding(cell, seed)),
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
        if cell.train.trunk:
            riding = self._pool_size(seed, "examples") if seed else 0
            trunks.refuse(cell, amount + riding if cell.subset.unit == "examples" else None)
        spec = {
            "version": self.facts.versions()["checkpoint"],
            "train": self._once(("train", id(cell.train)), lambda: bases.recipe(cell.train)),
            "train_seed": cell.train_seed,
            "subset": _subset(cell, amount, pool),
            "prompt": text_of(cell.model.prompt),
            **bases.loading(cell),
        }
        inputs = {"base": base.key, "pool": pool.key, **({"seed": seed.key} if seed else {})}
        return self._artifact("checkpoint", spec, inputs, naming.label(cell, amount), {})

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
            asked = sampled.question(cell, benchmark, dict(source.identity), versions["completions"])
            answers = {
                "version": versions["record"],
                "grader": versions["grader"],
                "answer": benchmark.answer,
                "source": dict(source.identity),
            }
            return asked, answers, source.places

        return self._once(("benchmark", name, id(cell.evaluate), id(cell.model), id(cell.data)), derive)


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
