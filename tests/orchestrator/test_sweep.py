import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.refusal import Refused
from orchestrator.sweep import Sweep, expand

AXES = {"strategy": ["queries", "numbers"], "amount": [128, 256, 512], "seed": [0, 1]}


def test_a_sweep_is_the_product_of_its_axes_with_the_first_slowest():
    points = expand(Sweep(AXES), {}).points
    assert [tuple(point.values()) for point in points] == list(itertools.product(*AXES.values()))


def test_a_sweep_without_axes_is_one_point():
    assert expand(Sweep({}), {}).points == ({},)


@given(
    st.dictionaries(
        st.sampled_from("abcde"),
        st.lists(st.integers() | st.floats() | st.text(), min_size=1, unique_by=repr),
    )
)
def test_every_combination_appears_exactly_once(axes):
    axes = {name: values[:4] for name, values in axes.items()}
    points = expand(Sweep(axes), {}).points
    expected = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    assert repr(list(points)) == repr(expected)


def test_an_axis_of_the_command_line_replaces_the_declared_one_and_keeps_its_place():
    points = expand(Sweep(AXES), {"strategy": ["responses"], "lr": [1]}).points
    assert len(points) == 6
    assert list(points[0]) == ["strategy", "amount", "seed", "lr"]
    assert {point["strategy"] for point in points} == {"responses"}


def test_axes_that_move_together_are_paired():
    sweep = Sweep({"amount": [1, 2], "seed": [0, 1], "steps": [10, 20]}, zip=[["amount", "steps"]])
    points = expand(sweep, {}).points
    assert [(point["amount"], point["steps"], point["seed"]) for point in points] == [
        (1, 10, 0),
        (1, 10, 1),
        (2, 20, 0),
        (2, 20, 1),
    ]


def test_a_value_may_come_again_beside_another_that_moves_with_it():
    sweep = Sweep({"amount": [1, 2, 4], "rate": [7, 7, 5]}, zip=[["amount", "rate"]])
    assert [tuple(point.values()) for point in expand(sweep, {}).points] == [(1, 7), (2, 7), (4, 5)]
    with pytest.raises(Refused, match="axis 'rate' has the value 7 twice"):
        expand(sweep, {"rate": [7, 7, 5]})


def test_one_of_two_paired_axes_given_anew_makes_a_product_and_a_note():
    sweep = Sweep({"amount": [1, 2], "steps": [10, 20]}, zip=[["amount", "steps"]])
    expansion = expand(sweep, {"amount": [1, 2, 3]})
    assert len(expansion.points) == 6
    assert expansion.notes == (
        "amount and steps no longer move together: amount was given on the command line",
    )


def test_paired_axes_all_given_anew_stay_paired():
    sweep = Sweep({"amount": [1, 2], "steps": [10, 20]}, zip=[["amount", "steps"]])
    expansion = expand(sweep, {"amount": [1, 2, 3], "steps": [4, 5, 6]})
    assert [tuple(point.values()) for point in expansion.points] == [(1, 4), (2, 5), (3, 6)]
    assert expansion.notes == ()


def test_further_grids_inherit_the_other_axes_after_the_command_line():
    sweep = Sweep(AXES, also=[{"strategy": ["seed"], "amount": [400]}])
    points = expand(sweep, {"seed": [7], "strategy": ["queries"]}).points
    assert points[-1] == {"strategy": "seed", "amount": 400, "seed": 7}
    assert len(points) == 4


def test_a_point_of_two_grids_is_kept_once_where_it_first_stands():
    sweep = Sweep(AXES, also=[{"amount": [512, 1024]}])
    points = expand(sweep, {}).points
    assert len(points) == 16
    assert [point["amount"] for point in points[12:]] == [1024] * 4


def test_a_count_and_a_share_are_two_values():
    assert len(expand(Sweep({"amount": [1, 1.0, "1"]}), {}).points) == 3


@pytest.mark.parametrize(
    ("expression", "n_left"),
    [
        ("strategy == 'numbers' and amount > 256", 10),
        ("strategy in ['numbers'] or not amount <= 128", 2),
        ("128 < amount <= 256", 8),
        ("amount % 256 == 0", 4),
        ("amount * 2 - 1 + seed / 1 > 1023", 10),
        ("-seed < 0", 6),
        ("strategy not in ('numbers', 'queries')", 12),
    ],
)
def test_an_exclusion_leaves_out_where_it_holds(expression, n_left):
    assert len(expand(Sweep(AXES, exclude=[expression]), {}).points) == n_left


def test_an_exclusion_may_name_an_axis_with_dots():
    sweep = Sweep({"train.lr": [1, 2]}, exclude=["train.lr > 1"])
    assert expand(sweep, {}).points == ({"train.lr": 1},)


def test_an_exclusion_says_nothing_of_points_without_its_axes():
    sweep = Sweep({"amount": [1, 2]}, exclude=["lr > 1"], also=[{"amount": [4], "lr": [1, 2]}])
    assert expand(sweep, {}).points == ({"amount": 1}, {"amount": 2}, {"amount": 4, "lr": 1})


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        (Sweep({"amount": []}), "axis 'amount' is empty"),
        (Sweep({"amount": [1, 2, 1]}), "axis 'amount' has the value 1 twice"),
        (Sweep({"amount": [1]}, also=[{"seed": [3, 3]}]), "axis 'seed' has the value 3 twice"),
        (Sweep(AXES, zip=[["amount", "seed"]]), "amount has 3, seed has 2"),
        (Sweep(AXES, zip=[["amount", "steps"]]), "zip names 'steps', which is no axis"),
        (Sweep(AXES, zip=[["amount", "seed"], ["seed", "strategy"]]), "zip names 'seed' twice"),
        (Sweep(AXES, exclude=["amoun > 3"]), "names 'amoun', which is no axis of this sweep: compare amount"),
        (Sweep(AXES, exclude=["amount >"]), "'amount >' is not a plain boolean expression"),
        (Sweep(AXES, exclude=["__import__('os')"]), "is not a plain boolean expression"),
        (Sweep(AXES, exclude=["amount.__class__"]), "names 'amount.__class__', which is no axis"),
        (Sweep(AXES, exclude=["[amount for amount in [1]]"]), "is not a plain boolean expression"),
        (Sweep(AXES, exclude=["amount"]), "'amount' is 128 and neither true nor false"),
        (Sweep(AXES, exclude=["strategy > 3"]), "exclude 'strategy > 3' has no answer at strategy=queries"),
        (Sweep(AXES, exclude=["amount / 0 > 3"]), "division by zero"),
        (Sweep(AXES, exclude=["amount > 0"]), "nothing is left of the sweep after exclude amount > 0"),
    ],
)
def test_a_grid_that_cannot_be_meant_is_refused(sweep, told):
    with pytest.raises(Refused) as refusal:
        expand(sweep, {})
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)
