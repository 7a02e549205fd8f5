"""How figures look: sizes, colours that colour-blind readers tell apart, files."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

STYLE = Path(__file__).parents[1] / "styles" / "paper.mplstyle"
INK, MUTED, RULE, PAPER = "#1a1a1a", "#6b6b6b", "#dcdcdc", "#ffffff"
DOUBLE_COLUMN, SINGLE_COLUMN, PANEL_HEIGHT = 6.75, 3.4, 2.4  # inches
LINE_HEIGHT = 0.17  # inches, of a title or a row of the legend
LONGEST = 30  # letters of a name, which fit a single column


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn, told apart by colour, marker and dashes alike."""

    colour: str
    marker: str
    dashes: Any

    @property
    def marks(self) -> dict[str, Any]:
        """How its runs are drawn."""
        face = {"markerfacecolor": PAPER, "markeredgecolor": self.colour}
        return {"marker": self.marker, "linestyle": "none", **face}


# Okabe and Ito's colours (jfly.uni-koeln.de/color), which colour-blind readers tell apart. The lists differ
# in length, so that more strategies than colours still differ in something.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (4, 1.2, 1, 1.2)), (0, (1.2, 1.2)), (0, (8, 1.5)))
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgecolor": INK,
    "markeredgewidth": 0.6,
    "linestyle": "none",
}


def look_of(rank: int) -> Look:
    """How the strategy of that rank is drawn."""
    return Look(COLOURS[rank % len(COLOURS)], MARKERS[rank % len(MARKERS)], DASHES[rank % len(DASHES)])


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as `pdf`, `svg` or `png`, the same bytes each time."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
    stream = io.BytesIO()
    with matplotlib.style.context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; tables and the page have it in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format=kind, metadata=metadata[kind])
    return stream.getvalue()


def plain(text: str) -> str:
    """A name as it is, but for its middle where it is long: a dollar starts no formula, `_` hides nothing."""
    lines = [line if len(line) <= LONGEST else f"{line[:15]}…{line[-14:]}" for line in text.split("\n")]
    whole = "\n".join(lines)
    return "\u200b" * whole.startswith("_") + whole.replace("$", r"\$")
