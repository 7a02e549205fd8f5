"""What the inference found, as tables of text: shapes, targets, data equivalence, sources of scatter."""

from collections.abc import Iterator

from analysis.equivalence import DataEquivalence
from analysis.grids import UNBOUNDED, Grid, setting_cells, told
from analysis.numerals import NOTHING, amount_text, number
from analysis.results import Results


def shapes(results: Results) -> Grid:
    """Whether each curve is log-linear: the word, why, and where it cannot be told what would tell."""
    head = ("benchmark", *results.study.settings, "strategy", "verdict", "because", "what would tell")
    rows = []
    for curve, found in zip(results.curves, results.verdicts, strict=True):
        names = (str(curve.group["benchmark"]), *setting_cells(curve.group, results))
        why = ("; ".join(found.reasons), "; or ".join(found.would_tell) or NOTHING)
        rows.append((*names, str(curve.group["strategy"]), found.word.value, *why))
    return Grid(head, tuple(rows), len(head))


def targets(results: Results) -> Grid:
    """Each number with an interval for this benchmark, and one for problems like these."""
    head = (
        *("benchmark", *results.study.settings, "strategy", "number"),
        *("estimate", "this benchmark", "problems like these", "items", "clusters"),
    )
    rows = []
    for one in results.targets:
        names = one.strategy if one.against is None else f"{one.strategy} − {one.against}"
        estimate, this = told(one.this_benchmark, results.metric.decimals + 1)
        _, like = told(one.problems_like_these, results.metric.decimals + 1)
        where = (str(one.group["benchmark"]), *setting_cells(one.group, results))
        rows.append(
            (*where, names, one.what, estimate, this, like, f"{one.n_items:,}", f"{one.n_clusters:,}")
        )
    return Grid(head, tuple(rows), 3 + len(results.study.settings))


def equivalences(results: Results) -> Grid:
    """What one example of the first strategy is worth in examples of the second."""
    head = ("benchmark", *results.study.settings, "strategies", "at", "worth", "95 % interval")
    rows = tuple(row for one in results.equivalences for row in _equivalence_rows(one, results))
    return Grid(head, rows, 3 + len(results.study.settings))


def variances(results: Results) -> Grid:
    """Sources of scatter, one column each."""
    names = dict.fromkeys(part.name for one in results.variances.values() for part in one.components)
    decimals = results.metric.decimals + 1
    rows = []
    for benchmark, one in results.variances.items():
        parts = {
            part.name: f"{number(part.sd, decimals)} ({100 * part.share:.0f} %)" for part in one.components
        }
        cells = (parts.get(name, NOTHING) for name in names)
        rows.append((benchmark, number(one.run_sd, decimals), *cells, str(one.degrees_of_freedom)))
    return Grid(("benchmark", "all runs", *names, "degrees of freedom"), tuple(rows), 1)


def _equivalence_rows(one: DataEquivalence, results: Results) -> Iterator[tuple[str, ...]]:
    names = (str(one.group["benchmark"]), *setting_cells(one.group, results), f"{one.first} : {one.second}")
    at = [] if one.parallel else [(amount_text(each.amount), each.ratio) for each in one.at]
    for where, factor in at or [("any amount", one.overall)]:
        if factor.low is None:
            yield (*names, where, number(factor.estimate, 2), UNBOUNDED)
        else:
            yield (*names, where, *told(factor, 2))
