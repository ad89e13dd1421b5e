"""Encoders: what a video becomes for a classifier; the engine that runs them, and pooling."""
