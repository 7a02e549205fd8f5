"""Ask for all that is not answered yet, many at a time, and stop in time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from experiments.llm.journal import Journal
from experiments.llm.request import Answer, Request, price
from experiments.llm.server import Chat
from experiments.resume import Paused, Resumption
from orchestrator.refusal import Refused
from orchestrator.strategies import Server

Progress = Callable[[float, str], None]


class Model(Protocol):
    """Answers without a server, a batch at a time."""

    def ask(self, requests: Sequence[Request], tick: Callable[[], None]) -> list[Answer]:
        """The answers, in order; raises whatever `tick` raises, which is called meanwhile."""

    def most_tokens(self, request: Request) -> tuple[int, int]:
        """How many tokens it reads for a request, and how many it may write."""


@dataclass
class Collector:
    """Whoever asks: where, what may be spent, and where answers are kept.

    A `model` in this process is asked in place of the server.
    """

    server: Server
    resumption: Resumption
    journal: Journal
    progress: Progress
    model: Model | None = None
    _read: int = field(init=False)
    _written: int = field(init=False)
    _under_way: tuple[int, int] = (0, 0)  # tokens that open requests may take
    _stopped: str = ""

    def __post_init__(self) -> None:
        self._read, self._written = self.journal.spent

    def answers(self, requests: Sequence[Request], what: str) -> list[Answer]:
        """Of all requests, in their order.

        Raises Refused where the budget is too small or the server turns us away, ServerGaveUp where it does
        not answer, Paused where the stage is asked to stop. Whatever was answered by then is kept.
        """
        left = [request for request in requests if self.journal.find(request) is None]
        counted = _Count(len(requests) - len(left), len(requests), what)
        if self.model is None:
            asyncio.run(self._ask_server(iter(left), counted))
        else:
            self._ask_model(self.model, left, counted)
        found = [self.journal.find(request) for request in requests]
        n_left = sum(answer is None for answer in found)
        if n_left and self._stopped == "paused":
            raise Paused(f"{len(requests) - n_left} of {len(requests)} {what}")
        if n_left:
            raise Refused(self._stopped.format(n=len(requests) - n_left, total=len(requests), what=what))
        return [answer for answer in found if answer is not None]

    def _ask_model(self, model: Model, todo: Sequence[Request], counted: "_Count") -> None:
        """A batch that is broken off, by a pause too, was not paid for and is not kept."""
        place = 0
        while place < len(todo) and not self._stopped:
            batch: list[Request] = []
            for request in todo[place : place + self.server.concurrency]:
                if self._must_stop(request):
                    break
                self._under_way = _sum(self._under_way, self._most_tokens(request))
                batch.append(request)
            self._under_way = (0, 0)
            try:
                answers = model.ask(batch, self._look_for_pause) if batch else []
            except _PausedError:
                self._stopped = "paused"
                return
            for request, answer in zip(batch, answers, strict=True):
                self._keep(request, answer, counted)
            place += len(batch)

    def _look_for_pause(self) -> None:
        if self.resumption.pause.is_set():
            raise _PausedError

    async def _ask_server(self, todo: Iterator[Request], counted: "_Count") -> None:
        async with Chat(self.server) as chat:
            workers = [
                asyncio.create_task(self._work(chat, todo, counted)) for _ in range(self.server.concurrency)
            ]
            try:
                await asyncio.gather(*workers)
            except BaseException:
                # Those under way are paid for: let them come in.
                self._stopped = self._stopped or "stopped after an error"
                await asyncio.gather(*workers, return_exceptions=True)
                raise

    async def _work(self, chat: Chat, todo: Iterator[Request], counted: "_Count") -> None:
        for request in todo:
            if self._must_stop(request):
                return
            self._under_way = _sum(self._under_way, request.most_tokens)
            try:
                answer = await chat.ask(request)
            except BaseException:
                self._stopped = self._stopped or "stopped after an error"
                raise
            finally:
                self._under_way = _sum(self._under_way, request.most_tokens, sign=-1)
            self._keep(request, answer, counted)

    def _keep(self, request: Request, answer: Answer, counted: "_Count") -> None:
        self.journal.add(request, answer)
        self._read, self._written = self._read + answer.n_read, self._written + answer.n_written
        counted.n_done += 1
        spent = price((self._read, self._written), self.server.dollars_per_million)
        tokens = self._read + self._written
        self.progress(counted.share, f"{counted}, {tokens:,} tokens, ${spent:.2f}")

    def _most_tokens(self, request: Request) -> tuple[int, int]:
        return request.most_tokens if self.model is None else self.model.most_tokens(request)

    def _must_stop(self, request: Request) -> bool:
        if not self._stopped and self.resumption.pause.is_set():
            self._stopped = "paused"
        if not self._stopped:
            self._stopped = self._over_budget(request)
        return bool(self._stopped)

    def _over_budget(self, request: Request) -> str:
        """What to say where this request, on top of what is spent and under way, could break the budget."""
        total = _sum(_sum((self._read, self._written), self._under_way), self._most_tokens(request))
        server = self.server
        kept = "{n} of {total} {what} are answered and kept; raise it and run again"
        if server.budget_tokens is not None and sum(total) > server.budget_tokens:
            return f"strategy.server.budget_tokens={server.budget_tokens} allows no more requests: {kept}"
        dollars = price(total, server.dollars_per_million)
        if server.budget_dollars is not None and dollars > server.budget_dollars:
            return f"strategy.server.budget_dollars={server.budget_dollars} allows no more requests: {kept}"
        return ""


class _PausedError(Exception):
    """A pause was asked for while a model answered."""


@dataclass
class _Count:
    n_done: int
    n_total: int
    what: str

    @property
    def share(self) -> float:
        return self.n_done / max(self.n_total, 1)

    def __str__(self) -> str:
        return f"{self.n_done:,} of {self.n_total:,} {self.what}"


def _sum(one: tuple[int, int], other: tuple[int, int], sign: int = 1) -> tuple[int, int]:
    return one[0] + sign * other[0], one[1] + sign * other[1]
