import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from analysis import figures
from analysis.curve import curve
from analysis.distribution import read_distribution
from analysis.domains import pairings
from analysis.figures import FORMATS, Column, rendered
from analysis.figures.style import look_of
from analysis.fitting import Runs
from analysis.laws import LAWS
from analysis.least_squares import Estimate
from analysis.metric import LOSS
from analysis.panels import Shown, study_panels, table_panels, without_largest
from analysis.results import results_of
from analysis.study import read_study
from orchestrator.refusal import Refused
from tests.analysis.drawn import boxes, outside, overlaps
from tests.analysis.toy import ToyStudy

LONG = (
    "a-rather-long-name-of-a-strategy-that-somebody-typed",
    "$other_%of#a&name^~",
    "q_with_5x_paths_and_v2",
)
STUDIES = {
    "one curve": {"strategies": ("queries",), "benchmarks": ("in",), "compare": ()},
    "three strategies": {},
    "six strategies, four panels": {
        "strategies": ("queries", "responses", "numbers", *LONG),
        "models": ("small", "a/model-with-a-long-name-and-a-revision-0123456789abcdef"),
    },
    "likelihood": {"metric": "nll", "strategies": ("queries", *LONG)},
    "many amounts": {"amounts": [128 * 2**i for i in range(12)], "seeds": (0, 1)},
    "one amount": {"amounts": (256,)},
    "nothing yet": {"missing": lambda axes: True},
}
BRIEF = ("three strategies", "nothing yet")
SLOW = pytest.mark.slow
WIDTHS = {Column.SINGLE: 3.25, Column.DOUBLE: 6.75}


class Studies(dict):
    """The results of each of STUDIES, made when they are first asked for."""

    def __init__(self, outputs):
        self.outputs = outputs

    def __missing__(self, name):
        self[name] = results_of(read_study(ToyStudy(name=name, **STUDIES[name]).write(self.outputs)))
        return self[name]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return Studies(tmp_path_factory.mktemp("outputs"))


def drawings(results, column):
    """Every figure that these results give."""
    panels = study_panels(results)
    drawn = {
        name: getattr(figures, name)(panels, column) for name in ("scaling", "residuals", "bars", "slopes")
    }
    drawn["holdout"] = figures.scaling(without_largest(panels), column)
    pairs = pairings(results)
    if pairs:
        drawn["domains"] = figures.domains(pairs, results.metric, column)
    if results.equivalences:
        drawn["equivalence"] = figures.equivalence(results.equivalences, column)
    if results.variances:
        drawn["components"] = figures.components(results.variances, results.metric, column)
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize("column", Column)
@pytest.mark.parametrize(
    "study", [name if name in BRIEF else pytest.param(name, marks=SLOW) for name in STUDIES]
)
def test_no_label_covers_another_or_leaves_the_figure(studies, study, column):
    for name, figure in drawings(studies[study], column).items():
        assert not overlaps(figure), name
        assert not outside(figure), name
        assert boxes(figure), name


@pytest.mark.slow
@pytest.mark.parametrize("column", Column)
def test_a_figure_is_exactly_as_wide_as_its_column(studies, column):
    for name, figure in drawings(studies["three strategies"], column).items():
        assert figure.get_size_inches()[0] == WIDTHS[column], name
    box = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) [\d.]+ \]", rendered(figure, "pdf"))
    assert [float(width) for width in box] == [72 * WIDTHS[column]]


@pytest.mark.slow
def test_fonts_are_embedded_as_outlines_that_printers_take(studies):
    pdf = rendered(figures.scaling(study_panels(studies["three strategies"]), Column.SINGLE), "pdf")
    assert b"/FontFile2" in pdf  # TrueType, type 42
    assert b"/Type3" not in pdf


@pytest.mark.slow
def test_every_format_is_the_same_bytes_each_time(studies):
    panels = study_panels(studies["one curve"])
    for kind in FORMATS:
        twice = {rendered(figures.scaling(panels, Column.SINGLE), kind) for _ in "ab"}
        assert len(twice) == 1, kind


def test_series_differ_in_more_than_colour():
    from_rank = [look_of(rank) for rank in range(12)]
    for looks in ([look.marker for look in from_rank[:6]], [str(look.dashes) for look in from_rank[:5]]):
        assert len(set(looks)) == len(looks)
    assert len({(look.marker, str(look.dashes), look.colour) for look in from_rank}) == 12


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no LaTeX on this machine: `make system` installs it"
)
@pytest.mark.slow
def test_latex_sets_the_pgf_of_hostile_names_at_the_width_of_the_column(studies, tmp_path):
    figure = figures.scaling(study_panels(studies["six strategies, four panels"]), Column.DOUBLE)
    (tmp_path / "figure.pgf").write_bytes(rendered(figure, "pgf"))
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{pgf}\begin{document}"
        r"\setbox0\hbox{\input{figure.pgf}}\typeout{width=\the\wd0}\box0\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-2000:]
    width = float(re.findall(r"width=([\d.]+)pt", told.stdout)[0])
    assert width == pytest.approx(6.75 * 72.27, abs=0.1)


@pytest.mark.slow
def test_bars_stand_at_amounts_that_all_strategies_have(tmp_path):
    study = ToyStudy(missing=lambda axes: axes["strategy"] == "numbers" and axes["amount"] == 512)
    panels = study_panels(results_of(read_study(study.write(tmp_path))))
    labels = {text for text, _ in boxes(figures.bars(panels, Column.DOUBLE))}
    assert {"256", "1,024"} <= labels
    assert "512" not in labels


