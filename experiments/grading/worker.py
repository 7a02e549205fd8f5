"""A process that may be killed: answers pairs of answers on stdin with verdicts on stdout, a line each."""

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from experiments.grading.equality import same
from experiments.grading.judge import equal
from experiments.grading.processes import READY
from experiments.grading.values import read

# Beyond what the process has mapped when it begins. A power tower asks for all there is.
MEMORY = 2 << 30


def main() -> None:
    """Serve until stdin closes. The first argument is the limit for one pair, in seconds of CPU time.

    When it is spent the kernel ends the process, whatever the code is doing: nothing can catch that.
    """
    limit = float(sys.argv[1])
    # Ctrl-C is for the parent to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    # What libraries print must not look like a verdict.
    verdicts = os.dup(1)
    os.dup2(2, 1)
    # The first comparison builds the tables of the parser, which is not for an answer to pay.
    assert equal("(x+1)^2", "x^2+2x+1")
    os.write(verdicts, READY)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, limit)
        verdict = _verdict(json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(verdicts, json.dumps(verdict).encode() + b"\n")


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _verdict(pair: Mapping[str, str]) -> bool | None:
    """Whether the two are the same; None where the answer makes no sense."""
    reference, answer = read(pair["reference"]), read(pair["answer"])
    assert reference is not None and answer is not None, "the parent asks of what it could read"
    try:
        return same(reference, answer, equal)
    except Exception:  # noqa: BLE001 - whatever sympy makes of an answer, the next one is to be graded
        return None


if __name__ == "__main__":
    main()
