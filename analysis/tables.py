"""Which tables a study has, each once for the page and once for a paper."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis import findings, grids, pools
from analysis.grids import Grid
from analysis.methods import checklist, checklist_grid, paragraph
from analysis.metric import ACCURACY
from analysis.provenance import Provenance
from analysis.results import Results
from analysis.typeset import latex, latex_text, markdown, markdown_text


@dataclass(frozen=True)
class Table:
    """A grid under its caption; `name` is that of its files."""

    name: str
    caption: str
    grid: Grid


def tables_of(results: Results, provenance: Provenance) -> list[Table]:
    """Every table that has rows."""
    unit = results.metric.unit
    tables = [
        Table("fits", f"Fits, in {unit}, with 95 % intervals.", grids.fits(results)),
        Table("shapes", "Is it log-linear?", findings.shapes(results)),
        Table(
            "targets",
            f"Two targets: 95 % intervals for this benchmark, and for problems like these, in {unit}.",
            findings.targets(results),
        ),
        *_measured(results),
        Table("comparisons", f"Differences at equal amounts in {unit}.", grids.comparisons(results)),
        Table(
            "transfers",
            f"Slopes in and out of domain, {unit} per doubling, and their ratio.",
            grids.transfers(results),
        ),
        Table(
            "equivalences",
            "Data equivalence: examples of the second strategy that one of the first is worth.",
            findings.equivalences(results),
        ),
        Table(
            "variances",
            f"Where the scatter of runs comes from: standard deviations in {unit} (share of the variance).",
            findings.variances(results),
        ),
        Table("grading", "How answers were graded, over all runs.", grids.grading(results)),
        Table("yields", "Pools: what was asked for, kept and lost.", pools.yields(results.study)),
        Table("mixtures", "Parts of mixtures.", pools.parts(results.study)),
        Table("artifacts", "Artifacts, and the time they took.", grids.made(provenance)),
        Table("missing", "Results without a record.", grids.missing(results)),
        Table("checklist", "Reproducibility checklist.", checklist_grid(checklist(results, provenance))),
    ]
    return [table for table in tables if table.grid.rows]


def table_files(results: Results, provenance: Provenance) -> dict[str, str]:
    """Names and contents: each table, and the methods, as LaTeX and as Markdown."""
    files = {}
    for table in tables_of(results, provenance):
        files[f"{table.name}.tex"] = latex(table.grid, table.caption, table.name)
        files[f"{table.name}.md"] = markdown(table.grid, table.caption)
    methods = paragraph(results, provenance)
    return {**files, "methods.tex": latex_text(methods), "methods.md": f"{markdown_text(methods)}\n"}


def _measured(results: Results) -> Iterator[Table]:
    metrics = [results.metric] if results.metric is ACCURACY else [results.metric, ACCURACY]
    for metric in metrics:
        what = "percent" if metric is ACCURACY else metric.unit
        for number, benchmark in enumerate(results.roles, start=1):
            name = f"{metric.id}-{number}"
            caption = f"{metric.label} on {benchmark}, {what}: mean (number of runs)."
            yield Table(name, caption, grids.means(results, benchmark, metric))
            references = grids.references(results, benchmark, metric)
            yield Table(f"{name}-references", f"References on {benchmark}.", references)
