"""The templates that prompts are written by, in training and in evaluation alike."""

CHAT = "chat"  # the template of the model's own tokenizer

# Alpaca: the template without input of Taori et al. (2023), as MuggleMath's models read it.
TEMPLATES = {
    "alpaca": (
        "Below is an instruction that describes a task. "
        "Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{query}\n\n### Response:"
    ),
    "plain": "{query}\n",
}


def text_of(prompt: str) -> str:
    """The text that a name stands for, as it enters keys; `chat` and texts stand for themselves."""
    return TEMPLATES.get(prompt, prompt)
