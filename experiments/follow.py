"""A rank of a training that is led by another process: does its share of what that process is asked."""

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from experiments import compute, ranks
from experiments.how import How
from experiments.keeper import Keeper
from experiments.resume import Resumption
from experiments.serve import cause_of, is_refusal, leave_signals_to_the_one_who_asks
from experiments.train import Task, read_task
from experiments.trunk import read_trunk


def run() -> NoReturn:
    """Train until stdin closes, which ends the process at once. On a failure the last line tells it."""
    leave_signals_to_the_one_who_asks()
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        compute.settle()
        ranks.follow()
        while True:
            with suppress(ranks.Ended):
                _train(json.loads(requests.get()))
    except Exception as error:  # noqa: BLE001 - whatever went wrong is told
        failed = {
            "cause": "bad input" if is_refusal(error) else cause_of(error),
            "message": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc(),
        }
        os.write(answers, json.dumps(failed).encode() + b"\n")
        os._exit(1)


def _listen(requests: "queue.SimpleQueue[bytes]") -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _train(request: Mapping[str, Any]) -> None:
    task = _task(request)
    # States are read and written by rank 0 alone.
    keeper = Keeper(Resumption(Path(request["state"]), request["save_every"]), "", lambda share, note: None)
    task.fit(lambda share, note: None, keeper)


def _task(request: Mapping[str, Any]) -> Task:
    inputs = {role: Path(folder) for role, folder in request["inputs"].items()}
    read = read_trunk if request["kind"] == "trunk" else read_task
    return read(request["spec"], inputs, How(request["micro_batches"], **request["compute"]))
