"""Which figures a study has, and each as files for a paper and as a picture in the page."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from analysis import figures
from analysis.distribution import find_distribution, read_distribution
from analysis.domains import pairings
from analysis.figures import Column, rendered
from analysis.panels import Panels, study_panels
from analysis.results import Results
from analysis.svg import Spot, inline
from analysis.traces import traces


def _no_spots(figure: Figure) -> Iterable[Spot]:
    return ()


@dataclass(frozen=True)
class Drawing:
    """One figure: what it shows, how it is drawn for a column, and what of it answers to the pointer."""

    name: str
    caption: str
    draw: Callable[[Column], Figure]
    spots: Callable[[Figure], Iterable[Spot]] = _no_spots


@dataclass(frozen=True)
class Drawn:
    """A figure as files at both widths, and inside the page for wide and for narrow screens."""

    name: str
    caption: str
    files: dict[str, bytes]
    wide: Markup
    narrow: Markup


def drawings_of(results: Results) -> list[Drawing]:
    """Every figure that there is something to draw for; the first is the scaling figure, whose runs answer.

    Raises Refused where the study's table of the distribution of queries cannot be used.
    """
    panels = study_panels(results)
    scaling, *others = panel_drawings(panels)

    def spots(figure: Figure) -> Iterator[Spot]:
        for part in figures.marks(figure, panels):
            for (x, y), run in zip(part.places.tolist(), traces(results, part.curve), strict=True):
                yield Spot(x, y, run.text, run.anchor)

    return [Drawing(scaling.name, scaling.caption, scaling.draw, spots), *others, *_study_drawings(results)]


def panel_drawings(panels: Panels) -> list[Drawing]:
    """The figures that curves alone give."""
    what = panels.metric.label
    scaling = Drawing(
        "scaling",
        f"{what} against the amount of training data. Each mark is one run, each line the fitted law, each"
        " band the 95 % interval of its mean. Marks of different series are set slightly apart sideways;"
        " dotted horizontals are references.",
        lambda column: figures.scaling(panels, column),
    )
    slopes = Drawing(
        "slopes",
        "What each doubling of the data buys, with 95 % intervals.",
        lambda column: figures.slopes(panels, column),
    )
    residuals = Drawing(
        "residuals",
        "What the law leaves: run minus law, and its mean at each amount. A bend in the means is a misfit.",
        lambda column: figures.residuals(panels, column),
    )
    bars = Drawing(
        "bars",
        f"{what} at equal amounts: mean over runs, its 95 % t interval, and the runs as dots.",
        lambda column: figures.bars(panels, column),
    )
    return [scaling, slopes, residuals, *([bars] if len(panels.series) > 1 else [])]


def drawn(drawing: Drawing, formats: Sequence[str]) -> Drawn:
    """The figure for the page, and as files of these formats."""
    files: dict[str, bytes] = {}
    pictures: dict[Column, Markup] = {}
    for column in Column:
        figure, name = drawing.draw(column), f"{drawing.name}-{column}"
        svg = rendered(figure, "svg")
        files |= {f"{name}.{kind}": svg if kind == "svg" else rendered(figure, kind) for kind in formats}
        pictures[column] = inline(svg, name, drawing.caption, drawing.spots(figure))
    return Drawn(drawing.name, drawing.caption, files, pictures[Column.DOUBLE], pictures[Column.SINGLE])


def _study_drawings(results: Results) -> Iterator[Drawing]:
    pairs = pairings(results)
    if pairs:
        yield Drawing(
            "domains",
            "Out of domain against in domain: the mean of each amount, larger marks for larger amounts; dots"
            " are single checkpoints.",
            lambda column: figures.domains(pairs, results.metric, column),
        )
    if results.equivalences:
        yield Drawing(
            "equivalence",
            "Data equivalence: how many examples of the second strategy one of the first is worth, with"
            " Fieller's 95 % intervals; a mark without an interval is not identified.",
            lambda column: figures.equivalence(results.equivalences, column),
        )
    if results.variances:
        yield Drawing(
            "components",
            "Where the scatter of runs about the means of their amounts comes from.",
            lambda column: figures.components(results.variances, results.metric, column),
        )
    table = find_distribution(results.study.folder.root)
    if table is not None:
        queries = read_distribution(table)
        yield Drawing(
            "distribution",
            f"Where the queries of pools and benchmarks lie ({table.name}).",
            lambda column: figures.distribution(queries, column),
        )
