"""Augmentation by a language model: what is asked, what comes back, and what it was paid."""
