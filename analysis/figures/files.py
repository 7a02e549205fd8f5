"""Figures as files: PDF, SVG, PNG and PGF, the same bytes each time."""

import io
import warnings
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_pgf import RendererPgf
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from analysis.figures.style import Column
from analysis.latex import escaped

FORMATS = ("pdf", "svg", "png", "pgf")
METADATA: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
    "png": {"Software": None},
}
PGF_PAGE = r"""%% \usepackage{{pgf}}, then \input this file; its text is set in the fonts of the document.
\begingroup%
\makeatletter%
\begin{{pgfpicture}}%
\pgfpathrectangle{{\pgfpointorigin}}{{\pgfqpoint{{{width:f}in}}{{{height:f}in}}}}%
\pgfusepath{{use as bounding box, clip}}%
{drawing}\end{{pgfpicture}}%
\makeatother%
\endgroup%
"""


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as one of FORMATS."""
    # Fonts, salts and dates are those of the sheets, whatever the caller's own settings are.
    with matplotlib.style.context(Column.SINGLE.sheets[0]), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; tables and the page have it in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if kind == "pgf":
            return _pgf(figure).encode()
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata=METADATA[kind])
        return stream.getvalue()


def _pgf(figure: Figure) -> str:
    """The figure in TeX's own drawing commands, made without TeX."""
    drawing = io.StringIO()
    figure.draw(_Pgf(figure, drawing))
    width, height = figure.get_size_inches()
    return PGF_PAGE.format(width=width, height=height, drawing=drawing.getvalue())


class _Pgf(RendererPgf):
    """Names are escaped, and texts are measured in the font of the other formats.

    Matplotlib's own canvas measures them by running LaTeX, which few machines that fit curves have.
    """

    def __init__(self, figure: Figure, drawing: io.StringIO) -> None:
        super().__init__(figure, drawing)  # type: ignore[no-untyped-call]
        self.measure = RendererAgg(1, 1, figure.dpi)

    def draw_text(self, gc: Any, x: float, y: float, s: str, *args: Any, **kwargs: Any) -> None:
        super().draw_text(gc, x, y, escaped(s), *args, **kwargs)  # type: ignore[no-untyped-call]

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: Any
    ) -> tuple[float, float, float]:
        width, height, descent = self.measure.get_text_width_height_descent(s, prop, ismath)
        return width, height, descent
