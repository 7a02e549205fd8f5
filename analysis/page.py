"""The report page: one self-contained HTML file, everything in it escaped."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from analysis import findings, grids, pools
from analysis.drawings import Drawn
from analysis.methods import checklist, checklist_grid, paragraph
from analysis.metric import ACCURACY, Metric
from analysis.numerals import NOTHING
from analysis.provenance import Provenance
from analysis.results import Results
from analysis.tables import tables_of
from analysis.traces import RECORDS, record_anchor, source_head, sources
from analysis.words import Answer, place

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Measured:
    """What one benchmark measured: means per amount, and of the references."""

    metric: Metric
    benchmark: str
    role: str
    name: str  # of its files
    means: grids.Grid
    references: grids.Grid


def render(
    results: Results, provenance: Provenance, answers: list[Answer], pictures: Sequence[Drawn], csv: str
) -> str:
    """The page. `csv` is the results table, which the page carries for download."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "chart.js").read_text(encoding="utf-8")
    metrics = [results.metric] if results.metric is ACCURACY else [results.metric, ACCURACY]
    return environment.get_template("report.html.j2").render(
        study=results.study,
        metric=results.metric,
        answers=answers,
        pictures={picture.name: picture for picture in pictures},
        # The one script of the page is a file of ours, and its digest the only one that is allowed to run.
        script=Markup(script),  # noqa: S704
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        fits=grids.fits(results),
        means=[
            Measured(
                metric,
                benchmark,
                role.replace("_", " "),
                f"{metric.id}-{number}",
                grids.means(results, benchmark, metric),
                grids.references(results, benchmark, metric),
            )
            for metric in metrics
            for number, (benchmark, role) in enumerate(results.roles.items(), start=1)
        ],
        comparisons=grids.comparisons(results),
        transfers=grids.transfers(results),
        shapes=findings.shapes(results),
        targets=findings.targets(results),
        equivalences=findings.equivalences(results),
        variances=findings.variances(results),
        grading=grids.grading(results),
        remarks=_remarks(results, provenance),
        yields=pools.yields(results.study),
        mixtures=pools.parts(results.study),
        made=grids.made(provenance),
        missing=grids.missing(results),
        methods=paragraph(results, provenance),
        checklist=checklist_grid(checklist(results, provenance)),
        provenance=provenance,
        n_items=_items(results),
        source_head=source_head(results),
        sources=sources(results),
        record_anchor=record_anchor,
        records=RECORDS,
        tables=[table.name for table in tables_of(results, provenance)],
        csv_uri=f"data:text/csv;charset=utf-8;base64,{base64.b64encode(csv.encode()).decode()}",
    )


def _remarks(results: Results, provenance: Provenance) -> dict[str, list[str]]:
    """What is odd, each with all the places where it is."""
    remarks: dict[str, list[str]] = {}
    for what, where in _odd(results, provenance):
        remarks.setdefault(what, []).append(where)
    return remarks


def _odd(results: Results, provenance: Provenance) -> Iterator[tuple[str, str]]:
    yield from ((note, "the study") for note in results.notes)
    for name in provenance.mixed:
        yield f"artifacts of this study mix {name}: {', '.join(provenance.facts[name])}", "the study"
    for curve in results.curves:
        yield from ((what, place(curve.group, curve.group)) for what in curve.warnings)
    for pair in results.comparisons:
        where = f"{place(pair.group, pair.group)}, {pair.first} − {pair.second}"
        yield from ((what, where) for what in pair.notes)
    for transfer in results.transfers:
        where = f"{place(transfer.group, transfer.group)}, {transfer.in_domain} → {transfer.out_of_domain}"
        yield from ((what, where) for what in transfer.notes)


def _items(results: Results) -> dict[str, str]:
    """How many items each benchmark has, as the records count them."""
    present = results.table[results.table["state"] == "present"]
    sizes = present.groupby("benchmark", sort=False)["n_items"].agg(["min", "max"])
    ranges = {
        str(name): f"{row['min']:,}" if row["min"] == row["max"] else f"{row['min']:,} to {row['max']:,}"
        for name, row in sizes.iterrows()
    }
    return {benchmark: ranges.get(benchmark, NOTHING) for benchmark in results.roles}
