"""Tasks, splits, balancing, heads and fusion: out-of-fold predictions that cannot leak."""
