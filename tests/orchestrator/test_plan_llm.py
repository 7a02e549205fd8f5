"""Plans of pools that a language model has yet to write."""

from pathlib import Path

import pytest

from orchestrator import amounts
from orchestrator.refusal import Refused
from tests.orchestrator.test_plan import planned

ASKED = ("strategy=queries/gsm8k", "strategy.writer.model=some", "seed=0", "amount=8")


@pytest.mark.slow
def test_where_a_model_answers_and_what_it_may_cost_changes_no_key(tmp_path: Path) -> None:
    here = planned(tmp_path, *ASKED)
    there = planned(
        tmp_path, *ASKED, "strategy.server.url=http://there/v1", "strategy.server.budget_dollars=5"
    )
    assert set(here["artifacts"]) == set(there["artifacts"])
    [(key, pool)] = [
        (key, one)
        for key, one in there["artifacts"].items()
        if one["kind"] == "pool" and one["spec"]["strategy"]["kind"] == "llm"
    ]
    assert pool["places"]["server"]["url"] == "http://there/v1"
    assert "server" not in pool["spec"]["strategy"]
    assert pool["cost"]["tokens"] > 1000
    warmer = planned(tmp_path, *ASKED, "strategy.writer.temperature=0.9")
    assert key not in warmer["artifacts"]


@pytest.mark.parametrize("amount", [0.5, "1/4"])
def test_a_share_of_a_pool_that_nobody_has_written_is_refused(amount: float | str) -> None:
    with pytest.raises(
        Refused, match=f"amount={amount} is a share of a pool that strategy 'q' has yet to write"
    ):
        amounts.refuse_share(amount, "q")
    amounts.refuse_share(100, "q")
