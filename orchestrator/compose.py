"""Lets Hydra read a command line and compose what it describes; the one module that knows Hydra."""

import copy
import itertools
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from orchestrator.cell import Cell
from orchestrator.families import Families, Point
from orchestrator.refusal import Refused, offer
from orchestrator.settings import Settings
from orchestrator.sweep import Axes, Sweep, Values, expand

CONF = Path(__file__).resolve().parent.parent / "conf"
CELL_KEYS = tuple(Cell.model_fields)
SETTINGS_KEYS = tuple(Settings.model_fields)


@dataclass(frozen=True)
class Grid:
    """What a command line describes: the study's settings, its cells, and what a reader should know."""

    settings: Mapping[str, Any]
    points: tuple[Point, ...]
    notes: tuple[str, ...]


def run(argv: Sequence[str], task: Callable[[Grid], int]) -> int:
    """Does the task on the grid that the overrides describe, or what a flag such as `--help` asks instead.

    Raises Refused, in one sentence, for overrides and config files that describe no grid.
    """
    grids: list[Grid] = []

    def collect(grid: Grid) -> None:
        grids.append(grid)

    try:
        with _command_line(argv):
            hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(collect)()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        raise Refused(_sentence(error)) from error
    return task(grids[0]) if grids else 0


def complete(argv: Sequence[str], verbs: Collection[str], composing: Collection[str]) -> int:
    """Serves a shell's tab completion (`-sc install=bash` and what that installs asks for).

    The first word completes to a verb; behind a verb that composes, Hydra completes overrides.
    """
    found = re.match(r"\s*(\S+)\s+(\S*)(\s.*)?$", os.environ.get("COMP_LINE", ""))
    if not any(word.startswith("query=") for word in argv) or found is None:
        return run(argv, lambda grid: 0)
    program, verb, rest = found.groups()
    if rest is None:
        sys.stdout.write(" ".join(sorted(name for name in verbs if name.startswith(verb))) + "\n")
    elif verb in composing:
        # Every line is a sweep to us: `-m` lets Hydra complete behind `amount=256,512` too.
        with _environment("COMP_LINE", f"{program} -m{rest}"):
            return run(argv, lambda grid: 0)
    return 0


def grid(
    loader: ConfigLoader, master: DictConfig, arguments: Sequence[str], declared: Mapping[str, Any]
) -> Grid:
    """Every cell of the axes that the experiment declares and the command line replaces, composed."""
    parser = OverridesParser.create(config_loader=loader)
    plain = OmegaConf.to_container(OmegaConf.create(dict(declared)), resolve=True)
    assert isinstance(plain, dict)
    axes = _axes(parser, plain["params"])
    also = [_axes(parser, extra) for extra in plain["also"]]
    given, fixed = _read(parser, arguments, axes)
    names = list(dict.fromkeys(itertools.chain(axes, given, *also)))
    _check_axes(names)
    expansion = expand(Sweep(axes, plain["zip"], plain["exclude"], also), given)

    def compose(choices: Values) -> _Composed:
        overrides = [*fixed, *(f"{name}={_text(value)}" for name, value in choices.items())]
        config = loader.load_sweep_config(master, overrides)
        for key in (*CELL_KEYS, *SETTINGS_KEYS):
            if key not in config and not OmegaConf.is_missing(config, key):
                raise Refused(f"{key} has no value: give it one, {key}=...")
        return _Composed(config)

    families = Families(compose, frozenset(name for name in names if _chooses(loader, name)))
    idle = families.idle(expansion.points, names, CELL_KEYS)
    points = families.points(expansion.points, [name for name in names if name not in idle], CELL_KEYS)
    settings = families.config(expansion.points[0], SETTINGS_KEYS)
    notes = (f"axis '{name}' changes nothing in any cell and is left out" for name in idle)
    return Grid(settings, tuple(points), (*expansion.notes, *notes))


def _axes(parser: OverridesParser, declared: Mapping[str, Any]) -> dict[str, Sequence[object]]:
    """Values as an experiment declares them: a list, or one text in the grammar of overrides."""
    return {name: _values(parser, name, value) for name, value in declared.items()}


def _values(parser: OverridesParser, name: str, value: Any) -> Sequence[object]:
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        override = parser.parse_overrides([f"{name}={value}"])[0]
        return _swept(parser, override) if override.is_sweep_override() else [override.value()]
    return [value]


def _swept(parser: OverridesParser, override: Override) -> Sequence[object]:
    if not override.is_discrete_sweep():
        raise Refused(f"'{override.input_line}' is no list of values: give them, separated by commas")
    name = override.get_key_element()
    # By way of text, as Hydra does it, so that every value is the one that Hydra would see.
    return [parser.parse_override(f"{name}={text}").value() for text in override.sweep_string_iterator()]


