"""A server that speaks OpenAI's chat completions, asked patiently."""

import asyncio
import json
import os
import random
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Self

import httpx

from experiments.llm.request import Answer, Request, answer_in
from orchestrator.refusal import Refused
from orchestrator.strategies import Server

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
BUSY = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
NO_ENTRY = frozenset((401, 403))


class ServerGaveUp(Exception):
    """A request was tried as often as it may be."""


class Chat:
    """Sends requests; an asynchronous context manager that closes its connections."""

    def __init__(self, server: Server) -> None:
        key = os.environ.get(server.key)
        self._server = server
        self._client = httpx.AsyncClient(
            base_url=server.url.rstrip("/") + "/",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=server.timeout,
            verify=_trusted(),
            limits=httpx.Limits(max_connections=server.concurrency),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._client.aclose()

    async def ask(self, request: Request) -> Answer:
        """The answer, after as many tries as it takes.

        Raises Refused where the server turns the key or the address down, ServerGaveUp where it stays busy,
        broken or out of reach.
        """
        wait, trouble = FIRST_WAIT, ""
        for attempt in range(self._server.tries):
            if attempt:
                # Spread out, so that requests turned away together do not come back together.
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - nothing here is secret
                wait = min(2 * wait, LONGEST_WAIT)
            try:
                reply = await self._client.post("chat/completions", json=request.body)
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__} {error}".strip()
                continue
            if reply.status_code in BUSY:
                trouble = f"it answers {reply.status_code}"
                wait = max(wait, _asked_to_wait(reply.headers))
                continue
            try:
                return self._answer(reply)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                trouble = f"its answer is no chat completion ({type(error).__name__}: {error})"
        raise ServerGaveUp(
            f"{self._server.url} gave no answer in {self._server.tries} tries: {trouble}; "
            "what was answered is kept, and asking again goes on from there"
        )

    def _answer(self, reply: httpx.Response) -> Answer:
        if reply.status_code in NO_ENTRY:
            raise Refused(
                f"{self._server.url} turns us away ({reply.status_code}); "
                f"put its key into the environment variable {self._server.key}"
            )
        if reply.status_code == httpx.codes.NOT_FOUND:
            raise Refused(
                f"{self._server.url} has no such model or address ({_said(reply)}); "
                "check strategy.server.url and the generators' model"
            )
        if reply.status_code == httpx.codes.BAD_REQUEST:
            return Answer("", "rejected", 0, 0)
        reply.raise_for_status()
        return answer_in(json.loads(reply.content))


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Reading all certificates takes longer than many answers; once is enough."""
    return httpx.create_ssl_context()


def _said(reply: httpx.Response) -> str:
    return " ".join(reply.text.split())[:200]


def _asked_to_wait(headers: Mapping[str, str]) -> float:
    try:
        return min(float(headers.get("retry-after", "0")), LONGEST_WAIT)
    except ValueError:
        return 0.0
