"""The report page as a browser shows it, light and dark, wide and narrow; pytest keeps the pictures."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.image import imread

from analysis.report import report
from tests.analysis.toy import ToyStudy

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: `make system` installs it"),
]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars"]
SCHEMES = {"dark": 0, "light": 1}  # of Blink's setting preferredColorScheme
HEIGHTS = {1200: 2600, 390: 4800}
# What the page tells the frame around it: its width, what it would need, how many boxes stick out.
PROBE = """<script>
const boxes = [...document.querySelectorAll('main *')].filter(box => !box.closest('.scroll, svg'));
const outside = boxes.filter(box => box.getBoundingClientRect().right > innerWidth + 1);
parent.postMessage([innerWidth, document.documentElement.scrollWidth, outside.length].join(' '), '*');
</script>"""
# A window cannot be as narrow as a telephone, a frame can.
FRAME = """<!doctype html><script>
addEventListener('message', told => document.documentElement.setAttribute('data-probe', told.data));
</script><iframe src="probed.html" width="{width}" height="800" style="border: 0"></iframe>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with everything that may be too wide: long names, several models, missing cells."""
    study = ToyStudy(
        strategies=("queries", "responses", "a-rather-long-name-of-a-strategy-that-somebody-typed"),
        models=("small", "a/model-with-a-long-name-and-a-revision-0123456789abcdef"),
        missing=lambda axes: axes["amount"] == 512 and axes["subset_seed"] == 1,
        provenance=lambda number: {
            "commit": "0123456789abcdef" * 4,
            "packages": {"torch": f"2.13.{number % 2}"},
        },
    )
    return report(study.write(tmp_path_factory.mktemp("outputs")), ("svg",)).page


def chromium(profile, width, scheme, *arguments):
    place = [f"--user-data-dir={profile}", f"--window-size={width},{HEIGHTS[width]}"]
    colours = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    command = [CHROMIUM, *FLAGS, *place, colours, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("width", HEIGHTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_drawn_in_the_colours_asked_for(page, tmp_path, width, scheme):
    picture = tmp_path / f"{scheme}-{width}.png"
    chromium(tmp_path / "profile", width, scheme, f"--screenshot={picture}", page.as_uri())
    pixels = imread(picture)[..., :3]
    assert pixels.shape[1] == width
    paper = pixels[5, 5].mean()
    assert paper > 0.95 if scheme == "light" else paper < 0.15
    contrast = np.abs(pixels.mean(axis=2) - paper)
    assert (contrast > 0.5).mean() > 0.005  # there is ink on the paper


@pytest.mark.parametrize("width", HEIGHTS)
def test_nothing_sticks_out_of_the_page(page, tmp_path, width):
    probed = page.read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>")
    (tmp_path / "probed.html").write_text(probed, encoding="utf-8")
    (tmp_path / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    arguments = ("--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri())
    dom = chromium(tmp_path / "profile", 1200, "light", *arguments)
    inner, scroll, outside = map(int, re.findall(r'data-probe="(\d+) (\d+) (\d+)"', dom)[0])
    assert inner == width
    assert scroll <= width
    assert outside == 0
