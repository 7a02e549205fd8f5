"""What a completion is worth: the answer is cut out of it by a rule, and compared with the reference."""