@pytest.mark.slow
def test_a_bar_is_as_high_as_the_mean_of_its_runs(studies):
    panels = study_panels(studies["three strategies"])
    axes = figures.bars(panels, Column.DOUBLE).axes[0]
    queries = panels.panels[0].curves["queries"].fit.runs
    means = [queries.values[queries.amounts == amount].mean() for amount in np.unique(queries.amounts)]
    assert [patch.get_height() for patch in axes.patches[:5]] == pytest.approx(means)


def test_residuals_are_runs_minus_law(studies):
    curve = study_panels(studies["three strategies"]).curves[0]
    assert figures.residuals_of(curve) == pytest.approx(curve.fit.solution.residuals)


def test_pairs_in_and_out_of_domain_are_the_same_checkpoints(studies):
    results = studies["three strategies"]
    (pairing,) = pairings(results)
    assert (pairing.in_domain, pairing.out_of_domain) == ("in", "out")
    assert pairing.references == {"base": (12.0, 36.0), "seed": (34.0, 38.0)}
    first = pairing.series["queries"].iloc[0]
    cell = results.table[(results.table["strategy"] == "queries") & results.table["reference"].isna()].iloc[
        :2
    ]
    assert [first["inside"], first["outside"]] == pytest.approx((100 * cell["accuracy"]).tolist())


def losses(amounts, seeds=1):
    """Runs of a loss that falls with the amount, and its law fitted to them."""
    amount = np.repeat(np.array(amounts, dtype=float), seeds)
    values = 1 + 3 / (amount + 50) ** 0.3 + 0.001 * np.sin(np.arange(len(amount)))
    return Runs(amount, values, None, [f"row {i}" for i in range(len(amount))])


def test_amount_0_has_a_place_of_its_own_on_the_abscissa_and_its_label():
    runs = losses((0, 100, 200, 400, 800))
    fitted = curve({"model": "m"}, runs, LAWS["logoffset"], LOSS)
    panels = table_panels([Shown(fitted, runs)], "examples")
    figure = figures.scaling(panels, Column.SINGLE)
    assert {"0", "100", "800", "//"} <= {text for text, _ in boxes(figure)}
    assert not overlaps(figure)
    places = panels.x_of(np.array([0.0, 100, 200]))
    assert places[1] - places[0] > places[2] - places[1] > 0
    assert np.isfinite(places).all()


def test_forecasts_and_runs_outside_the_window_are_shown_and_within_the_axes():
    runs = losses((100, 200, 400, 800, 1600))
    fitted = curve({"model": "m"}, runs.take(np.arange(2, 5)), LAWS["loglinear"], LOSS)
    forecast = Estimate(1.05, 0.9, 1.2, None)
    panels = table_panels([Shown(fitted, runs, ((6400.0, forecast),))], "examples")
    (panel,) = panels.panels
    assert panel.unused["m"].amounts.tolist() == [100, 200]
    assert panels.amounts.tolist() == [100, 200, 400, 800, 1600, 6400]
    axes = figures.scaling(panels, Column.DOUBLE).axes[0]
    low, high = axes.get_ylim()
    assert low < 1.05 < high
    assert low < runs.values.min()
    assert runs.values.max() < high


def test_a_held_out_amount_is_drawn_and_not_fitted(studies):
    panels = study_panels(studies["three strategies"])
    kept = without_largest(panels)
    one, other = panels.panels[0].curves["queries"], kept.panels[0].curves["queries"]
    assert other.fit.runs.amounts.max() == 1024
    assert kept.panels[0].held_out["queries"].amounts.tolist() == [2048.0] * 3
    assert other.fit.parameters["per_doubling"] != one.fit.parameters["per_doubling"]
    assert kept.amounts.tolist() == panels.amounts.tolist()


def test_curves_with_too_few_amounts_hold_nothing_out(studies):
    assert without_largest(study_panels(studies["one amount"])).curves == []


def test_more_series_than_can_be_told_apart_are_refused():
    runs = losses((100, 200, 400))
    fitted = [curve({"model": str(i)}, runs, LAWS["loglinear"], LOSS) for i in range(13)]
    with pytest.raises(Refused, match="13 series in 1 panels are no figure: at most 12 and 24"):
        table_panels([Shown(one, runs) for one in fitted], "examples")


def places(tmp_path, **changes):
    rows = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 2.0], "pool": ["queries", ""], "benchmark": ["", "in"]})
    rows.assign(**changes).to_csv(tmp_path / "distribution.csv", index=False)
    return tmp_path / "distribution.csv"


def test_the_distribution_of_queries_has_a_panel_for_each_benchmark(tmp_path):
    figure = figures.distribution(read_distribution(places(tmp_path)), Column.SINGLE)
    assert {"in", "queries", "benchmark"} <= {text for text, _ in boxes(figure)}
    assert not overlaps(figure)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x": ["here", 1.0]}, r"row 1 of .*: x is 'here', not a number"),
        ({"pool": ["queries", "queries"]}, r"row 2 of .*: a query comes from a pool or from a benchmark"),
        ({"pool": ["", ""]}, r"row 1 of .*: a query comes from a pool or from a benchmark"),
    ],
)
def test_a_bad_table_of_queries_is_refused_with_its_row(tmp_path, changes, sentence):
    with pytest.raises(Refused, match=sentence):
        read_distribution(places(tmp_path, **changes))
