"""How a study was done, from its plan and manifests: a paragraph for the paper, and a checklist."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

from analysis.grids import Grid
from analysis.provenance import Provenance
from analysis.results import Results
from analysis.settings import Settings

HOUR = 3600.0
ORDERS = {
    "breadth": "one row of every source before any second one",
    "rows": "over single rows",
    "grouped": "all rows of a source before the next source",
}
# What fits the curves; versions of what trains and generates are in the manifests.
FITTED_WITH = ("numpy", "scipy", "pandas")


@dataclass(frozen=True)
class Point:
    """One entry of the checklist."""

    group: str
    what: str
    answer: str


def paragraph(results: Results, provenance: Provenance) -> str:
    """The methods in prose; what is not known is said to be so."""
    settings = Settings(results.study)
    n_cells = sum(not cell["reference"] for cell in results.study.cells)
    return " ".join(
        [
            f"We fine-tuned {settings.told('model')} on nested subsets of {settings.told('amount')}"
            f" {settings.told('subset.unit')} from each of {len(results.strategies)} data strategies"
            f" ({', '.join(results.strategies)}), {n_cells} cells in all.",
            f"Subsets are prefixes of a keyed-hash order ({_order(settings)}), drawn anew for each of the"
            f" subset seeds {settings.told('subset_seed')}; training used the seeds"
            f" {settings.told('train_seed')}.",
            f"{_budget(settings)} ({settings.under('train')}).",
            f"Checkpoints were evaluated on {_benchmarks(results, settings)}, with {_decoding(settings)};"
            f" answers were graded by {_grader(results)}.",
            f"{_fitting(results)} {_excluded(results)} {_compute(provenance)}",
        ]
    )


def checklist(results: Results, provenance: Provenance) -> list[Point]:
    """What a reader needs to repeat the study and to judge its fits.

    The points are those of Li, Kudugunta and Zettlemoyer, "(Mis)Fitting", ICLR 2025, arXiv 2502.18969, and
    the seeds, budget convention, grading and compute of fine-tuning studies.
    """
    settings = Settings(results.study)
    groups = {
        "form": _form_points(results, settings),
        "training": _training_points(settings),
        "data collection": _collection_points(results, settings),
        "fit": _fit_points(results),
        "software and compute": _compute_points(provenance),
    }
    return [Point(group, what, answer) for group, points in groups.items() for what, answer in points]


def checklist_grid(points: list[Point]) -> Grid:
    """The checklist as a table."""
    first = {one.group: one for one in reversed(points)}
    rows = tuple((one.group if first[one.group] is one else "", one.what, one.answer) for one in points)
    return Grid(("", "point", "this study"), rows, 3)


def _form_points(results: Results, settings: Settings) -> Iterator[tuple[str, str]]:
    laws = dict.fromkeys(curve.fit.law.formula for curve in results.curves)
    yield "equation", "; ".join(laws) or "nothing fitted yet"
    yield "value", f"{results.metric.label.lower()}, {results.metric.unit}"
    with_seed = settings.told("subset.with_seed")
    yield (
        "amount",
        f"{settings.told('subset.unit')}, {settings.told('subset.axis')}; seed set rides along: {with_seed}",
    )
    yield "amounts", settings.told("amount")
    yield "held constant across amounts", _budget(settings)


def _training_points(settings: Settings) -> Iterator[tuple[str, str]]:
    yield "base model", settings.under("model")
    yield "recipe", settings.under("train")
    yield "subsets", f"prefixes of a keyed-hash order, {_order(settings)}"
    yield "subset seeds", settings.told("subset_seed")
    yield "train seeds", settings.told("train_seed")
    yield "strategies", settings.told("strategy")


def _collection_points(results: Results, settings: Settings) -> Iterator[tuple[str, str]]:
    present = results.table[results.table["state"] == "present"]
    yield "results", f"{len(present)} of {len(results.table)} (one per cell and benchmark)"
    yield "excluded", _excluded(results)
    yield "benchmarks", _benchmarks(results, settings)
    yield "decoding", _decoding(settings)
    yield "grader", _grader(results)
    yield "kept out of every pool", ", ".join(_decontaminated(results)) or "nothing"


def _fit_points(results: Results) -> Iterator[tuple[str, str]]:
    yield "method", _fitting(results)
    ends = dict.fromkeys(curve.fit.status.value for curve in results.curves)
    yield "how fits ended", ", ".join(ends) or "nothing fitted yet"
    flagged = sum(len(curve.odd) for curve in results.curves)
    yield "suspicious runs", f"{flagged}, named in the report, all kept in the fits"


def _compute_points(provenance: Provenance) -> Iterator[tuple[str, str]]:
    for name, values in provenance.facts.items():
        if name.split(".")[0] in ("packages", "python", "git_commit", "git_dirty", "code"):
            yield name.removeprefix("packages."), ", ".join(values)
    yield "curves fitted with", ", ".join(f"{name} {version(name)}" for name in FITTED_WITH)
    yield "hardware", ", ".join(provenance.facts.get("processor", {})) or "unknown"
    yield "compute", _compute(provenance)


def _budget(settings: Settings) -> str:
    unit, value = settings.told("train.budget.unit", ""), settings.told("train.budget.value", "")
    if not unit:
        return "How long a cell trains is not stated"
    consequence = {
        "epochs": "so steps grow with the amount",
        "steps": "so passes over the data shrink with the amount",
        "examples": "so passes over the data shrink with the amount",
    }
    return f"Every cell trains for {value} {unit}" + (f", {consequence[unit]}" if unit in consequence else "")


def _order(settings: Settings) -> str:
    return ", ".join(ORDERS.get(order, order) for order in settings.values("subset.order")) or "not stated"


def _benchmarks(results: Results, settings: Settings) -> str:
    present = results.table[results.table["state"] == "present"]
    told = []
    for name, role in results.roles.items():
        sizes = present.loc[present["benchmark"] == name, "n_items"].unique()
        items = " or ".join(f"{size:,}" for size in sizes) or "an unknown number of"
        told.append(f"{name} ({role.replace('_', ' ')}, {items} items)")
    return ", ".join(told)


def _decoding(settings: Settings) -> str:
    limits = dict.fromkeys(
        value
        for name in settings.names("evaluate.benchmarks")
        if name.endswith(".max_new_tokens")
        for value in settings.values(name)
    )
    temperatures = [name for name in settings.names("evaluate") if name.endswith("temperature")]
    how = f"temperature {settings.told(temperatures[0])}" if temperatures else "greedy decoding"
    return (
        f"{how}, at most {' or '.join(limits) or 'an unknown number of'} new tokens"
        f" ({settings.told('evaluate.engine')}, {settings.told('evaluate.dtype')})"
    )


def _grader(results: Results) -> str:
    records = [artifact for artifact in results.study.artifacts.values() if artifact["kind"] == "record"]
    specs = dict.fromkeys((one["spec"].get("answer"), one["spec"].get("grader")) for one in records)
    return ", ".join(f"rule {rule}, grader version {number}" for rule, number in specs) or "nothing yet"


def _decontaminated(results: Results) -> list[str]:
    cells = [cell["cell"].get("data", {}) for cell in results.study.cells]
    return list(dict.fromkeys(name for data in cells for name in data.get("decontaminate", {})))


def _fitting(results: Results) -> str:
    laws = ", ".join(dict.fromkeys(curve.fit.law.formula for curve in results.curves)) or "nothing yet"
    return (
        f"Curves are fits of {laws} to single runs; intervals are 95 %, their target is the benchmark as it"
        " is (its items are held fixed)."
    )


def _excluded(results: Results) -> str:
    n_missing = len(results.missing)
    if not n_missing:
        return "No measured run was excluded."
    return (
        f"No measured run was excluded; {n_missing} results have no record and are left out, not counted as"
        " zero."
    )


def _compute(provenance: Provenance) -> str:
    """GPU-hours where GPUs were used, CPU-hours where not."""
    gpu = sum(one.gpu_seconds for one in provenance.made)
    cpu = sum(one.cpu_seconds for one in provenance.made)
    if not gpu and not cpu:
        return "The manifests tell no compute time."
    spent, unit = (gpu, "GPU-hours") if gpu else (cpu, "CPU-hours")
    return f"Making the artifacts of this study took {spent / HOUR:.3g} {unit}."
