"""How much of one kind of data is worth as much as another, as a forest plot of ratios."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from analysis.equivalence import NOT_IDENTIFIED, DataEquivalence
from analysis.figures.forest import Forest, Row, forest
from analysis.figures.style import Column
from analysis.least_squares import UNKNOWN
from analysis.numerals import amount_text
from analysis.words import place

DECIMALS = 2


def equivalence(equivalences: Sequence[DataEquivalence], column: Column) -> Figure:
    """A section per pair: one ratio where slopes may be equal, else those at the ends of what both reach."""
    sections = []
    for rank, one in enumerate(equivalences):
        sections.append(
            (f"{one.first} : {one.second} ({place(one.group, one.group)})", list(_rows(one, rank)))
        )
    abscissa = "Examples of the second that one of the first is worth"
    return forest(Forest(sections, abscissa, 1.0, DECIMALS, ratios=True), column)


def _rows(one: DataEquivalence, rank: int) -> Iterator[Row]:
    at = {f"at {amount_text(each.amount)}": each.ratio for each in one.at}
    ends = dict([*at.items()][:1] + [*at.items()][-1:])
    shown = {"any amount": one.overall} if one.parallel or not ends else ends
    for label, factor in shown.items():
        yield Row(label, factor if factor.low is not None else UNKNOWN, rank, NOT_IDENTIFIED)
