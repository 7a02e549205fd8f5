"""Figures inside a page: the same drawing, its colours left to the page's theme."""

import re

from analysis.figures.style import COLOURS, INK, MUTED, PAPER, RULE

THEME = {INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper"}
THEME |= {colour: f"--series-{rank}" for rank, colour in enumerate(COLOURS)}

# On a screen 7.5 point text is read at about the size of the page's own tables.
PIXELS_PER_POINT = 1.9


def inline(drawing: bytes, name: str) -> str:
    """The `svg` element of a rendered figure: colours as CSS variables, ids that start with `name`."""
    text = drawing.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in THEME.items():
        text = text.replace(colour, f"var({variable})")
    # The view box keeps the proportions; the page may narrow a figure but not blow it up.
    width = float(re.findall(r'viewBox="0 0 ([\d.]+)', text)[0])
    opening = rf'<svg \1 style="max-width: {width * PIXELS_PER_POINT:.0f}px" role="img" aria-hidden="true">'
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', opening, text, count=1)
