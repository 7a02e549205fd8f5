"""Answers to GSM8K by hand: which numbers are met, with the reason where two people might differ."""

import pytest

from experiments.grading import gsm8k


@pytest.mark.parametrize(
    ("completion", "reference", "reason"),
    [
        ("#### 18.00001", "18", "correct"),
        ("#### 18.01", "18", "wrong"),
        ("#### 1000001", "1000000", "wrong"),
        ("#### 33.33", "100/3", "correct"),
        ("#### 33.3", "100/3", "wrong"),
        ("#### 1/3", "1/3", "correct"),
        ("#### 0.33", "1/3", "wrong"),
        # Three digits that are rightly rounded say which number was found.
        ("#### 0.333", "1/3", "correct"),
        ("#### 0.334", "1/3", "wrong"),
        ("#### 3.14", "3.14159", "correct"),
        ("#### 3.15", "3.14159", "wrong"),
        # The reference may be rounded itself.
        ("#### 2/3", "0.67", "correct"),
        ("#### 33.3333333", "33.33", "correct"),
        ("#### 0.68", "0.67", "wrong"),
        ("#### 1.54", "1.5", "wrong"),
        ("#### 0.0476", "0.05", "wrong"),
        # Shares, and what is counted in thousands.
        ("#### 50%", "0.5", "correct"),
        ("#### 1/2=<<1/2*100=50>>50% of all", "0.5", "correct"),
        ("#### 0.5", "50%", "correct"),
        ("#### 5%", "0.5", "wrong"),
        ("#### 5000%", "50%", "wrong"),
        ("#### 0.5", "50", "wrong"),
        ("#### 1.5 million", "1500000", "correct"),
        ("#### 15k", "15000", "correct"),
        ("#### 15 million", "15", "correct"),
        ("#### 15", "15 million", "wrong"),
        ("#### 2 dozen", "24", "correct"),
        ("#### 15 kg", "15000", "wrong"),
        ("#### 0", "2.0107e-06", "wrong"),
        ("#### 0.0000020107", "2.0107e-06", "correct"),
        ("#### 14053029.67", "14053029.666666666", "correct"),
        ("#### 14053030", "14053029.666666666", "wrong"),
        ("#### 55938720", "55938720.00000001", "correct"),
        ("#### -18", "18", "wrong"),
        ("#### 1800", "18", "wrong"),
        ("nothing", "18", "no answer"),
    ],
)
def test_integers_are_met_exactly_and_fractions_up_to_rounding(
    completion: str, reference: str, reason: str
) -> None:
    expected = gsm8k.reference(reference)
    assert expected is not None
    assert gsm8k.grade(completion, expected, "stop").reason == reason
