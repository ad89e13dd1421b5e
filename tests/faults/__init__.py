"""Faults put into real runs, one row of `matrix.py` after the other."""
