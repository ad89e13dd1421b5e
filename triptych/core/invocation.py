"""How Snakemake was called, told while its Snakefile is read: Snakemake itself says so to nobody until later."""

from __future__ import annotations

import sys
from typing import Any

#: Options with which Snakemake looks at a study, or tends what it remembers of it, and runs no job.
NO_RUN = (
    *("dryrun", "unlock", "lint", "list_target_rules", "list_rules", "print_compilation", "containerize"),
    *("generate_unit_tests", "dag", "rulegraph", "filegraph", "d3dag", "cleanup_metadata", "conda_cleanup_envs"),
    *("conda_create_envs_only", "list_conda_envs", "container_cleanup_images", "list_changes", "list_input_changes"),
    *("list_params_changes", "list_untracked", "summary", "detailed_summary", "archive"),
)


def command_line() -> Any | None:
    """Snakemake's options, looked up among the callers; None when another program calls Snakemake."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "args_to_api" and "args" in frame.f_locals:
            return frame.f_locals["args"]
        frame = frame.f_back
    return None


def is_run(options: Any) -> bool:
    """Whether Snakemake was called to run jobs, or to remove what they made."""
    # `cleanup_metadata` and its like are lists, of which an empty one was given too.
    asked = any(getattr(options, name, None) not in (None, False) for name in NO_RUN)
    return not asked and (not options.report or bool(options.report_after_run))
