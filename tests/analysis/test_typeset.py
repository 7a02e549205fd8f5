import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.grids import Grid
from analysis.latex import escaped
from analysis.least_squares import Estimate, Level
from analysis.numerals import decimals_of, spread
from analysis.provenance import provenance_of
from analysis.results import results_of
from analysis.study import read_study
from analysis.tables import table_files
from analysis.typeset import latex, markdown, markdown_text
from tests.analysis.toy import ToyStudy

HOSTILE = r"\input{secret} $x_1^2$ 100% #1 & ~a {b} <c> |d| [0.9] * -- `e` \\"


def estimate(middle, half):
    return Estimate(middle, middle - half, middle + half, Level.RUN)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = ToyStudy(
        strategies=("queries", HOSTILE),
        models=("small", "a_b%"),
        compare=("queries", HOSTILE),
        missing=lambda axes: axes["amount"] == 512 and axes["subset_seed"] == 1,
    )
    return results_of(read_study(study.write(tmp_path_factory.mktemp("outputs"))))


@pytest.fixture(scope="module")
def files(results):
    return table_files(results, provenance_of(results.study))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here: `make system` installs it")
def test_latex_sets_every_table_and_the_methods_with_whatever_names(files, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    inputs = "\n".join(f"\\input{{{name}}}\\clearpage" for name in files if name.endswith(".tex"))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{array,booktabs}"
        f"\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout[-3000:]
    assert "secret" not in re.findall(r"\(\./(\w+)", told.stdout)


@given(st.text())
def test_no_character_of_a_text_is_left_for_tex_to_act_on(text):
    left = escaped(text)
    for command in (r"\textbackslash{}", r"\textasciicircum{}", r"\textasciitilde{}", r"\textasciigrave{}"):
        left = left.replace(command, "")
    left = re.sub(r"\\(text\w+|char34|ldots)\{\d?\}|\\ensuremath\{(-|\\\w+)\}|\{[\[*]\}|-\{\}", "", left)
    assert not re.search(r"(?<!\\)[{}$&#_%\\](?![{}$&#_%])|[\^~]", re.sub(r"\\[{}$&#_%]", "", left))


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_markdown_row_has_its_cells_whatever_they_hold(cells):
    grid = Grid(tuple("abcd"[: len(cells)]), (tuple(cells),), 1)
    row = markdown(grid, "caption").rstrip("\n").split("\n")[4]
    assert len(re.findall(r"(?<!\\)\|", re.sub(r"\\\\", "", row))) == len(cells) + 1


def test_markdown_shows_markup_and_does_nothing_with_it():
    assert markdown_text("<b>*x*\n_y_</b>") == r"\<b\>\*x\* \_y\_\</b\>"


def test_a_latex_table_has_booktabs_rules_and_numbers_to_the_right():
    text = latex(Grid(("name", "value"), (("a_b", "−1.5"),), 1), "A 5 % caption", "fits")
    assert r"\begin{tabular}{lr}" in text
    assert "\\toprule\nname & value \\\\\n\\midrule\na\\_b & \\ensuremath{-}1.5 \\\\\n\\bottomrule" in text
    assert r"\caption{A 5 \% caption}" in text
    assert r"\label{tab:fits}" in text


@given(st.floats(min_value=1e-4, max_value=9e4))
def test_the_half_width_of_an_interval_is_printed_with_two_digits(half):
    decimals = decimals_of(estimate(0.0, half), 1)
    printed = f"{half:.{decimals}f}".replace(".", "").lstrip("0")
    assert len(printed) >= 2
    assert decimals == 0 or len(printed) <= 3  # three where rounding carries


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (estimate(9.7123, 1.43), "9.7 (8.3 to 11.1)"),
        (estimate(0.0345, 0.0021), "0.0345 (0.0324 to 0.0366)"),
        (estimate(1234.5, 310.0), "1,234 (924 to 1,544)"),
        (Estimate(2.0, None, None, None), "2.00 (no interval)"),
    ],
)
def test_an_estimate_has_the_digits_that_its_interval_allows(one, text):
    assert spread(one, 2) == text


def test_the_methods_tell_what_a_reader_needs(files):
    text = files["methods.md"].replace("\\", "")
    for part in (
        "nested subsets of 128, 256, 512, 1024, 2048 examples",
        "subset seeds 0, 1, 2; training used the seeds 0, 1, 2",
        "Every cell trains for 3.0 epochs, so steps grow with the amount",
        "in (in domain, 600 items)",
        "greedy decoding, at most 40 new tokens (transformers, float32)",
        "rule gsm8k, grader version 1",
        "results have no record and are left out, not counted as zero",
        "CPU-hours",
    ):
        assert part in text


def test_the_checklist_answers_every_point(files):
    rows = [line.split(" | ") for line in files["checklist.md"].splitlines() if line.startswith("| ")][1:]
    points = {row[1].replace("\\", ""): row[2].strip(" |") for row in rows}
    wanted = {"equation", "amount", "held constant across amounts", "recipe", "subset seeds", "train seeds"}
    wanted |= {"excluded", "decoding", "grader", "method", "suspicious runs", "torch", "compute"}
    assert wanted <= set(points)
    assert all(points.values())
    assert not [point for point, answer in points.items() if "not stated" in answer]


@pytest.mark.slow
def test_compute_is_gpu_hours_where_gpus_were_used(tmp_path):
    study = ToyStudy(provenance=lambda number: {"seconds": 10.0, "gpu_seconds": 3600.0})
    found = results_of(read_study(study.write(tmp_path)))
    assert "took 94 GPU" in table_files(found, provenance_of(found.study))["methods.md"]
