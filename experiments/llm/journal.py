"""Answers on disk, each flushed as it comes: what was paid for is never asked again."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from experiments.llm.request import Answer, Request


class Journal:
    """A file with a line for each answer, only ever appended to; a context manager that closes it.

    A process that is killed while it writes leaves half a line, which counts as no answer.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._answers: dict[str, tuple[str, Answer]] = {}
        whole = 0
        for line, end in _whole_lines(path):
            entry = json.loads(line)
            self._answers[entry["item"]] = (entry["digest"], Answer(**entry["answer"]))
            whole = end
        self._file: IO[bytes] = path.open("ab")
        self._file.truncate(whole)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def find(self, request: Request) -> Answer | None:
        """The answer to exactly this request, where there is one."""
        digest, answer = self._answers.get(request.item, ("", None))
        return answer if digest == request.digest else None

    def add(self, request: Request, answer: Answer) -> None:
        """Keep an answer; it is on disk when this returns."""
        entry = {"item": request.item, "digest": request.digest, "answer": asdict(answer)}
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._answers[request.item] = (request.digest, answer)

    @property
    def spent(self) -> tuple[int, int]:
        """Tokens read and written by all answers so far."""
        answers = [answer for _, answer in self._answers.values()]
        return sum(answer.n_read for answer in answers), sum(answer.n_written for answer in answers)


def _whole_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """The lines that end, and where."""
    end = 0
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                end += len(line)
                yield line, end
