"""What is to be run and what has been: specs, plan, ledger, submission."""
