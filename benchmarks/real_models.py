"""What fine-tuning real models takes, by the cost model alone: no weights, no network, no GPU.

`python benchmarks/real_models.py` prints memory at the peak and GPU-hours of one training on GSM8K-like data.
"""

from pathlib import Path

import yaml
from transformers import LlamaConfig, Qwen2Config

from experiments.cost import answer
from experiments.pretrained import shape_of
from orchestrator.prompts import TEMPLATES

# Of the published config.json files: width, inner width, layers, heads, heads of keys, vocabulary.
SIZES = {
    "qwen2_5_0_5b": (896, 4864, 24, 14, 2, 151936),
    "qwen2_5_1_5b": (1536, 8960, 28, 12, 2, 151936),
    "qwen2_5_7b": (3584, 18944, 28, 28, 4, 152064),
    "llama3_1_8b": (4096, 14336, 32, 32, 8, 128256),
    "llama2_7b": (4096, 11008, 32, 32, 32, 32000),
    "llama2_13b": (5120, 13824, 40, 40, 40, 32000),
    "llama2_70b": (8192, 28672, 80, 64, 8, 32000),
}
TIED = {"qwen2_5_0_5b", "qwen2_5_1_5b"}
CHARACTERS_PER_TOKEN = 3.0
CONTEXT, ROWS = 512, 7_473
# What an H100 is good for at 40 % of its peak in bfloat16.
FLOPS_PER_SECOND = 4.0e14
CONF = Path(__file__).parent.parent / "conf" / "train"


def main() -> None:
    """One line for each model and recipe."""
    print("model          recipe           parameters   memory, GB   FLOPs      GPU-hours")
    for name in SIZES:
        for recipe, dtype in (("mugglemath", "float32"), ("mugglemath_lora", "bfloat16")):
            shape, cost = _cost(name, recipe, dtype)
            hours = cost["flops"] / FLOPS_PER_SECOND / 3600
            print(
                f"{name:14} {recipe:16} {shape.n_parameters / 1e9:8.2f} B {cost['memory'] / 1e9:10.1f}   "
                f"{cost['flops']:8.2g}   {hours:8.2f}"
            )


def _cost(name, recipe, dtype):
    width, inner, n_layers, n_heads, n_key_heads, n_words = SIZES[name]
    kind = Qwen2Config if name.startswith("qwen") else LlamaConfig
    config = kind(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        num_key_value_heads=n_key_heads,
        vocab_size=n_words,
        tie_word_embeddings=name in TIED,
    )
    shape = shape_of(config, CHARACTERS_PER_TOKEN)
    base = {
        "kind": "base",
        "spec": {"pretrained": "d"},
        "places": {"d": {"shape": vars(shape)}},
        "inputs": {},
    }
    table = {"kind": "table", "digest": "d"}
    pool = {"kind": "pool", "spec": {"seed": table, "strategy": {"kind": "seed"}}, "inputs": {}}
    spec = {
        "train": yaml.safe_load((CONF / f"{recipe}.yaml").read_text()),
        "subset": {"n": ROWS, "unit": "examples"},
        "prompt": TEMPLATES["alpaca"],
        "context": CONTEXT,
        "dtype": dtype,
    }
    training = {"kind": "checkpoint", "spec": spec, "inputs": {"base": base, "pool": pool}}
    compute = {"rows_at_once": 4, "gradient_checkpointing": True}
    return shape, answer([training], compute)["costs"][0]


if __name__ == "__main__":
    main()
