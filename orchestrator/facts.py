"""What a plan must know of the data before it can name anything: digests, sizes, stage versions, costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from orchestrator.cell import PretrainedModel
from orchestrator.identity import canonical
from orchestrator.specs import HeldOutSource, Source, TableSource, Validation


class Oracle(Protocol):
    """Whoever answers questions about stages; a StageProcess does."""

    def ask(self, request: Mapping[str, Any]) -> Any:
        """The result of one request."""


@dataclass(frozen=True)
class SourceFacts:
    """A data source as it enters keys, and where to read it."""

    identity: Mapping[str, Any]
    places: Mapping[str, Any]  # digest -> the source in full; empty for symbolic sources


@dataclass
class Facts:
    """Answers, each asked for once."""

    oracle: Oracle
    _known: dict[str, Any] = field(default_factory=dict)

    def versions(self) -> dict[str, int]:
        """The version of each stage's code, and of the grader."""
        versions: dict[str, int] = self._ask({"ask": "versions"})
        return versions

    def source(self, source: Source, answer: str | None) -> SourceFacts:
        """What the content is and where it lies. With `answer` each item must have a reference that is read.

        Raises Refused for a file that cannot be read or is malformed.
        """
        dump = _placed(source)
        known = self._ask({"ask": "inspect", "source": dump, "answer": answer})
        if isinstance(source, HeldOutSource):
            of = self.source(source.of, None)
            return SourceFacts(
                {"kind": "held_out", "of": dict(of.identity), "validation": held_out(source.validation)},
                of.places,
            )
        if not isinstance(source, TableSource):
            return SourceFacts(dump, {})
        columns = {"query": source.query, "response": source.response, "source": source.source}
        identity = {"kind": "table", "digest": known["digest"], **columns}
        return SourceFacts(identity, {known["digest"]: dump})

    def model(self, model: PretrainedModel) -> dict[str, Any]:
        """`digest` of the files of a model that exists, the `folder` they lie in, and its `shape`.

        Raises Refused for one that is not there, not whole, or not what the spec says of it.
        """
        dump = model.model_dump(mode="json")
        if model.path is not None:
            dump["path"] = str(Path(model.path).expanduser().resolve())
        found: dict[str, Any] = self._ask({"ask": "model", "model": dump})
        return found

    def pool_size(self, spec: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, int]:
        """`n_rows`, `n_queries` and `n_sources` of a pool that is not made yet."""
        size: dict[str, int] = self._ask({"ask": "size", "spec": spec, "places": places})
        return size

    def _ask(self, request: Mapping[str, Any]) -> Any:
        question = canonical(request)
        if question not in self._known:
            self._known[question] = self.oracle.ask(request)
        return self._known[question]


def held_out(validation: Validation) -> dict[str, Any]:
    """As it enters keys."""
    return validation.model_dump(mode="json", exclude_none=True)


def _placed(source: Source) -> dict[str, Any]:
    """A source with paths that mean the same wherever it is read from."""
    dump = source.model_dump(mode="json")
    if isinstance(source, HeldOutSource):
        dump["of"] = _placed(source.of)
    elif isinstance(source, TableSource) and source.path is not None:
        dump["path"] = str(Path(source.path).expanduser().resolve())
    return dump
