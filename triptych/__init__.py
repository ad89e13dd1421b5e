"""Triptych: from a table of videos to a multimodal benchmark you can trust."""

__version__ = "0.1.0"
