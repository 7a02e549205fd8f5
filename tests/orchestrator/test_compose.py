import itertools
import sys
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from orchestrator import check, compose
from orchestrator.refusal import Refused

# A config with every kind of reference, beside groups of files that have some of their own.
FILES = {
    "config.yaml": """
defaults:
  - _self_
  - data: mini
  - strategy: queries
  - evaluate: [one]
  - experiment: null
  - override hydra/sweeper: doublings
study: toy
outputs: out/${study}
wait: true
format: text
keep: all
audit: []
cluster: {workers: 2}
analysis: {of: "${strategy.name}"}
amount: 4
seed: 0
subset_seed: ${seed}
train_seed: ${subset_seed}
subset: {order: rows, home: "${oc.env:HOME}/${study}"}
model: {size: 8, deep: {size: "${..size}", list: [1, "${model.size}"]}, of: "${data.name}"}
train: {rate: 0.1, twin: "${train.rate}", text: "rate ${train.rate}", decay: null, flag: true}
""",
    "data/mini.yaml": "{name: mini, path: here, seed: {world: {units: 10, of: '${seed}'}}, also: '${.seed}'}",
    "data/keys.yaml": "{name: keys, path: here, seed: {world: {units: 3}}, 1: '${amount}'}",
    "data/table.yaml": "{name: table, path: there, seed: {world: {units: 3}, path: '${data.path}/train'}}",
    "strategy/queries.yaml": "{name: queries, rows: 9}",
    "strategy/numbers.yaml": "{name: numbers, rows: '${amount}', world: '${data.seed.world}'}",
    "evaluate/one.yaml": "benchmarks: {one: {source: '${data.seed}', units: '${data.seed.world.units}'}}",
    "evaluate/two.yaml": "benchmarks: {two: {source: {path: '${data.path}'}}}",
}
scalars = st.one_of(
    st.integers(-9, 9), st.floats(-9, 9), st.sampled_from(["1/32", "a b", "it's", "null", "1e-3", None, True])
)
GROUPS = {
    "data": st.sampled_from(["mini", "table", "keys"]),
    "strategy": st.sampled_from(["queries", "numbers"]),
    "evaluate": st.sampled_from([["one"], ["two"], ["one", "two"]]),
}
LEAVES = ("amount", "seed", "subset_seed", "train.rate", "train.decay", "model.size", "data.path")
LEAVES += ("data.seed.world.units", "subset.order")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("conf")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def loader(folder):
    with initialize_config_dir(str(folder), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@st.composite
def grids(draw):
    names = draw(st.lists(st.sampled_from([*GROUPS, *LEAVES]), min_size=1, max_size=3, unique=True))
    axes = {
        name: draw(st.lists(GROUPS.get(name, scalars), min_size=2, max_size=2, unique_by=repr))
        for name in names
    }
    return axes, draw(st.lists(st.sampled_from(["train.flag=false", "model.size=5", "seed=4"]), unique=True))


# Shrinking composes hundreds of cells more.
@pytest.mark.slow
@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(grid=grids())
def test_a_grid_equals_hydras_own_sweep_cell_by_cell(loader, grid):
    axes, fixed = grid
    assume(not any(text.split("=")[0] in axes for text in fixed))
    sweeps = [f"{name}={','.join(compose._text(value) for value in values)}" for name, values in axes.items()]
    arguments = [*sweeps, *fixed]
    master = loader.load_configuration("config", arguments, RunMode.MULTIRUN)
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    [cells] = BasicSweeper.split_arguments(overrides, None)
    expected = [plain(loader.load_sweep_config(master, cell), compose.CELL_KEYS) for cell in cells]
    declared = {"params": {}, "zip": [], "exclude": [], "also": []}
    found = compose.grid(loader, master, arguments, declared)
    assert [dict(point.config) for point in found.points] == expected
    assert [list(point.axes.values()) for point in found.points] == [
        list(values) for values in itertools.product(*axes.values())
    ]
    as_declared = compose.grid(loader, master, fixed, {**declared, "params": axes})
    assert as_declared == found


def plain(config, keys):
    return {
        key: OmegaConf.to_container(config[key], resolve=True)
        if OmegaConf.is_config(config[key])
        else config[key]
        for key in keys
    }


def grid_of(folder, *arguments):
    found = []
    assert compose.run(["--config-path", str(folder), *arguments], lambda grid: found.append(grid) or 0) == 0
    return found[0]


@pytest.mark.slow
def test_seed_moves_both_seeds(folder):
    points = grid_of(folder, "seed=3,4").points
    assert [(point.config["subset_seed"], point.config["train_seed"]) for point in points] == [(3, 3), (4, 4)]


@pytest.mark.slow
def test_parts_that_no_axis_touches_are_one_object(folder):
    points = grid_of(folder, "strategy=queries,numbers", "amount=1,2").points
    assert len({id(point.config["model"]) for point in points}) == 1
    assert len({id(point.config["strategy"]) for point in points}) == 3


def test_an_axis_that_moves_nothing_is_left_out_with_a_note(folder):
    grid = grid_of(folder, "seed=0,1", "subset_seed=5", "data=table")
    assert [point.axes for point in grid.points] == [{}]
    assert grid.notes == ("axis 'seed' changes nothing in any cell and is left out",)


@pytest.mark.slow
def test_a_point_has_a_place_on_the_axes_of_every_grid(folder):
    grid = grid_of(
        folder,
        "amount=1,2",
        "hydra.sweeper.also=[{strategy:[numbers],amount:[9],train.rate:[0.5]}]",
    )
    assert [tuple(point.axes.values()) for point in grid.points] == [
        (1, "queries", 0.1),
        (2, "queries", 0.1),
        (9, "numbers", 0.5),
    ]


@pytest.mark.slow
def test_settings_are_those_of_the_study(folder):
    grid = grid_of(folder, "amount=1,2", "cluster.workers=7")
    assert grid.settings["cluster"] == {"workers": 7}
    assert set(grid.settings) == set(compose.SETTINGS_KEYS)


@pytest.mark.slow
def test_composing_writes_nothing_and_leaves_the_process_as_it_was(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list(sys.argv)
    grid_of(folder, "amount=1,2")
    assert list(tmp_path.iterdir()) == []
    assert sys.argv == before
    assert Path.cwd() == tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["strategy=query"], "unknown strategy 'query': did you mean queries? allowed: numbers, queries"),
        (["strategy=queries,x"], "unknown strategy 'x': allowed: numbers, queries"),
        (["evaluate=[mini_tst]"], "unknown evaluate 'mini_tst'"),
        (["amuont=3"], "unknown key 'amuont': did you mean amount?"),
        (["amuont=3,4"], "unknown key 'amuont': did you mean amount?"),
        (["experment=mini"], "unknown key 'experment': did you mean experiment?"),
        (["train.rte=3"], "unknown key 'train.rte': did you mean rate? allowed: decay, flag, rate"),
        (["+foo=3"], "unknown key '+foo': allowed: amount"),
        (["amount=1,1"], "axis 'amount' has the value 1 twice"),
        (["+hydra.sweeper.params.amount=[1]", "amount="], "axis 'amount' is empty"),
        (["amount=range(3,3)"], "axis 'amount' is empty"),
        (["amount=[1"], "cannot read the override 'amount=[1'"),
        (["amount=interval(1,2)"], "is no list of values"),
        (["cluster.workers=1,2"], "'cluster.workers' belongs to the study"),
        (["amount=???"], "amount has no value: give it one, amount=..."),
        (["~strategy"], "strategy has no value"),
        (["strategy=3"], "must be a string or a list"),
        (["--resolve"], "--resolve flag"),
        (["--cfg", "job", "amount=1,2"], "--cfg shows one cell"),
        (["--config-dir", "/nowhere"], "'/nowhere' not found"),
    ],
)
def test_what_describes_no_grid_is_refused_in_one_sentence(folder, arguments, told):
    with pytest.raises(Refused) as refusal:
        grid_of(folder, *arguments)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_malformed_config_file_is_refused_with_its_line(tmp_path, folder):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "own.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(Refused, match=r"own.yaml.*line 2"):
        grid_of(folder, "--config-dir", str(tmp_path), "experiment=own")


