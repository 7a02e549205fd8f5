import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.__main__ import app

VERBS = [
    command.callback.__name__
    for command in app.registered_commands
    if command.callback and not command.hidden
]


def test_help_needs_neither_hydra_nor_torch_nor_pandas() -> None:
    heavy = "{'hydra', 'torch', 'pandas', 'numpy', 'submitit', 'transformers'}"
    code = f"import sys, orchestrator.__main__; assert not {heavy} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "verb", ["status", "why", "doctor", "efficiency", "report", "track", "verify", "distribution"]
)
def test_a_verb_explains_itself_with_an_example(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    assert f"doublings {verb} mini" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "plan", "fit", "grade"])
def test_a_verb_that_belongs_elsewhere_explains_itself_there(verb: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "orchestrator", verb, "--help"], capture_output=True, text=True, check=True
    )
    assert f"doublings {verb}" in shown.stdout


def test_every_verb_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert all(f"`{verb}`" in readme for verb in VERBS)


@pytest.mark.slow
def test_a_study_that_is_not_there_is_named_with_those_that_are() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator", "status", "nosuch"], capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "no study 'nosuch'" in ran.stderr
