"""Ask for all that is not answered yet, many at a time, and stop in time."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from experiments.llm.journal import Journal
from experiments.llm.request import Answer, Request, price
from experiments.llm.server import Chat
from experiments.resume import Paused, Resumption
from orchestrator.refusal import Refused
from orchestrator.specs import Server

Progress = Callable[[float, str], None]


@dataclass
class Collector:
    """Whoever asks: where, what may be spent, and where answers are kept."""

    server: Server
    resumption: Resumption
    journal: Journal
    progress: Progress
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
        asyncio.run(self._ask_all(requests, what))
        found = [self.journal.find(request) for request in requests]
        n_left = sum(answer is None for answer in found)
        if n_left and self._stopped == "paused":
            raise Paused(f"{len(requests) - n_left} of {len(requests)} {what}")
        if n_left:
            raise Refused(self._stopped.format(n=len(requests) - n_left, total=len(requests), what=what))
        return [answer for answer in found if answer is not None]

    async def _ask_all(self, requests: Sequence[Request], what: str) -> None:
        todo = iter([request for request in requests if self.journal.find(request) is None])
        n_done = sum(self.journal.find(request) is not None for request in requests)
        counted = _Count(n_done, len(requests), what)
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
            self.journal.add(request, answer)
            self._read, self._written = self._read + answer.n_read, self._written + answer.n_written
            counted.n_done += 1
            spent = price((self._read, self._written), self.server.dollars_per_million)
            tokens = self._read + self._written
            self.progress(counted.share, f"{counted}, {tokens:,} tokens, ${spent:.2f}")

    def _must_stop(self, request: Request) -> bool:
        if not self._stopped and self.resumption.pause.is_set():
            self._stopped = "paused"
        if not self._stopped:
            self._stopped = self._over_budget(request)
        return bool(self._stopped)

    def _over_budget(self, request: Request) -> str:
        """What to say where this request, on top of what is spent and under way, could break the budget."""
        total = _sum(_sum((self._read, self._written), self._under_way), request.most_tokens)
        server = self.server
        kept = "{n} of {total} {what} are answered and kept; raise it and run again"
        if server.budget_tokens is not None and sum(total) > server.budget_tokens:
            return f"strategy.server.budget_tokens={server.budget_tokens} allows no more requests: {kept}"
        dollars = price(total, server.dollars_per_million)
        if server.budget_dollars is not None and dollars > server.budget_dollars:
            return f"strategy.server.budget_dollars={server.budget_dollars} allows no more requests: {kept}"
        return ""


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
