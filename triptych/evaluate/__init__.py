"""What the predictions are worth: metrics, intervals, paired tests and confusion matrices, from predictions alone."""
