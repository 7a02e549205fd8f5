"""The command line of the stages: serve, grade, verify, distribution."""

import argparse
import importlib
import sys
from pathlib import Path

from orchestrator.refusal import Refused


def main() -> int:
    """Run one verb. 0: done, 1: something is not as it should be, 2: the input was refused."""
    arguments = vars(_parser().parse_args())
    # Every verb is a module with a `run`, and pays for its own imports only.
    module = importlib.import_module(f"experiments.{arguments.pop('module')}")
    try:
        code: int = module.run(**arguments)
    except Refused as refused:
        print(f"error: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="serve | grade | verify | distribution")

    def verb(name: str, module: str, about: str, example: str) -> argparse.ArgumentParser:
        layout = argparse.RawDescriptionHelpFormatter
        one = verbs.add_parser(name, help=about, description=about, epilog=example, formatter_class=layout)
        one.set_defaults(module=module)
        return one

    verb(
        "serve",
        "serve",
        "Answer requests in JSON lines on stdin; ends at once when stdin closes.",
        'example:\n  (echo \'{"ask": "versions"}\'; sleep 1) | python -m experiments serve',
    )
    verb(
        "follow",
        "follow",
        "A further rank of a training: started by `serve`, placed by RANK, WORLD_SIZE, MASTER_ADDR.",
        "started by the stage with rank 0, which sends it what that is asked",
    )
    grade = verb(
        "grade",
        "grade_file",
        "Grade a JSONL file: one object per line with `completion` and `reference`.",
        "example:\n  doublings grade answers.jsonl --benchmark gsm8k --json > graded.jsonl\n"
        "  doublings grade samples.jsonl --benchmark math --item id",
    )
    grade.add_argument("file", type=Path, metavar="FILE.jsonl")
    grade.add_argument(
        "--benchmark", required=True, metavar="NAME", help="gsm8k, math or another of conf/evaluate: the rule"
    )
    grade.add_argument("--item", metavar="COLUMN", help="lines with the same value are samples of one item")
    _add_form(grade, "the same lines on stdout with answer, correct and reason; the summary on stderr")
    verify = verb(
        "verify",
        "verify",
        "Prove from a plan's files that they are whole and subsets nest; overlap of sources, contamination.",
        "example:\n  python -m experiments verify outputs/studies/mini/plans/1.json outputs",
    )
    verify.add_argument("plan", type=Path, metavar="PLAN.json")
    verify.add_argument("outputs", type=Path, metavar="OUTPUTS")
    _add_form(verify, "JSON on stdout and nothing else there")
    distribution = verb(
        "distribution",
        "distribution",
        "How far pools lie from benchmarks, by words; writes distances.csv and distribution.csv.",
        "example:\n  python -m experiments distribution outputs/studies/mini/plans/1.json outputs",
    )
    distribution.add_argument("plan", type=Path, metavar="PLAN.json")
    distribution.add_argument("outputs", type=Path, metavar="OUTPUTS")
    how = "how places in the plane are found (tsne is slower, and keeps neighbours together)"
    distribution.add_argument("--by", choices=("pca", "tsne"), default="pca", help=how)
    seen = (
        "what texts are seen by: words (TF-IDF), sentence embeddings, or a fine-tuned model's hidden states"
    )
    distribution.add_argument(
        "--features", choices=("words", "sentences", "states"), default="words", help=seen
    )
    model = "of the embeddings or states: a folder (states: the checkpoint with the largest amount)"
    distribution.add_argument("--model", metavar="MODEL", help=model)
    _add_form(distribution, "JSON on stdout and nothing else there")
    return parser


def _add_form(parser: argparse.ArgumentParser, about: str) -> None:
    parser.add_argument("--json", dest="form", action="store_const", const="json", default="text", help=about)


if __name__ == "__main__":
    sys.exit(main())
