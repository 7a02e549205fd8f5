"""What a study has beside its cells: how its jobs run, and what it promises to report."""

from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.identity import Kind
from orchestrator.specs import Count, Rate, Spec

Cause = Literal[
    "bad input",
    "import error",
    "loss not finite",
    "loss diverged",
    "disk full",
    "out of GPU memory",
    "out of memory",
    "time limit",
    "preempted",
    "node failed",
    "cancelled",
    "lost",
    "killed",
    "grader hang",
    "unknown",
]


class Inference(Spec):
    """How vLLM spreads over the machine. Never part of identity."""

    tensor_parallel: Count = 1  # GPUs that share the weights of one engine
    # Of a GPU's memory; on a CPU, of what is free.
    memory_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9


class Compute(Spec):
    """How training uses the memory of a device: a number moves in its last bits at most."""

    rows_at_once: Count | None = None  # a batch goes through the model in parts of so many rows; null: whole
    gradient_checkpointing: bool = False  # activations are computed twice and not kept
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    layout: Literal["padded", "packed"] = "padded"  # a row for each example, or one row of all of a part
    ranks: Count | None = None  # processes that train one model; null: one for each GPU of the job, or one


class Jobs(Spec):
    """What every way of running jobs has. Never part of identity."""

    name: str
    flops_per_second: Rate  # of one worker, for estimates of time where nothing was measured yet
    calibrate: bool = True  # estimates follow what earlier manifests of such jobs measured
    failures: Count  # of one cause, after which nothing new is started
    save_every: Rate  # seconds between two saves of what an interrupted stage resumes from
    tries: dict[Cause, Count]  # how often in all, by cause; what is not named here has a default of its own
    compute: Compute = Compute()
    price_per_gpu_hour: Rate | None = None  # in `currency`; null: `plan` names no price
    currency: str = "EUR"
    inference: Inference = Inference()


class LocalCluster(Jobs):
    """Worker processes on this machine."""

    kind: Literal["local"]
    workers: Count
    threads: Count  # per worker
    gpus: Annotated[int, Field(ge=0)]  # of this machine, dealt out to the workers, one each

    @property
    def at_once(self) -> int:
        """How many artifacts are made at the same time."""
        return self.workers


class Resources(Spec):
    """What one job asks of Slurm."""

    cpus: Count
    gpus: Annotated[int, Field(ge=0)]  # per node
    nodes: Count
    memory_gib: Rate  # per node
    minutes: Rate  # time limit; more where the prediction of a job's work asks for it
    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    gres: str | None
    exclude: str | None  # nodes
    python: str | None  # command that starts a stage, such as a container's; null: the one that runs us


class ResourceChanges(Spec):
    """Resources that differ for a stage or a model. Only what is named counts; null takes a wish back."""

    cpus: Count = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    nodes: Count = 1
    memory_gib: Rate = 1.0
    minutes: Rate = 1.0
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = None
    exclude: str | None = None
    python: str | None = None

    def named(self) -> dict[str, Any]:
        """What is to change."""
        return self.model_dump(exclude_unset=True)


class Driver(Spec):
    """The small job that looks after a study when nobody does: it submits what is lost, then itself again."""

    every_minutes: Rate
    minutes: Rate  # time limit
    memory_gib: Rate
    partition: str | None  # null: as the jobs
    qos: str | None


class SlurmCluster(Jobs):
    """Jobs of a Slurm cluster."""

    kind: Literal["slurm"]
    resources: Resources
    stages: dict[Kind, ResourceChanges]
    models: dict[str, dict[Kind, ResourceChanges]]  # by model.name; wins over `stages`
    target_minutes: Rate  # artifacts are packed into jobs of about this length
    max_parallel: Count | None  # jobs of an array that run at the same time
    max_queued: Count | None  # jobs in the queue at the same time, where the site has a limit
    most_minutes: Rate | None  # no time limit above this, nor ever above the partition's own
    most_memory_gib: Rate | None  # no more memory than this after running out of it
    warn_seconds: Count  # before the time limit, to save what is in hand
    requeue: bool  # a job that is preempted or out of time goes back into the queue by itself
    setup: Annotated[tuple[str, ...], Field(strict=False)]  # shell lines before each job: module load ...
    sbatch: dict[str, str | int | bool]  # further parameters, by their long names
    driver: Driver | None

    @property
    def at_once(self) -> int:
        """How many jobs run at the same time, as far as that is known beforehand."""
        return self.max_parallel or 1


Cluster = Annotated[LocalCluster | SlurmCluster, Field(discriminator="kind")]


# Whose weights stay when all records made from them are there: of every checkpoint, of each chain's largest
# amount, or of none.
Keep = Literal["all", "largest", "none"]


class Analysis(Spec):
    """What the study promises to report."""

    law: Literal["loglinear"]
    metric: Literal["accuracy", "nll"]
    references: Annotated[tuple[str, ...], Field(strict=False)]  # strategies drawn as lines
    compare: Annotated[tuple[str, ...], Field(strict=False)]  # two strategies set against each other
    by_construction: str  # what the study's world builds in, said beside the results


# How amounts are trained to audit a trunk: by the same schedule, or shuffled with a cosine.
Way = Literal["alone", "cosine"]


class Settings(Spec):
    """What a study has beside its cells."""

    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    outputs: str
    wait: bool | None  # until everything is done; null: on this machine yes, on a cluster no
    format: Literal["text", "json"]
    keep: Keep = "all"  # never part of identity
    cluster: Cluster
    analysis: Analysis
    # Of each chain with a trunk the smallest and the largest amount are trained in these ways too.
    audit: Annotated[tuple[Way, ...], Field(strict=False)] = ()
