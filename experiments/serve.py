"""Answer the orchestrator: requests come in on stdin and answers go out on stdout, one JSON object a line."""

import errno
import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from experiments.followers import Followers, wanted
from experiments.inference.held import Held
from experiments.resume import Paused, Progress, Resumption
from experiments.versions import VERSIONS

# Modules are named here and imported at the first request that needs them: torch alone takes seconds.
MAKERS = {
    "pool": ("experiments.pool", "make_pool"),
    "base": ("experiments.base", "make_base"),
    "trunk": ("experiments.trunk", "make_trunk"),
    "checkpoint": ("experiments.train", "make_checkpoint"),
    "record": ("experiments.record", "make_record"),
}
# Answered by a function, given what stands in the request under these names.
QUESTIONS = {
    "environment": ("experiments.environment", "describe", ("sources",)),
    "gpus": ("experiments.environment", "gpus", ()),
    "inspect": ("experiments.sources", "inspect", ("source", "answer")),
    "model": ("experiments.pretrained", "inspect", ("model",)),
    "size": ("experiments.pool", "size", ("spec", "places")),
    "cost": ("experiments.cost", "answer", ("artifacts", "compute")),
}
ASKED = ("versions", *QUESTIONS, "make", "pause")
WITH_TORCH = frozenset({"base", "trunk", "checkpoint", "completions"})
# These can be paused; records have nothing to save and come to their end.
RESUMABLE = WITH_TORCH | {"pool"}
WITH_PLACES = frozenset({"pool", "base", "completions", "record"})
# These want the memory of an engine for themselves, a pool for the model that writes it.
WITHOUT_ENGINE = frozenset({"pool", "base", "trunk", "checkpoint"})
BY_RANKS = frozenset({"trunk", "checkpoint"})  # these may have several processes to train them

# By name, as the modules that define some of these take seconds to import.
REFUSED = frozenset({"Refused", "TooLongError"})
CAUSES = {
    "NotFiniteError": "loss not finite",
    "DivergedError": "loss diverged",
    "MemoryError": "out of memory",
    "OutOfMemoryError": "out of GPU memory",
    "ImportError": "import error",
}
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})

# A cluster sends these to every process of a job, to warn of preemption or of its time limit.
WARNINGS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class _Stage:
    """What this process has beside the request at hand."""

    progress: Progress
    pause: threading.Event
    held: Held
    followers: Followers


def run() -> NoReturn:
    """Answer requests until stdin closes, which ends the process at once, whatever it is doing."""
    leave_signals_to_the_one_who_asks()
    answer = _Answers()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    pause = threading.Event()
    stage = _Stage(answer.progress, pause, Held(), Followers(answer.fail))
    threading.Thread(target=_listen, args=(requests, pause), daemon=True).start()
    while True:
        answer.send(_answered(requests.get(), stage))


def leave_signals_to_the_one_who_asks() -> None:
    """Have this process end when its stdin closes, and by no signal that a whole job is sent."""
    # Ctrl-C reaches the whole group of processes, a warning of the cluster the whole job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in WARNINGS:
        # Not SIG_IGN: what this process starts would inherit that, and could not be ended any more.
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)


class _Answers:
    """What was stdout when the process began; anything else that is printed goes to stderr."""

    def __init__(self) -> None:
        self._stream = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(self, answer: Mapping[str, Any]) -> None:
        left = json.dumps(answer).encode() + b"\n"
        try:
            while left:
                left = left[os.write(self._stream, left) :]
        except BrokenPipeError:
            os._exit(1)  # nobody listens any more

    def fail(self, failed: Mapping[str, Any]) -> NoReturn:
        """Answer in place of a request that will never come to its end."""
        self.send({"failed": failed})
        os._exit(1)

    def progress(self, done: float, note: str) -> None:
        self.send({"progress": done, "note": note})


def _listen(requests: queue.SimpleQueue[bytes], pause: threading.Event) -> None:
    for line in sys.stdin.buffer:
        if _asks_to_pause(line):
            pause.set()
        else:
            pause.clear()  # a pause that came after the answer was for the request before
            requests.put(line)
    os._exit(0)


def _asks_to_pause(line: bytes) -> bool:
    try:
        return bool(json.loads(line)["ask"] == "pause")
    except (ValueError, KeyError, TypeError):
        return False  # answered in its turn, with what is wrong with it


def _answered(line: bytes, stage: _Stage) -> dict[str, Any]:
    try:
        return {"result": _result(json.loads(line), stage)}
    except Paused as paused:
        return {"paused": str(paused)}
    except Exception as error:  # noqa: BLE001 - whatever went wrong is the answer
        if is_refusal(error):
            return {"refused": str(error)}
        return {
            "failed": {
                "cause": cause_of(error),
                "message": f"{type(error).__name__}: {error}",
                "traceback": traceback.format_exc(),
            }
        }


def _result(request: Mapping[str, Any], stage: _Stage) -> Any:
    match request["ask"]:
        case "versions":
            return VERSIONS
        case "make":
            return _made(request, stage)
        case question if question in QUESTIONS:
            module, name, given = QUESTIONS[question]
            return _named(module, name)(*(request[part] for part in given))
        case other:
            raise ValueError(f"'{other}' cannot be asked; {', '.join(ASKED)} can")


def _made(request: Mapping[str, Any], stage: _Stage) -> Any:
    kind = request["kind"]
    if kind in WITHOUT_ENGINE:
        stage.held.end()
    if kind in WITH_TORCH and "torch" not in sys.modules:
        _named("experiments.compute", "settle")()
    inputs = {role: Path(folder) for role, folder in request["inputs"].items()}
    arguments: list[Any] = [request["spec"], inputs, Path(request["into"]), stage.progress]
    if kind in WITH_PLACES:
        arguments.append(request["places"])
    if kind in RESUMABLE:
        arguments.append(Resumption(Path(request["state"]), request["save_every"], stage.pause))
    if kind in BY_RANKS:
        how = _named("experiments.how", "How")(request["micro_batches"], **request["compute"])
        with stage.followers.at_work(request, wanted(how.ranks)):
            return _named(*MAKERS[kind])(*arguments, how)
    if kind in WITH_TORCH:
        stage.followers.end()  # their GPUs are wanted, and this process is to be by itself
    if kind == "completions":
        return _named("experiments.generate", "Generation")(stage.held, request["inference"]).make(*arguments)
    return _named(*MAKERS[kind])(*arguments)


def _named(module: str, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def is_refusal(error: BaseException) -> bool:
    """Whether the input is wrong, and not the making."""
    return any(kind.__name__ in REFUSED for kind in type(error).__mro__)


def cause_of(error: BaseException) -> str:
    """What the ledger calls it: a word or two that say what would help."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in NO_SPACE:
            return "disk full"
        # Libraries written in Rust or C++ hand the system's message on without its number.
        if "No space left on device" in str(cause):
            return "disk full"
        if "can't allocate memory" in str(cause):
            return "out of memory"
        for kind in type(cause).__mro__:
            if kind.__name__ in CAUSES:
                return CAUSES[kind.__name__]
    return "unknown"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
