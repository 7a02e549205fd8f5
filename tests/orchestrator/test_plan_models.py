"""Every model, recipe and study of real models is planned and costed, from a folder made on the spot."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import check, compose
from orchestrator.artifacts import Store
from orchestrator.estimate import estimate
from orchestrator.facts import Facts
from orchestrator.pace import declared
from orchestrator.plan import Plan, Planner
from orchestrator.price import bill
from orchestrator.refusal import Refused
from orchestrator.stages import StageProcess
from tests.experiments.tiny_models import write_model

pytestmark = pytest.mark.slow  # a second or two for each config that Hydra composes

CONF = Path(__file__).parents[2] / "conf"
MODELS = sorted(
    path.stem for path in (CONF / "model").glob("*.yaml") if "kind: pretrained" in path.read_text()
)
RECIPES = sorted(path.stem for path in (CONF / "train").glob("mugglemath*.yaml"))
PROBLEMS = [
    {
        "question": f"What is {n} + {n}?",
        "answer": f"It is {2 * n}.\n#### {2 * n}",
        "problem": f"Compute ${n}^2$.",
        "solution": f"It is $\\boxed{{{n * n}}}$.",
        "query": f"Add {n} to {n + 1}.",
        "response": f"That is {2 * n + 1}.\n#### {2 * n + 1}",
        "original_question": f"What is {n} + {n}?",
        "type": "GSM_AnsAug",
    }
    for n in range(40)
]


@pytest.fixture(scope="module")
def oracle() -> Iterator[StageProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        with StageProcess() as stage:
            yield stage


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_model(folder / "model", "llama", context=4096)
    for name, rows in (("train", PROBLEMS[:24]), ("test", PROBLEMS[24:])):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def planned(oracle: StageProcess, place: Path, *overrides: str) -> tuple[Plan, dict[str, Any], Any]:
    """The plan of a command line, what each of its artifacts costs, and the cluster."""
    found: list[Any] = []
    arguments = [f"model.path={place}/model", f"data.path={place}", *overrides]

    def task(grid: compose.Grid) -> int:
        store, settings = Store(place / "outputs"), check.settings(grid.settings)
        plan = Planner(Facts(oracle), store).plan(check.cells(grid.points))
        pace = declared(settings.cluster.flops_per_second)
        costs = estimate(plan.artifacts, store, oracle, settings.cluster, pace)
        found.extend([plan, costs, settings.cluster])
        return 0

    assert compose.run(arguments, task) == 0
    return found[0], found[1], found[2]


SMALL = ("study=s", "data=gsm8k", "strategy=seed", "evaluate=[gsm8k]", "amount=8")


@pytest.mark.parametrize("name", MODELS)
def test_every_pretrained_model_is_planned_from_a_folder(
    name: str, oracle: StageProcess, place: Path
) -> None:
    plan, costs, _ = planned(oracle, place, f"model={name}", "train=mugglemath", *SMALL)
    [base] = [artifact for artifact in plan.artifacts.values() if artifact.kind == "base"]
    [training] = [key for key, artifact in plan.artifacts.items() if artifact.kind == "checkpoint"]
    assert base.label == name
    assert str(place) not in json.dumps([artifact.spec for artifact in plan.artifacts.values()])
    assert costs[training].flops > 0
    assert costs[training].memory > 16 * 39_072  # weights, gradients and moments of the model in the folder


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_planned_and_adapters_are_asked_with_their_base(
    name: str, oracle: StageProcess, place: Path
) -> None:
    plan, _, _ = planned(oracle, place, "model=qwen2_5_0_5b", f"train={name}", *SMALL)
    [cell] = plan.cells
    [asked] = [plan.artifacts[key] for key in cell.completions.values()]
    with_base = {"weights": cell.checkpoint, "base": cell.base}
    assert asked.inputs == (with_base if cell.cell.train.lora else {"weights": cell.checkpoint})


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("rft_sft", []),
        ("mugglemath_gsm8k", ["evaluate.benchmarks.math500.source.path={place}"]),
        ("mugglemath_math", ["data.decontaminate.gsm8k.path={place}"]),
        ("responses", []),
    ],
)
def test_every_study_of_real_models_is_planned(
    name: str, overrides: list[str], oracle: StageProcess, place: Path
) -> None:
    given = [override.format(place=place) for override in overrides]
    if name != "rft_sft":
        given += [f"strategy.source.path={place}", "amount=4,8"]
    plan, costs, _ = planned(oracle, place, f"experiment={name}", *given)
    assert {cell.cell.model.name for cell in plan.cells} == {"llama2_7b"}
    assert costs.keys() == plan.artifacts.keys()
    amounts = sorted({cell.amount for cell in plan.cells})
    assert amounts == ([0, 1, 2, 3, 6, 12, 24] if name == "rft_sft" else [0, 4, 8])


def test_where_and_how_a_model_is_trained_is_no_part_of_any_key(
    oracle: StageProcess, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "moved").symlink_to(place / "model")
    how = ("cluster.compute.rows_at_once=2", "cluster.compute.gradient_checkpointing=true")
    one, costs, _ = planned(oracle, place, "model=qwen2_5_7b", "train=mugglemath", *SMALL)
    other, less, _ = planned(
        oracle, place, "model=llama2_7b", "train=mugglemath", f"model.path={tmp_path}/moved", *SMALL, *how
    )
    assert one.artifacts.keys() == other.artifacts.keys()
    [training] = [key for key, artifact in one.artifacts.items() if artifact.kind == "checkpoint"]
    assert less[training].memory < costs[training].memory
    assert less[training].flops > costs[training].flops


def test_a_price_is_that_of_every_gpu_of_every_job(oracle: StageProcess, place: Path) -> None:
    common = ("model=llama2_7b", "train=mugglemath", *SMALL, "cluster.price_per_gpu_hour=2.0")
    plan, costs, cluster = planned(oracle, place, *common, "cluster.gpus=4")
    hours = sum(cost.seconds for cost in costs.values()) / 3600
    found = bill(plan.artifacts, plan.artifacts, costs, cluster)
    assert (found.gpu_hours, found.price) == (pytest.approx(hours), pytest.approx(2.0 * hours))
    eight = "+cluster.models.llama2_7b.checkpoint={gpus: 4, nodes: 2}"
    plan, costs, cluster = planned(oracle, place, *common, "cluster=slurm", eight)
    [training] = [key for key, artifact in plan.artifacts.items() if artifact.kind == "checkpoint"]
    found = bill(plan.artifacts, plan.artifacts, costs, cluster)
    assert found.gpu_hours == pytest.approx(8 * costs[training].seconds / 3600)
    assert bill([], plan.artifacts, costs, cluster).gpu_hours == 0.0


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.path=null"], "is not in the hub's cache .* HF_HUB_OFFLINE .*hf download Qwen/Qwen2.5-0.5B`"),
        (["model.dtype=bfloat16"], "model.dtype=bfloat16 loses the small steps"),
        (["train.rehearsal=1"], "set train.rehearsal=0"),
        (["model.prompt=chat"], "has no chat template"),
        (["model.context=5000"], "is above the 4096 tokens"),
        (["model.kind=new"], r"model\.hidden_size has no value"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_planned(
    overrides: list[str], told: str, oracle: StageProcess, place: Path
) -> None:
    with pytest.raises(Refused, match=told):
        planned(oracle, place, "model=qwen2_5_0_5b", "train=mugglemath", *SMALL, *overrides)


def test_a_model_made_from_nothing_takes_neither_adapters_nor_rounding(
    oracle: StageProcess, place: Path
) -> None:
    for override in ("train=mugglemath", "train=mugglemath_lora"):
        with pytest.raises(Refused, match=r"all its weights are trained in float32: set train\.lora=null"):
            compose.run(
                ["study=s", "amount=8", override],
                lambda grid: Planner(Facts(oracle), Store(place)).plan(check.cells(grid.points)) and 0,
            )
