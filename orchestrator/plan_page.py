"""What `plan` prints for people: cells, artifacts, cost, subset sizes, anything suspicious."""

from collections import defaultdict
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from orchestrator import disk
from orchestrator.estimate import Cost
from orchestrator.expectation import designs, expectation
from orchestrator.identity import ALWAYS, KINDS
from orchestrator.prepare import Prepared
from orchestrator.price import bill
from orchestrator.progress import duration, size
from orchestrator.run import difference
from orchestrator.shapes import model_of
from orchestrator.spending import spending


def show(prepared: Prepared, console: Console) -> None:
    """Tables and notes; nothing is written anywhere else."""
    cluster = prepared.settings.cluster
    to_make = prepared.to_make
    console.print(f"study '{prepared.study.name}': {len(prepared.plan.cells)} cells", highlight=False)
    console.print(_subsets(prepared))
    console.print(_artifacts(prepared))
    left = _total(prepared.costs[key] for key in to_make)
    console.print(
        f"to make: {left.tokens:,} tokens, {left.flops:.2g} FLOPs; "
        f"about {duration(left.seconds / cluster.at_once)} with {cluster.at_once} at once "
        + _basis(prepared),
        highlight=False,
        soft_wrap=True,
    )
    asked = spending(to_make.values(), prepared.costs)
    of_training = (*_sharing(prepared), *_memory(prepared))
    for line in (*_disk(prepared), *of_training, *_bill(prepared), *asked, *_outlook(prepared)):
        console.print(line, highlight=False, soft_wrap=True)
    newest = prepared.study.latest() if prepared.study.plans.is_dir() else None
    if newest and newest[1]["cells"] != prepared.document()["cells"]:
        console.print(difference(newest[1], prepared.document()), highlight=False, soft_wrap=True)
    for note in prepared.notes:
        console.print(f"note: {note}", style="yellow", highlight=False, soft_wrap=True, markup=False)


def _basis(prepared: Prepared) -> str:
    if n_measured := prepared.pace.n_measured:
        return f"as {n_measured} artifacts took that were made here (cluster.calibrate)"
    return f"at {prepared.settings.cluster.flops_per_second:.2g} FLOP/s each (cluster.flops_per_second)"


def _subsets(prepared: Prepared) -> Table:
    table = Table(title="subsets", title_justify="left")
    for heading in ("strategy", "amounts (rows of the pool)", "seeds (subset, train)", "drawn as"):
        table.add_column(heading)
    amounts: dict[tuple[str, str], set[int]] = defaultdict(set)
    seeds: dict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
    for planned, drawn_as in zip(prepared.plan.cells, prepared.references, strict=True):
        group = (planned.cell.strategy.name, f"line '{drawn_as}'" if drawn_as else "points")
        amounts[group].add(planned.amount)
        seeds[group].add((planned.cell.subset_seed, planned.cell.train_seed))
    for group, sizes in amounts.items():
        pairs = ", ".join(f"({subset}, {train})" for subset, train in sorted(seeds[group]))
        table.add_row(group[0], ", ".join(str(size) for size in sorted(sizes)), pairs, group[1])
    return table


def _sharing(prepared: Prepared) -> Iterable[str]:
    """What trunks save of the training that is to be done."""
    made = alone = 0
    for key, artifact in prepared.to_make.items():
        cost = prepared.costs[key]
        if artifact.kind == "trunk" or cost.shared_tokens:
            made += cost.tokens
        if artifact.kind == "checkpoint" and cost.shared_tokens:
            alone += cost.tokens + cost.shared_tokens
    if alone:
        yield (
            f"trunks are shared: {made:,} tokens of training, and {alone:,} if each amount were trained by "
            f"itself: {1 - made / alone:.1%} fewer"
        )


def _disk(prepared: Prepared) -> Iterable[str]:
    if prepared.to_make:
        yield f"on disk: {prepared.need}; {disk.found(prepared.outputs, prepared.need).finding}"


def _memory(prepared: Prepared) -> Iterable[str]:
    """What the largest training of each model needs."""
    largest: dict[str, int] = {}
    for key, artifact in prepared.to_make.items():
        memory = prepared.costs[key].memory
        if memory is not None:
            model = model_of(artifact, prepared.plan.artifacts) or ""
            largest[model] = max(memory, largest.get(model, 0))
    for model, n_bytes in largest.items():
        yield (
            f"training {model} takes up to {size(n_bytes)} of a device's memory, with rows as long as "
            "model.context (cluster.compute.rows_at_once, .gradient_checkpointing)"
        )


def _bill(prepared: Prepared) -> Iterable[str]:
    cluster = prepared.settings.cluster
    found = bill(prepared.to_make, prepared.plan.artifacts, prepared.costs, cluster)
    if not found.gpu_hours:
        return
    if found.price is None:
        asked = "no price is declared (cluster.price_per_gpu_hour)"
    else:
        each = f"{cluster.price_per_gpu_hour:g} {cluster.currency} each"
        asked = f"{found.price:,.2f} {cluster.currency} at {each} (cluster.price_per_gpu_hour)"
    yield f"{found.gpu_hours:,.1f} GPU-hours: {asked}"


def _outlook(prepared: Prepared) -> Iterable[str]:
    """What the curves will show, before anything runs."""
    found = expectation(prepared)
    if found is None:
        return
    yield f"expected for {found.target}, {found.basis} (sd {found.run_sd:.2g} {found.unit}):"
    for design, one in zip(designs(prepared), found.designs, strict=True):
        where = f"  {len(design.amounts)} amounts x {design.seeds} seeds: "
        if one.half_width is None:
            yield f"{where}no interval, too few runs"
            continue
        yield f"{where}a slope to ±{one.half_width:.2g} {found.unit} per doubling (95 %)"
        if one.smallest_difference is not None:
            least = f"{one.smallest_difference:.2g} {found.unit}"
            yield f"    a difference of slopes from {least} on is found with {found.power:.0%} power"


def _artifacts(prepared: Prepared) -> Table:
    table = Table(title="artifacts", title_justify="left")
    table.add_column("kind")
    for heading in ("in all", "on disk", "to make", "tokens", "FLOPs", "time of one worker"):
        table.add_column(heading, justify="right")
    to_make = prepared.to_make
    for kind in KINDS:
        keys = [key for key, artifact in prepared.plan.artifacts.items() if artifact.kind == kind]
        if not keys and kind not in ALWAYS:
            continue
        missing = [key for key in keys if key in to_make]
        cost = _total(prepared.costs[key] for key in missing)
        on_disk = sum(key in prepared.complete for key in keys)
        row = (
            len(keys),
            on_disk,
            len(missing),
            f"{cost.tokens:,}",
            f"{cost.flops:.2g}",
            duration(cost.seconds),
        )
        table.add_row(kind, *(str(cell) for cell in row))
    return table


def _total(costs: Iterable[Cost]) -> Cost:
    known = list(costs)
    return Cost(
        sum(cost.tokens for cost in known),
        sum(cost.flops for cost in known),
        sum(cost.bytes for cost in known),
        sum(cost.seconds for cost in known),
    )
