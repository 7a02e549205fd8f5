"""An amount as written, as the count of rows that it means."""

from fractions import Fraction

from orchestrator.cell import Subset
from orchestrator.refusal import Refused


def parse(amount: int | float | str) -> int | Fraction:
    """A count, or a fraction of the pool (`0.25`, `1.0` or `"1/32"`).

    Raises Refused for what is neither: negative, above 1 and not whole, not a number.
    """
    if isinstance(amount, bool):
        raise _refused(amount)
    if isinstance(amount, int):
        if amount < 0:
            raise _refused(amount)
        return amount
    try:
        share = Fraction(str(amount))
    except (ValueError, ZeroDivisionError):
        raise _refused(amount) from None
    if not 0 <= share <= 1:
        raise _refused(amount)
    return share


def resolve(amount: int | float | str, subset: Subset, pool_size: int, seed_size: int, name: str) -> int:
    """How many rows (or queries) of the pool the subset holds, beside a seed set that rides along.

    Raises Refused where the pool has fewer, in a sentence that gives its size.
    """
    wanted = parse(amount)
    if isinstance(wanted, Fraction):
        return max(1, round(wanted * pool_size)) if wanted else 0
    if subset.with_seed and subset.axis == "total":
        wanted -= seed_size
        if wanted < 0:
            raise Refused(
                f"amount={amount} counts the seed set, which alone has {seed_size} rows: "
                "ask for more, or set subset.axis=augmented"
            )
    if wanted > pool_size:
        raise Refused(
            f"amount={amount} is more than the pool of strategy '{name}' offers: "
            f"it has {pool_size} {subset.unit}"
        )
    return wanted


def refuse_share(amount: int | float | str, name: str) -> None:
    """Raises Refused for a share of a pool that a model has yet to write: nobody knows its size."""
    if isinstance(parse(amount), Fraction):
        raise Refused(
            f"amount={amount} is a share of a pool that strategy '{name}' has yet to write: "
            "give counts, or run one of them first"
        )


def _refused(amount: object) -> Refused:
    return Refused(
        f"amount={amount} is not an amount: give a count (0, 128, ...), "
        "or a share of the pool between 0 and 1 (0.25, 1.0, '1/32')"
    )
