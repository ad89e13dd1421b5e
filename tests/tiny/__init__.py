"""Tiny random checkpoints of the true classes, built by the tests themselves."""
