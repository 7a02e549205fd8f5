"""The version of each stage: raised when what it makes changes, as it is part of every key."""

VERSIONS = {"pool": 1, "base": 1, "checkpoint": 1, "completions": 1, "record": 2, "grader": 3}