def test_cfg_job_shows_one_cell_and_does_no_task(folder, capsys):
    argv = ["--config-path", str(folder), "--cfg", "job", "strategy=numbers"]
    assert compose.run(argv, lambda grid: 1) == 0
    assert "name: numbers" in capsys.readouterr().out


CELL = ["study=toy", "amount=8"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["train.batch_size=0"],
            "train.batch_size=0 is not possible: it should be greater than or equal to 1",
        ),
        (["train.batch_size=a"], "train.batch_size=a is not possible: it should be a valid integer"),
        (["~train.clip"], "train.clip has no value"),
        (["subset.order=bredth"], "it should be 'breadth', 'rows' or 'grouped'"),
        (
            ["+strategy.rowz=1"],
            "unknown key 'strategy.rowz': did you mean rows? allowed: generator_seed, kind",
        ),
        (["+evaluate.benchmarks.mini_test.rol=1"], "did you mean role?"),
        (
            ["strategy.kind=foo"],
            "allowed: 'seed', 'symbolic', 'annotated', 'llm', 'rejection', 'table'",
        ),
        (["~strategy.kind"], "strategy.kind has no value"),
        (["amount=[1,2]"], "amount=[1, 2] is not possible"),
        (["study=../x"], "study=../x is not possible"),
        (["cluster.workers=0"], "cluster.workers=0 is not possible"),
    ],
)
def test_what_is_no_cell_is_refused_by_its_dotted_key(arguments, told):
    def task(grid):
        check.settings(grid.settings)
        return len(list(check.cells(grid.points)))

    with pytest.raises(Refused) as refusal:
        compose.run([*CELL, *arguments], task)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("doublings ", ["plan", "run", "status"]),
        ("doublings p", ["plan"]),
        ("doublings run experi", ["experiment="]),
        (
            "doublings run experiment=mini",
            ["experiment=mini", "experiment=mini_long", "experiment=mini_tuning"],
        ),
        ("doublings plan study=toy amount=256,512 train.bat", ["train.batch_size="]),
        ("doublings status ", []),
    ],
)
def test_verbs_and_overrides_complete(line, expected, monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", line)
    verbs = ["run", "plan", "status"]
    assert compose.complete(["-sc", "query=bash"], verbs, ["run", "plan"]) == 0
    assert capsys.readouterr().out.split() == expected


def test_the_completion_script_names_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["doublings"])
    assert compose.complete(["-sc", "install=bash"], ["run"], ["run"]) == 0
    assert capsys.readouterr().out.endswith("hydra_bash_completion doublings\n")
