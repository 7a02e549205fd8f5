"""What all tests share."""

from hypothesis import settings

# A machine that is busy is slow, and not wrong.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
