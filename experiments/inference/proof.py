"""How it was proven whose answers these are: the file beside completions, which their record repeats."""

PROOF = "weights.json"
