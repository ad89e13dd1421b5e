"""The study file: one model that gives defaults, validation, the JSON schema and the table in the docs.

A file a kind of section; all are imported from here.
"""

from triptych.core.config.crossmodal import MAPPINGS, Duplicates, Imagine, Mapping, Match, Summary
from triptych.core.config.encoders import Encoder, Feature, Transcript
from triptych.core.config.labels import LabelColumn, Metadata, Relabel, Relabelled, Task
from triptych.core.config.media import Audio, Fetch, Keyframes, Limits
from triptych.core.config.models import FUSION_HEADS, HEADS, JOINT_HEADS, SEQUENCE_HEADS, Decide, Model, Reduce
from triptych.core.config.report import Evaluate, Report
from triptych.core.config.resources import Resources
from triptych.core.config.section import NAME, Name, Section, nearest, unwritable
from triptych.core.config.study import Study

__all__ = [
    "FUSION_HEADS",
    "HEADS",
    "JOINT_HEADS",
    "MAPPINGS",
    "NAME",
    "SEQUENCE_HEADS",
    "Audio",
    "Decide",
    "Duplicates",
    "Encoder",
    "Evaluate",
    "Feature",
    "Fetch",
    "Imagine",
    "Keyframes",
    "LabelColumn",
    "Limits",
    "Mapping",
    "Match",
    "Metadata",
    "Model",
    "Name",
    "Reduce",
    "Relabel",
    "Relabelled",
    "Report",
    "Resources",
    "Section",
    "Study",
    "Summary",
    "Task",
    "Transcript",
    "nearest",
    "unwritable",
]
