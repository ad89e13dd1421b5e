"""What each rule's jobs ask for on a cluster: one table of defaults, and the section that changes it."""

from __future__ import annotations

from pydantic import Field

from triptych.core.config.section import Section

#: Least memory of any job (MB): the two Snakemakes that stand around a job on a node take most of it.
LEAST_MB = 600
#: Most that a job may be given (MB, minutes, processors): beyond any site, so that a slip of the keyboard is told.
MOST_MB, MOST_MINUTES, MOST_THREADS = 100_000_000, 5_256_000, 4096
#: Name in the section that stands for all rules.
EVERY = "every"


class Resources(Section):
    """What the jobs of a rule ask for; what is not named comes from `every`, then from the workflow's own table.

    A job asks for `mem_mb` and `runtime`, and for `mem_mb_video` and `runtime_video` more for each of its videos; a
    further attempt, after a job that was ended, asks for twice as much as the one before.
    """

    threads: int | None = Field(None, ge=1, le=MOST_THREADS)
    """Processors of a job; encoders, transcribers and relabel sections may name their own under `threads`."""
    mem_mb: int | None = Field(None, ge=LEAST_MB, le=MOST_MB)
    """Memory of a job in MB; by default at least what the job's encoder, recogniser or model is known to take."""
    mem_mb_video: float | None = Field(None, ge=0, le=MOST_MB, allow_inf_nan=False)
    """Memory in MB for each video of the job."""
    runtime: float | None = Field(None, gt=0, le=MOST_MINUTES, allow_inf_nan=False)
    """Minutes of a job."""
    runtime_video: float | None = Field(None, ge=0, le=MOST_MINUTES, allow_inf_nan=False)
    """Minutes for each video of the job."""
    max_mem_mb: int | None = Field(None, ge=LEAST_MB, le=MOST_MB)
    """Most memory that any attempt asks for: that of the largest node."""
    max_runtime: float | None = Field(None, gt=0, le=MOST_MINUTES, allow_inf_nan=False)
    """Most minutes that any attempt asks for: the partition's limit."""
    local: bool | None = None
    """Run where Snakemake runs, without a job of the cluster."""


def _row(threads: int, mem_mb: int, per_video: float, runtime: float, runtime_video: float, **more) -> Resources:
    return Resources(
        threads=threads, mem_mb=mem_mb, mem_mb_video=per_video, runtime=runtime, runtime_video=runtime_video, **more
    )


#: Rule -> what its jobs ask for: threads, MB, MB a video, minutes, minutes a video. The only place with such defaults.
#: Memory holds what Snakemake takes around a job (about 350 MB). Minutes are some times what was measured for videos of
#: five minutes; a job that is ended by its limit keeps what it has, and goes on with twice the time.
TABLE: dict[str, Resources] = {
    # Downloads wait for their servers; decoding holds at most `limits.memory_mb` of addresses, far less of memory.
    "fetch_video": _row(1, 1000, 0, 240, 1),
    "probe_media": _row(1, 1000, 0, 10, 0.2),
    "extract_audio": _row(1, 1500, 0, 40, 0.5),
    "pick_keyframes": _row(1, 2000, 0, 40, 1),
    "drop_source": _row(1, 600, 0, 10, 0.001, local=True),
    # A shard's jobs load a model once, then take its videos one after the other.
    "transcribe_captions": _row(1, 800, 0.1, 10, 0.02),
    "transcribe_shard": _row(2, 3500, 0.5, 60, 3),
    "read_frames": _row(1, 2500, 0.5, 30, 2.5),
    "resolve_transcripts": _row(1, 800, 0.2, 10, 0.01),
    "embed_shard": _row(1, 2500, 1, 30, 1),
    # What stands for the whole table grows with it, if slowly.
    "pool_feature": _row(1, 2000, 0.05, 20, 0.001),
    "relabel_videos": _row(2, 6500, 0.05, 60, 0.5),
    "draw_samples": _row(1, 1500, 0.02, 20, 0),
    "compare_labels": _row(1, 1200, 0, 10, 0, local=True),
    "read_checked": _row(1, 1000, 0, 10, 0, local=True),
    "make_labels": _row(1, 1000, 0.01, 10, 0, local=True),
    "make_splits": _row(1, 1000, 0.01, 10, 0, local=True),
    "train_model": _row(1, 4000, 0.1, 60, 0.1),
    "train_network": _row(2, 6000, 0.2, 120, 0.2),
    "finetune_model": _row(2, 10000, 0.2, 240, 2),
    "draw_learning_curve": _row(1, 4000, 0.1, 120, 0.2),
    "draw_network_curve": _row(2, 10000, 0.2, 480, 2),
    "find_label_hints": _row(1, 2000, 0.05, 30, 0.01),
    "find_duplicates": _row(2, 4000, 0.2, 60, 0.02),
    "select_model": _row(1, 2500, 0.05, 30, 0.02),
    "fuse_models": _row(1, 2500, 0.05, 30, 0.02),
    "evaluate_model": _row(1, 2000, 0.05, 30, 0.01),
    "compare_models": _row(1, 2000, 0.05, 30, 0.01),
    # One modality against another; what compares all with all names its own memory.
    "summarise_texts": _row(2, 2500, 0.05, 60, 0.2),
    "map_features": _row(2, 6000, 0.2, 240, 0.5),
    "match_videos": _row(2, 4000, 0.2, 60, 0.05),
    "paint_videos": _row(2, 8000, 0, 60, 1),
    "score_pictures": _row(2, 4000, 0.2, 30, 0.1),
    "collect_status": _row(1, 1500, 0.01, 20, 0.001),
    "build_report": _row(1, 2000, 0.02, 30, 0.001),
}
