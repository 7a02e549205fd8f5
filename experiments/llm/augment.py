"""New queries of seed problems, and paths to each of them, out of a model's answers."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.grading.batch import reference_of
from experiments.llm.backward import backward
from experiments.llm.collect import Collector
from experiments.llm.request import Answer, Request
from experiments.text import has_letter, normalise, query_id
from orchestrator.specs import AnswerRule
from orchestrator.strategies import Generator, LlmStrategy

# What a prompt asks to have in front of the new problem. Models like to say more before it.
MARK = re.compile(r"^\W*new problem\W*?:[*_\s]*", re.IGNORECASE | re.MULTILINE)
SEED = "seed"  # the operation of a path to a seed query

Problem = tuple[str, str, str]  # source id, query, solution
Yields = dict[str, Counter[str]]  # by operation, what became of what was asked


@dataclass(frozen=True)
class Written:
    """A row out of a model's answers, and how it came about."""

    source_id: str
    operation: str
    path: int
    query: str
    response: str
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class _Query:
    source_id: str
    operation: str
    text: str
    gold: str  # the solution of a seed problem, or a hidden number; empty for a new query
    provenance: Mapping[str, Any]

    @property
    def item(self) -> str:
        return query_id(self.text)


def rewritten(
    strategy: LlmStrategy,
    problems: Sequence[Problem],
    forbidden: Collection[str],
    collector: Collector,
    yields: Yields,
) -> Iterator[Written]:
    """Rows in the order of the seed problems; `yields` is filled by operation while they are drawn.

    No path is asked for to a `forbidden` query (normalised). Raises what `Collector.answers` raises.
    """
    queries = []
    for query in _queries(strategy, problems, collector, yields):
        if normalise(query.text) in forbidden:
            yields[query.operation]["query of a benchmark"] += 1
        else:
            queries.append(query)
    requests = [_solve(strategy, query, path) for query in queries for path in range(strategy.paths)]
    answers = iter(collector.answers(requests, "responses"))
    left = iter(requests)
    for query in queries:
        yields[query.operation]["paths asked"] += strategy.paths
        asked = [next(left) for _ in range(strategy.paths)]
        paths = [next(answers) for _ in range(strategy.paths)]
        yield from _rows(strategy, query, list(zip(asked, paths, strict=True)), yields[query.operation])


def _queries(
    strategy: LlmStrategy, problems: Sequence[Problem], collector: Collector, yields: Yields
) -> Iterator[_Query]:
    given = list(_given(strategy, problems, yields))
    if not strategy.prompts:
        yield from given
        return
    seen = {normalise(query) for _, query, _ in problems}
    asked = [
        (query, operation, _rewrite(strategy, query, operation, turn))
        for query in given
        for turn in range(strategy.rounds)
        for operation in strategy.prompts
    ]
    answers = collector.answers([request for _, _, request in asked], "new queries")
    for (query, operation, request), answer in zip(asked, answers, strict=True):
        yields[operation]["queries asked"] += 1
        text, loss = _new_query(answer)
        if not loss and strategy.masked and not has_letter(strategy.masked.letter, text):
            loss = "query without its unknown"
        if not loss and normalise(text) in seen:
            loss = "query known"
        if loss:
            yields[operation][loss] += 1
            continue
        seen.add(normalise(text))
        gold = query.gold if strategy.masked else ""
        yield _Query(query.source_id, operation, text, gold, _described("query", request, answer))


def _given(strategy: LlmStrategy, problems: Sequence[Problem], yields: Yields) -> Iterator[_Query]:
    """The seed problems, or the backward questions that they give."""
    if strategy.masked is None:
        yield from (_Query(source, SEED, query, solution, {}) for source, query, solution in problems)
        return
    for source, query, solution in problems:
        found = list(backward(strategy.masked, strategy.answer, query, solution))
        if not found:
            yields[strategy.name]["problem without a number to hide"] += 1
        yield from (_Query(source, strategy.name, one.text, one.number, {}) for one in found)


def _rewrite(strategy: LlmStrategy, query: _Query, operation: str, turn: int) -> Request:
    """Named by the problem; several backward questions of one are told apart."""
    name = f"{operation}/{turn}/{query.item if strategy.masked else query.source_id}"
    return Request(name, strategy.prompts[operation], strategy.writer, query.text, query.gold)


def _new_query(answer: Answer) -> tuple[str, str]:
    """The new problem in an answer, or why there is none."""
    if answer.finish_reason == "length":
        return "", "query cut off"
    _, *after = MARK.split(answer.text)
    text = after[-1].strip() if after else ""
    return text, "" if text else "query unparsable"


def _solve(strategy: LlmStrategy, query: _Query, path: int) -> Request:
    return Request(f"solve/{query.item}/{path}", strategy.solve, strategy.solver, query.text, query.gold)


def _rows(
    strategy: LlmStrategy, query: _Query, paths: Sequence[tuple[Request, Answer]], losses: Counter[str]
) -> Iterator[Written]:
    """The paths of a query that stay."""
    values = [_value(strategy.answer, answer) for _, answer in paths]
    votes = Counter(value for value in values if value is not None)
    # Of equally common answers the one that came first.
    common, n_votes = votes.most_common(1)[0] if votes else (None, 0)
    share = n_votes / len(paths)
    expected = _final(strategy.answer, query.gold) if strategy.gold and query.gold else None
    for path, ((request, answer), value) in enumerate(zip(paths, values, strict=True)):
        loss = _loss(strategy, answer, value, common if share >= strategy.agreement else None)
        if not loss and expected is not None and value != expected:
            loss = "not the known answer"
        losses[loss or "kept"] += 1
        if not loss:
            described = {**query.provenance, **_described("response", request, answer), "agreement": share}
            response = answer.text.strip()
            yield Written(query.source_id, query.operation, path, query.text, response, described)


def _loss(strategy: LlmStrategy, answer: Answer, value: str | None, common: str | None) -> str:
    if answer.finish_reason == "length":
        return "response cut off"
    if value is None:
        return "no answer"
    return "disagreement" if strategy.agreement and value != common else ""


def _value(rule: AnswerRule, answer: Answer) -> str | None:
    return None if answer.finish_reason == "length" else _final(rule, answer.text)


def _final(rule: AnswerRule, solution: str) -> str | None:
    """The final answer as text that is the same for equal ones, as far as that can be seen at once."""
    found = reference_of(rule, solution)
    return None if found is None else "".join(found.shown.split())


def _described(what: str, request: Request, answer: Answer) -> dict[str, Any]:
    generator: Generator = request.generator
    return {
        f"{what}_model": generator.model,
        f"{what}_revision": generator.revision,
        f"{what}_prompt": request.digest,
        f"{what}_temperature": generator.temperature,
        f"{what}_top_p": generator.top_p,
        f"{what}_max_tokens": generator.max_tokens,
        f"{what}_seed": request.seed,
        f"{what}_finish_reason": answer.finish_reason,
    }


def empty_yields() -> Yields:
    """Nothing asked yet."""
    return defaultdict(Counter)
