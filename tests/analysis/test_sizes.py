import numpy as np
import pandas as pd
import pytest

from analysis.sizes import fit_sizes, parse_size, sizes_json
from orchestrator.refusal import Refused

SIZES = (1e9, 3e9, 7e9, 13e9)


def grown(sizes=SIZES, interaction=-0.5, sd=0.3, seed=0, chains=("0", "1", "2")):
    """4 points a doubling of data at 3e9 parameters, 6 a doubling of size, which changes the former."""
    generator = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        z = np.log2(size / 3e9)
        for amount in (1000, 2000, 4000, 8000):
            x = np.log2(amount / 1000)
            for chain in chains:
                value = 30 + 4 * x + 6 * z + interaction * x * z + generator.normal(scale=sd)
                rows.append((size, amount, chain, value))
    return pd.DataFrame(rows, columns=["size", "amount", "chain", "value"])


def test_each_size_has_its_slope():
    found = fit_sizes({}, grown())
    for one in found.slopes:
        planted = 4 - 0.5 * np.log2(one.size / 3e9)
        assert one.per_doubling.estimate == pytest.approx(planted, abs=0.3)


def test_the_joint_law_finds_what_was_planted():
    joint = fit_sizes({}, grown(sd=0.1)).joint
    assert joint.parameters["interaction"].estimate == pytest.approx(-0.5, abs=0.1)
    assert joint.parameters["per_size_doubling"].estimate == pytest.approx(6 - 0.5 * 1.5, abs=0.1)
    assert joint.at(1000, 3e9).estimate == pytest.approx(30, abs=0.2)


def test_a_size_held_out_is_predicted_better_by_the_joint_law_than_by_its_neighbour():
    largest = fit_sizes({}, grown()).held_out[-1]
    assert largest.size == 13e9
    assert largest.joint < 1 < largest.nearest
    assert largest.joint < largest.additive
    amount, observed, predicted = largest.predictions[0]
    assert amount == 1000
    assert predicted.low - 1 < observed < predicted.high + 1


def test_two_sizes_have_a_joint_law_but_none_to_hold_out():
    found = fit_sizes({}, grown(sizes=SIZES[:2]))
    assert found.joint is not None
    assert found.held_out == ()
    assert found.notes == ("2 sizes: none can be held out, which takes three",)


def test_one_size_has_no_joint_law():
    found = fit_sizes({}, grown(sizes=SIZES[:1]))
    assert found.joint is None
    assert sizes_json(found)["joint"] is None


def test_the_order_of_rows_changes_nothing():
    runs = grown()
    shuffled = runs.sample(frac=1, random_state=1)
    assert sizes_json(fit_sizes({}, runs)) == sizes_json(fit_sizes({}, shuffled))


@pytest.mark.parametrize(
    ("text", "size"),
    [("7b", 7e9), ("350M", 350e6), (13, 13.0), ("7e9", 7e9), ("1.5B", 1.5e9), ("LLaMA-2-70B", 70e9)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["large", "0", "-7", "", "7b or 13b", "..", "llama3"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(Refused, match="size"):
        parse_size(text)
