from pathlib import Path

import pytest

from orchestrator import check, compose

CONF = Path(__file__).parent.parent / "conf"
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
GROUPS = ("data", "strategy", "model", "train", "evaluate", "cluster", "analysis")
# Ways to make a strategy with a language model: queries/gsm8k and so on.
ASKING = sorted(
    path.relative_to(CONF / "strategy").with_suffix("").as_posix()
    for path in CONF.glob("strategy/*/*.yaml")
    if "/strategy/llm@_here_" in path.read_text() or path.parent.name == "queries_responses"
    if path.stem != "mini"
)


CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]


def composed(*arguments):
    """The cells and the settings that a command line describes, validated."""
    found = []

    def task(grid):
        found.append(([cell for _, cell in check.cells(grid.points)], check.settings(grid.settings)))
        found.append(grid)
        return 0

    assert compose.run(arguments, task) == 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_a_grid_of_cells_with_settings(name):
    [(cells, settings), grid] = composed(f"experiment={name}")
    assert settings.study == name
    assert grid.notes == ()
    assert len({cell.model_dump_json() for cell in cells}) == len(cells)
    assert {*settings.analysis.references, *settings.analysis.compare} <= {
        cell.strategy.name for cell in cells
    }


@pytest.mark.slow
@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_choice_makes_a_cell(group, name):
    value = f"[{name}]" if group == "evaluate" else name
    both = all((CONF / other / f"{name}.yaml").exists() for other in ("data", "evaluate"))
    # A benchmark and the data of the same name belong together.
    partner = [f"data={name}", f"evaluate=[{name}]", "strategy=seed"] if both else []
    if name == "validation":
        partner = ["data.validation={share: 0.1}"]
    [([cell], settings), _] = composed("study=toy", "amount=8", f"{group}={value}", *partner)
    if group in ("cluster", "analysis"):
        assert settings.model_dump()[group]
    elif group == "evaluate":
        assert list(cell.evaluate.benchmarks) == [name]
    elif group in ("data", "strategy", "model"):
        # A set that exists has a file for the problems of each data set.
        assert name in (called := getattr(cell, group).name, f"{called}_gsm8k", f"{called}_math")


@pytest.mark.slow
def test_every_way_to_ask_a_model_makes_a_cell_of_its_name():
    arguments = ("study=toy", "amount=8", "data=gsm8k", "evaluate=[gsm8k]", "strategy.writer.model=some")
    [(cells, _), _] = composed(*arguments, f"strategy={','.join(ASKING)}")
    assert len(cells) == len(ASKING) > 10
    for way, strategy in zip(ASKING, (cell.strategy for cell in cells), strict=True):
        assert strategy.name == way.partition("/")[0]
        assert strategy.solver.model == "some"
        several = {"queries", "responses", "queries_responses", "fobar"}
        assert strategy.prompts.keys() >= {strategy.name} - several


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", ["mixture", "d1_d2_d3/gsm8k", "d1_d2_d3/math", "rejection/gsm8k", "rejection/math"]
)
def test_what_is_made_of_others_makes_a_cell_of_its_name(way):
    named = [f"strategy.parts.{part}.writer.model=some" for part in ("queries", "responses")]
    arguments = ("study=toy", "amount=8", "data=gsm8k", "evaluate=[gsm8k]", f"strategy={way}")
    [([cell], _), _] = composed(*arguments, *(named if way == "mixture" else []))
    assert cell.strategy.name == way.partition("/")[0]
    if way.startswith("d1"):
        models = [(part.writer.model, part.solver.model) for part in cell.strategy.parts.values()]
        assert models == [("gpt-3.5-turbo-0613",) * 2, ("gpt-4-0613",) * 2, ("gpt-3.5-turbo-0613",) * 2]
        assert len({part.writer.model_dump_json() for part in cell.strategy.parts.values()}) == 3


@pytest.mark.slow
def test_the_data_decide_how_a_strategy_is_made():
    [([cell], _), _] = composed("study=toy", "amount=8", "strategy=numbers")
    assert cell.strategy.kind == "symbolic"
    [(cells, _), _] = composed("experiment=gsm8k_small", "amount=8", "strategy=numbers", "data.path=here")
    assert {cell.strategy.kind for cell in cells} == {"annotated"}


@pytest.mark.slow
def test_the_mini_study_has_its_references_beside_the_grid():
    [(cells, _), grid] = composed("experiment=mini")
    assert len(cells) == 3 * 5 * 3 + 1 + 3
    references = [point.axes for point in grid.points if point.axes["strategy"] == "seed"]
    assert [(axes["amount"], axes["seed"]) for axes in references] == [(0, 0), (400, 0), (400, 1), (400, 2)]
    assert all(cell.subset_seed == cell.train_seed for cell in cells)


@pytest.mark.slow
def test_axes_of_the_command_line_reach_the_references_too():
    [(cells, _), _] = composed("experiment=mini", "seed=5", "amount=256,512", "train.learning_rate=1e-3")
    assert {cell.train.learning_rate for cell in cells} == {1e-3}
    assert [(cell.strategy.name, cell.amount, cell.subset_seed) for cell in cells[-2:]] == [
        ("seed", 0, 0),
        ("seed", 400, 5),
    ]


@pytest.mark.slow
def test_one_path_of_the_data_reaches_training_and_test():
    [(cells, _), _] = composed("experiment=gsm8k_small", "data.path=here")
    assert {cell.data.seed.path for cell in cells} == {"here"}
    assert {cell.evaluate.benchmarks["gsm8k"].source.path for cell in cells} == {"here"}
    assert [cell.amount for cell in cells] == [234, 467, 934, 1868, 3736, 7473, 0]


@pytest.mark.slow
def test_the_small_study_goes_further_with_other_numbers_than_its_seed_set_has():
    [(cells, _), _] = composed("experiment=gsm8k_small", "strategy=seed,numbers", "data.path=here")
    most = {
        name: max(cell.amount for cell in cells if cell.strategy.name == name) for name in ("seed", "numbers")
    }
    assert most == {"seed": 7473, "numbers": 59784}
