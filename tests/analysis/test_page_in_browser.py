"""The report page as a browser shows it, light and dark, wide and narrow; pytest keeps the pictures."""

import html
import json
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
OUTSIDE = """
const boxes = [...document.querySelectorAll('main *')].filter(box => !box.closest('.scroll, svg'));
const outside = boxes.filter(box => box.getBoundingClientRect().right > innerWidth + 1);
tell([innerWidth, document.documentElement.scrollWidth, outside.length]);
"""
# What the chart answers to a pointer and to the keyboard.
ASK = """
const charts = [...document.querySelectorAll('svg.chart')].filter(each => each.getClientRects().length);
const runs = [...charts[0].querySelectorAll('a.run')], told = document.getElementById('told');
runs[7].scrollIntoView({ block: 'center' });
const middle = runs[7].getBoundingClientRect();
const hit = document.elementFromPoint(middle.x + middle.width / 2, middle.y + middle.height / 2);
hit.closest('a.run').dispatchEvent(new PointerEvent('pointerenter'));
const pointed = told.textContent, box = told.getBoundingClientRect();
const inside = box.left >= 0 && box.right <= innerWidth && box.top >= 0 && !told.hidden;
hit.closest('a.run').dispatchEvent(new PointerEvent('pointerleave'));
const gone = told.hidden, stops = runs.filter(run => run.tabIndex === 0).length;
runs[0].focus();
const key = name => charts[0].dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
key('ArrowRight'); key('ArrowRight'); key('ArrowLeft');
const second = document.activeElement === runs[1] && told.textContent === runs[1].getAttribute('aria-label');
key('End');
const last = document.activeElement === runs[runs.length - 1];
const row = document.querySelector(runs[1].getAttribute('href')), folded = row.closest('details');
const before = folded.open;
location.hash = runs[1].getAttribute('href');
setTimeout(() => tell({ n: runs.length, charts: charts.length, pointed, inside, gone, stops, second, last,
                        before, opened: folded.open, row: row.textContent }), 300);
"""
# A window cannot be as narrow as a telephone, a frame can.
FRAME = """<!doctype html><script>
addEventListener('message', told => document.documentElement.setAttribute('data-told', told.data));
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


def told(page, folder, width, script, policy=""):
    """What a script inside the page tells; `policy` stands in for the page's own, which lets no other run."""
    text = page.read_text(encoding="utf-8")
    text = (
        re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', policy, text)
        if policy is not None
        else text
    )
    tell = "const tell = told => parent.postMessage(JSON.stringify(told), '*');"
    probed = text.replace("</body>", f"<script>{{ {tell} {script} }}</script></body>")
    (folder / "probed.html").write_text(probed, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    arguments = ("--virtual-time-budget=5000", "--dump-dom", (folder / "frame.html").as_uri())
    dom = chromium(folder / "profile", 1200, "light", *arguments)
    found = re.findall(r'<html data-told="([^"]*)"', dom)
    return json.loads(html.unescape(found[0])) if found else None


@pytest.mark.parametrize("width", HEIGHTS)
def test_runs_answer_to_pointer_and_keyboard_and_lead_to_their_record(page, tmp_path, width):
    found = told(page, tmp_path, width, ASK)
    assert found["charts"] == 1  # the one for this width
    assert found["n"] == 168
    assert re.fullmatch(
        r"small, queries, amount 512, seed 2: \d+\.\d % on in, \d+ of 600 correct", found["pointed"]
    )
    assert found["inside"]
    assert found["gone"]
    assert found["stops"] == 1
    assert found["second"]
    assert found["last"]
    assert not found["before"]
    assert found["opened"]
    assert re.search(r"insmallqueries128seed1\d+600", re.sub(r"\s", "", found["row"]))


def test_the_page_lets_no_script_run_but_its_own(page, tmp_path):
    assert told(page, tmp_path, 390, "tell('ran');", policy=None) is None
    assert told(page, tmp_path, 390, "tell('ran');") == "ran"


@pytest.mark.parametrize("width", HEIGHTS)
def test_nothing_sticks_out_of_the_page(page, tmp_path, width):
    inner, scroll, outside = told(page, tmp_path, width, OUTSIDE)
    assert inner == width
    assert scroll <= width
    assert outside == 0
