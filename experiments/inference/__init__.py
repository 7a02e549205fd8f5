"""What a model answers and how likely it finds a reference, by whichever back end."""
