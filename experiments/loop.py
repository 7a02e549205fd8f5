"""The training loop: AdamW over batches, warm-up and cosine, and what happened at every step."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F  # noqa: N812 - as everybody writes it

from experiments import ranks
from experiments.batches import Batch, ShuffledBatches
from experiments.course import forget_peak, memory
from experiments.keeper import Keeper
from experiments.learner import Learner
from experiments.plateau import Plateau
from experiments.resume import Progress
from experiments.training import Step, Training


class NotFiniteError(RuntimeError):
    """Loss not finite."""


class DivergedError(RuntimeError):
    """Loss far above that of the beginning, and not for a moment."""


# A loss has diverged whose mean over so many steps is so many times that of the first ones.
WATCHED_STEPS, DIVERGED = 50, 2.0


@dataclass(frozen=True)
class Recipe:
    """How weights follow their gradients."""

    n_steps: int
    learning_rate: float
    embedding_rate_factor: float
    warmup_share: float
    final_rate_share: float
    weight_decay: float
    betas: tuple[float, float]
    clip: float
    plateau: Plateau | None = None  # None: warm-up by its share, then a cosine


def rate(recipe: Recipe, step: int) -> float:
    """Return the learning rate of a step, counted from one: linear warm-up, then cosine or a plateau."""
    if recipe.plateau is not None:
        share = recipe.plateau.share(step, recipe.final_rate_share)
        return recipe.learning_rate * share
    n_warmup = round(recipe.warmup_share * recipe.n_steps)
    if step <= n_warmup:
        return recipe.learning_rate * step / n_warmup
    share = (step - n_warmup) / max(recipe.n_steps - n_warmup, 1)
    low = recipe.final_rate_share
    return recipe.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * share)) / 2)


def fit(
    learner: Learner,
    batches: ShuffledBatches,
    recipe: Recipe,
    progress: Progress,
    keeper: Keeper,
    n_parts: int = 1,
) -> list[Step]:
    """Train the learner's weights in place on the first `n_steps` batches, from where the keeper finds them.

    A batch is taken in `n_parts` where memory is short; its gradient is the same but for rounding. Raises
    Paused where the keeper is asked to pause.
    """
    weights = learner.trained()
    optimizer = _optimizer(learner, recipe)
    training = Training(learner.model, optimizer, batches, [])
    seed = torch.initial_seed()
    ranks.first_decides(lambda: keeper.resume(training, recipe.n_steps))
    ranks.hand_out(training)
    forget_peak()
    reported = time.monotonic()
    for number in range(len(training.steps) + 1, recipe.n_steps + 1):
        ranks.first_decides(lambda: keeper.between_steps(training, recipe.n_steps))
        ranks.begin_step(number, seed)
        begun = time.monotonic()
        batch = next(batches)
        parts = [learner.lay_out(part) for part in ranks.my_parts(batch, n_parts)]
        optimizer.zero_grad()
        loss = ranks.add(_backward(learner, parts, batch.n_tokens))
        ranks.add_gradients(weights)
        norm = torch.nn.utils.clip_grad_norm_(weights, recipe.clip)
        now = rate(recipe, number)
        _set_rate(optimizer, now, recipe.embedding_rate_factor)
        optimizer.step()
        training.steps.append(
            Step(
                number,
                loss,
                now,
                batch.n_tokens,
                norm.item(),
                batch.n_examples,
                batch.n_read,
                seconds=time.monotonic() - begun,
                n_padding=sum(part.n_padding for part in parts),
                memory=memory(),
            )
        )
        _check_loss(training.steps, recipe.n_steps)
        if time.monotonic() - reported > 1.0:
            reported = time.monotonic()
            progress(number / recipe.n_steps, f"step {number} of {recipe.n_steps}, loss {loss:.3f}")
    ranks.first_decides(lambda: keeper.ended(training))
    return training.steps


def _backward(learner: Learner, parts: Sequence[Batch], n_tokens: int) -> float:
    """Add what the parts have in the gradient of the mean loss over so many tokens; return theirs of it."""
    total = 0.0
    for part in parts:
        if part.n_tokens:
            logits = learner.predict(part)
            targets = part.targets.to(logits.device)
            loss = F.cross_entropy(logits, targets) * (part.n_tokens / n_tokens)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
    return total


def _optimizer(learner: Learner, recipe: Recipe) -> torch.optim.Optimizer:
    """Embeddings have a rate of their own and never decay; with adapters they are not trained."""
    embeddings = learner.embeddings()
    body = [weight for weight in learner.trained() if weight is not embeddings]
    groups = [{"params": body, "weight_decay": recipe.weight_decay}]
    if embeddings.requires_grad:
        groups.append({"params": [embeddings], "weight_decay": 0.0})
    return torch.optim.AdamW(groups, betas=recipe.betas, fused=True)


def _set_rate(optimizer: torch.optim.Optimizer, now: float, embedding_factor: float) -> None:
    for group, factor in zip(optimizer.param_groups, (1.0, embedding_factor), strict=False):
        group["lr"] = now * factor


def _check_loss(steps: Sequence[Step], n_steps: int) -> None:
    step = steps[-1]
    where = f"at step {step.step} of {n_steps}, learning rate {step.learning_rate:g}"
    if not (math.isfinite(step.loss) and math.isfinite(step.grad_norm)):
        raise NotFiniteError(
            f"loss not finite: {step.loss} with gradient norm {step.grad_norm} {where}: "
            "lower train.learning_rate"
        )
    if step.step % WATCHED_STEPS or step.step < 2 * WATCHED_STEPS:
        return
    first, last = _mean_loss(steps[:WATCHED_STEPS]), _mean_loss(steps[-WATCHED_STEPS:])
    if last > DIVERGED * first:
        raise DivergedError(
            f"loss diverged: {last:.3g} over the last {WATCHED_STEPS} steps and {first:.3g} over the first, "
            f"{where}: lower train.learning_rate"
        )


def _mean_loss(steps: Sequence[Step]) -> float:
    return sum(step.loss for step in steps) / len(steps)
