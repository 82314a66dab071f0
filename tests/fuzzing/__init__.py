"""Mutated recordings against every reader: `python -m tests.fuzzing --help`."""
