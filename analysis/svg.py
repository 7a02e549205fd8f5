"""Figures inside a page: the same drawing, its colours left to the page's theme, its runs to the pointer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from analysis.figures.style import COLOURS, INK, MUTED, PAPER, RULE

THEME = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"}
THEME |= {colour: f"--series-{rank}" for rank, colour in enumerate(COLOURS)}

# On a screen 7.5 point text is read at about the size of the page's own tables.
PIXELS_PER_POINT = 1.9
# Points around a run that answer to the pointer.
REACH = 5.0
RUN = Markup('<a class="run" href="#{}" aria-label="{}"><circle cx="{:.1f}" cy="{:.1f}" r="{}"/></a>')


@dataclass(frozen=True)
class Spot:
    """A place in a figure that has something to say, as shares of width and height from the upper left."""

    x: float
    y: float
    text: str
    anchor: str


def inline(drawing: bytes, name: str, label: str, spots: Iterable[Spot] = ()) -> Markup:
    """The `svg` element of a rendered figure: colours as CSS variables, ids that start with `name`."""
    text = drawing.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in THEME.items():
        text = text.replace(colour, f"var({variable})")
    width, height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)[0])
    runs = [RUN.format(spot.anchor, spot.text, spot.x * width, spot.y * height, REACH) for spot in spots]
    # The view box keeps the proportions; the page may narrow a figure but not blow it up.
    size = f'viewBox="0 0 {width:g} {height:g}" style="max-width: {width * PIXELS_PER_POINT:.0f}px"'
    role = 'class="chart" role="group"' if runs else 'role="img"'
    opening = f'<svg {size} {role} aria-label="{escape(label)}">'
    text = re.sub(r"<svg [^>]*>", lambda _: opening, text, count=1)
    # Our own drawings, in which names are outlines, are the only markup that is let through.
    return Markup(text.replace("</svg>", f"{Markup().join(runs)}</svg>"))  # noqa: S704
