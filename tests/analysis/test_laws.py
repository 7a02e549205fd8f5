import numpy as np
import pytest

from analysis.fitting import Status, fit
from analysis.laws import LAWS, CurvedLaw
from analysis.metric import ACCURACY, LOSS
from tests.analysis.planted import ACCURACY_LAWS, AMOUNTS, LOSS_LAWS, runs_of

CURVED = [law for law in LAWS.values() if isinstance(law, CurvedLaw)]
PLANTED = [(ACCURACY, name) for name in ACCURACY_LAWS] + [(LOSS, name) for name in LOSS_LAWS]


def truth(metric, name):
    formula, parameters = (ACCURACY_LAWS if metric is ACCURACY else LOSS_LAWS)[name]
    return formula, parameters


def test_the_laws_are_those_that_the_documentation_names():
    wanted = ["constant", "last", "loglinear", "logoffset", "logit", "segmented", "power", "mmf4"]
    assert [*wanted, "rectified", "bnsl1"] == list(LAWS)
    for law in LAWS.values():
        names = [parameter.name for parameter in law.parameters]
        assert len(set(names)) == len(names)
        assert all(name in law.formula for name in names)
        assert all(parameter.meaning for parameter in law.parameters)
        assert law.derivation


@pytest.mark.parametrize(("metric", "name"), PLANTED, ids=lambda value: getattr(value, "id", value))
def test_planted_parameters_of_every_law_come_back(metric, name):
    formula, parameters = truth(metric, name)
    found = fit(LAWS[name], runs_of(formula(AMOUNTS, **parameters)), metric)
    for parameter, value in parameters.items():
        assert found.parameters[parameter].estimate == pytest.approx(value, rel=1e-5), parameter
    assert [one.estimate for one in found.at(AMOUNTS * 1.5)] == pytest.approx(
        formula(AMOUNTS * 1.5, **parameters), rel=1e-7
    )


@pytest.mark.parametrize("name", [law.id for law in CURVED if law.id != "bnsl1"])
def test_planted_parameters_lie_within_intervals_that_shrink_with_the_scatter(name):
    formula, parameters = ACCURACY_LAWS[name]
    widths = []
    for sd in (0.4, 0.1):
        found = fit(LAWS[name], runs_of(formula(AMOUNTS, **parameters), m=3, sd=sd, seed=3), ACCURACY)
        assert found.status in (Status.CONVERGED, Status.AT_BOUND)
        known = {name: one for name, one in found.parameters.items() if one.low is not None}
        assert all(one.low <= one.estimate <= one.high for one in known.values())
        assert sum(one.low <= parameters[name] <= one.high for name, one in known.items()) >= len(known) - 1
        widths.append({name: one.width for name, one in known.items()})
    shared = set(widths[0]) & set(widths[1])
    assert all(widths[1][name] < widths[0][name] for name in shared)


@pytest.mark.parametrize("law", [law for law in LAWS.values() if law.admits_zero], ids=lambda law: law.id)
def test_amount_zero_is_admitted_where_the_law_has_a_value_there(law):
    formula, parameters = ACCURACY_LAWS.get(law.id, ACCURACY_LAWS["constant"])
    amounts = np.concatenate([[0.0], AMOUNTS])
    found = fit(law, runs_of(formula(amounts, **parameters), amounts), ACCURACY)
    assert found.at(np.array([0.0]))[0].estimate == pytest.approx(formula(amounts, **parameters)[0], abs=1e-4)


@pytest.mark.parametrize("law", CURVED, ids=lambda law: law.id)
def test_no_law_leaves_the_range_of_accuracies(law):
    values = np.array([1.0, 40.0, 70.0, 85.0, 93.0, 97.0, 99.5, 100.0])
    found = fit(law, runs_of(values), ACCURACY)
    for name in ("asymptote", "ceiling", "floor"):
        if name in found.parameters:
            assert 0 <= found.parameters[name].estimate <= 100
    far = [one.estimate for one in found.at(np.array([1.0, 2.0**30]))]
    assert all(0 <= value <= 100 for value in far)


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.id)
def test_too_few_amounts_for_a_law_is_said_and_nothing_is_made_up(law):
    runs = runs_of(np.full(1, 50.0), AMOUNTS[:1], m=3, sd=1.0)
    found = fit(law, runs, ACCURACY)
    if law.fewest_amounts == 1:
        assert found.status is Status.CONVERGED
        return
    assert found.status is Status.TOO_FEW_AMOUNTS
    assert all(one.estimate is None for one in found.parameters.values())


def test_the_last_value_is_carried_forward():
    runs = runs_of(np.linspace(10, 45, 8), m=3, sd=1.0)
    found = fit(LAWS["last"], runs, ACCURACY)
    last = runs.values[runs.amounts == AMOUNTS[-1]]
    assert found.at(np.array([1e9]))[0].estimate == pytest.approx(last.mean())
    assert len(found.runs.values) == 3
