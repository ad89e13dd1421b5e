"""What is said: captions (and, later, speech recognition) as one form, the Transcript."""
