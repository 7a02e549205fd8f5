"""The stages: pool, base, train, generate, grade. The only place for torch and transformers."""
