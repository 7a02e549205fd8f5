import json
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.expect import expected
from orchestrator.expectation import Planned
from tests.analysis.toy import ToyStudy

ROOT = Path(__file__).parents[2]
DESIGN = {"amounts": [128, 256, 512, 1024, 2048], "seeds": 3}


def planned(**known):
    question = {"metric": "accuracy", "study": None, "n_items": None, "designs": [DESIGN], **known}
    return Planned.model_validate(question)


def test_without_records_runs_scatter_as_the_items_of_the_benchmark_would():
    found = expected(planned(n_items=2500))
    assert found.run_sd == pytest.approx(1.0)
    assert found.designs[0].half_width == pytest.approx(4.303 / (3 * 10) ** 0.5, rel=1e-3)
    assert found.target == "this benchmark"


def test_with_records_runs_scatter_as_they_do(tmp_path):
    folder = ToyStudy(run_sd=0.02).write(tmp_path)
    found = expected(planned(study=str(folder)))
    assert found.basis == "as the records of this study scatter"
    assert found.run_sd == pytest.approx(2, rel=0.3)


def test_a_study_without_records_is_planned_with_what_is_assumed(tmp_path):
    folder = ToyStudy(missing=lambda cell: True).write(tmp_path)
    assert expected(planned(study=str(folder))).basis == "if runs scatter by 1 points"


def test_one_amount_has_no_expectation():
    found = expected(planned(designs=[{"amounts": [128], "seeds": 3}]))
    assert found.designs[0].half_width is None


@pytest.mark.slow
def test_it_is_asked_in_json_and_answers_in_json():
    command = [sys.executable, "-m", "analysis.expect"]
    question = planned(n_items=600).model_dump_json()
    ended = subprocess.run(command, input=question, capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(ended.stdout)["designs"][0]["smallest_difference"] > 0


@pytest.mark.slow
def test_what_is_no_question_is_refused():
    command = [sys.executable, "-m", "analysis.expect"]
    ended = subprocess.run(command, input="{}", capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 2
    assert "stdin holds no plan" in ended.stderr