def _read(
    parser: OverridesParser, arguments: Sequence[str], axes: Axes
) -> tuple[dict[str, Sequence[object]], list[str]]:
    """The axes that a command line gives, and the overrides that hold in every cell."""
    given: dict[str, Sequence[object]] = {}
    fixed = {}
    for override in parser.parse_overrides(list(arguments)):
        name = override.get_key_element()
        _check_added(parser, name)
        if override.is_sweep_override():
            given[name] = _swept(parser, override)
        elif name in axes or name in given:
            given[name] = [] if override.value() in ("", []) else [override.value()]
        else:
            fixed[name] = str(override.input_line)
    return given, [text for name, text in fixed.items() if name not in given]


def _check_axes(names: Iterable[str]) -> None:
    for name in names:
        if _top(name) in (*SETTINGS_KEYS, "experiment", "hydra"):
            raise Refused(f"'{name}' belongs to the study and not to a cell: it takes one value and no sweep")


def _check_added(parser: OverridesParser, name: str) -> None:
    """What nothing reads must not look as if it did something."""
    known = (*CELL_KEYS, *SETTINGS_KEYS)
    assert parser.config_loader is not None
    if name[0] == "+" and _top(name) not in known and not parser.config_loader.get_group_options(_top(name)):
        raise Refused(f"unknown key '{name}': {offer(_top(name), known)}")


def _top(name: str) -> str:
    return re.split(r"[.@/]", name.lstrip("+~"))[0]


def _chooses(loader: ConfigLoader, name: str) -> bool:
    """Whether only Hydra can put an axis into effect: it chooses a file, adds or deletes."""
    return name[0] in "+~" or "@" in name or bool(loader.get_group_options(name))


@dataclass(frozen=True)
class _Composed:
    """What Hydra composed for one choice of config files."""

    config: DictConfig

    def choice(self, name: str) -> Any:
        """The file that stands for a group of files."""
        return self.config.hydra.runtime.choices.get(name)

    def given(self, leaves: Values) -> "_Composed":
        """The same with these single values in place."""
        config = copy.deepcopy(self.config)
        for name, value in leaves.items():
            OmegaConf.update(config, name, value, merge=True)
        return _Composed(config)

    def raw(self) -> dict[str, Any]:
        """As written, references unresolved."""
        content = OmegaConf.to_container(self.config, resolve=False)
        assert isinstance(content, dict)
        return {str(key): value for key, value in content.items() if key != "hydra"}

    def resolved(self) -> dict[str, Any]:
        """References replaced by what they refer to."""
        HydraConfig.instance().set_config(self.config)
        return {str(key): _plain(self.config[key]) for key in self.config if key != "hydra"}


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _text(value: object) -> str:
    """A value in the grammar of overrides."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return QuotedString(value, Quote.single).with_quotes()
        case list():
            return f"[{','.join(_text(item) for item in value)}]"
        case dict():
            return "{" + ",".join(f"{key}:{_text(item)}" for key, item in value.items()) + "}"
    return repr(value)


@contextmanager
def _command_line(argv: Sequence[str]) -> Iterator[None]:
    """Hydra reads `sys.argv`; it sweeps unless something else is asked, and leaves errors to us."""
    asked = get_args_parser().parse_args(argv)
    others = (asked.help, asked.hydra_help, asked.cfg, asked.info, asked.shell_completion, asked.multirun)
    before = sys.argv
    sys.argv = [before[0], *argv, *(() if any(others) else ("--multirun",))]
    try:
        with _environment("HYDRA_FULL_ERROR", "1"):
            yield
    finally:
        sys.argv = before


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _sentence(error: Exception) -> str:
    """What is wrong with the input, in one sentence."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException) and "/" in (error.missing_cfg_file or ""):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        # Hydra gives no options where a group takes a list of files.
        options = error.options or [path.stem for path in (CONF / group).glob("*.yaml")]
        return f"unknown {group} '{name}': {offer(name, options)}"
    if isinstance(error, OverrideParseException):
        return f"cannot read the override '{error.override}': {error.message.splitlines()[0]}"
    for known in (error, cause):
        if isinstance(known, ConfigKeyError | ConfigAttributeError) and isinstance(
            known.parent_node, DictConfig
        ):
            keys = [str(key) for key in known.parent_node if key != "hydra"]
            keys += ["experiment"] if known.full_key == known.key else []
            return f"unknown key '{known.full_key}': {offer(str(known.key), keys)}"
    if str(error).startswith("Ambiguous value"):
        return "--cfg shows one cell, so every key takes one value: " + str(error).splitlines()[0]
    told = f"{error} {cause}" if isinstance(cause, OmegaConfBaseException) else str(error)
    return " ".join(told.split())
