"""The command line beside Snakemake: `triptych table | check | plan | status | unlock | search | ...`.

Only typer is imported here; each command imports what it computes with when it is called.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

app = typer.Typer(
    name="triptych",
    help="From a table of videos to a benchmark of what is said, heard and seen. `snakemake` runs it; "
    "these commands say what Snakemake itself does not.",
    epilog="Pages: docs/table.md (the table), docs/config.md (the study file), docs/cli.md (these commands).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ConfigFile = Annotated[Path, typer.Option("--configfile", "-c", help="Study file.", metavar="FILE")]
DEFAULT = Path("config.yaml")


@app.command()
def table(
    target: Annotated[str, typer.Argument(help="Folder of media files, list of ids or URLs, or URL of a playlist.")],
    label_from_folder: Annotated[
        bool, typer.Option("--label-from-folder", help="Column `label`: the folder that a file lies in.")
    ] = False,
    group_from_folder: Annotated[
        bool, typer.Option("--group-from-folder", help="Column `group`: the first folder below FOLDER.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write instead of the terminal.", metavar="FILE")
    ] = None,
    cookies: Annotated[
        Path | None, typer.Option(help="Cookie file (Netscape form) for a playlist.", metavar="FILE")
    ] = None,
    allow_private_hosts: Annotated[
        bool, typer.Option("--allow-private-hosts", help="Allow playlists of this machine and of private networks.")
    ] = False,
) -> None:
    """Make a table of videos from a folder, a list or a playlist.

    \b
    triptych table recordings > videos.csv
    triptych table recordings --label-from-folder > videos.csv
    triptych table ids.txt > videos.csv
    triptych table "https://www.youtube.com/playlist?list=..." > videos.csv

    A list holds a YouTube id or a URL on each line. Paths are written relative to the table's folder.
    """  # noqa: D301
    from triptych.commands import table as command

    try:
        made = command.make(
            target,
            out,
            label=label_from_folder,
            group=group_from_folder,
            cookies=cookies,
            allow_private_hosts=allow_private_hosts,
        )
        if out is None:
            sys.stdout.write(made.csv())
        else:
            from triptych.core.files import replace_text

            replace_text(out, made.csv())
    except (command.TableError, OSError) as error:
        _stop(error)
    _say(*made.notes)


@app.command()
def check(configfile: ConfigFile = DEFAULT) -> None:
    """Tell every fault of a study file and its table, before any job.

    \b
    triptych check
    triptych check --configfile config/mine.yaml

    Ends with 1 when there are faults. Snakemake makes the same check before each run.
    """  # noqa: D301
    checked = _load(configfile)
    study, corpus = checked.study, checked.corpus
    for note in checked.notes:
        typer.echo(f"note: {note}")
    made = ((study.encoders, "encoder"), (study.features, "feature"), (study.tasks, "task"), (study.models, "model"))
    parts = [f"{len(known)} {word}{'' if len(known) == 1 else 's'}" for known, word in made]
    typer.echo(f"{configfile}: no faults; {len(corpus.rows)} rows in {study.corpus}, {', '.join(parts)}")


@app.command()
def plan(
    targets: Annotated[list[str] | None, typer.Argument(help="Names or files to ask for; all by default.")] = None,
    configfile: ConfigFile = DEFAULT,
) -> None:
    """Tell what the next `snakemake` would run, and why.

    \b
    triptych plan
    triptych plan features
    triptych plan --configfile config/mine.yaml
    """  # noqa: D301
    from triptych.commands import plan as command

    checked = _load(configfile, quick=True)
    try:
        found = command.plan(checked.study, checked.corpus, configfile, targets or [])
    except command.PlanError as error:
        _stop(error)
    for line in command.lines(found):
        typer.echo(line)


@app.command()
def status(
    configfile: ConfigFile = DEFAULT,
    every: Annotated[bool, typer.Option("--all", help="Name every video that failed.")] = False,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Mark failed downloads, media ended by a limit, and lost files as due."),
    ] = False,
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="The last N days, each with its stages.", metavar="N")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all of it as JSON.")] = False,
) -> None:
    """Tell what happened to the videos at each stage, also during a run.

    \b
    triptych status
    triptych status --days 14
    triptych status --retry-failed
    triptych status --json
    """  # noqa: D301
    import json
    import time

    from triptych.commands import status as command
    from triptych.commands import status_days, status_lines, status_running, status_tasks
    from triptych.core.paths import Paths

    checked = _load(configfile, quick=True)
    study, corpus = checked.study, checked.corpus
    if retry_failed:
        from triptych.core import retry

        try:
            retry.request(Paths.of(study))
        except OSError as error:
            _stop(error)
    work = status_running.look(Paths.of(study))
    stages = command.collect(study, corpus, work, disk=days is None)
    told: dict[str, object] = {"study": study.study, "rows": len(corpus.rows), "run": work.run_as_dict()}
    if days is not None:
        found = status_days.days(stages, time.time(), days)
        text = json.dumps(told | {"days": [one.as_dict() for one in found]}, indent=1)
        for line in [text] if as_json else status_days.lines(found):
            typer.echo(line)
    elif as_json:
        told |= {"stages": [one.as_dict(time.time()) for one in stages]}
        told |= {"tasks": [one.as_dict(time.time()) for one in status_tasks.collect(study, work)]}
        told |= {"stopped": work.stopped, "downloads": status_lines.waiting(study, corpus)}
        typer.echo(json.dumps(told, indent=1))
    else:
        for line in status_lines.lines(study, corpus, work, stages, most=sys.maxsize if every else 20):
            typer.echo(line)
    if retry_failed:
        given = "" if configfile == DEFAULT else f" --configfile {configfile}"
        _say(f"what failed to download, or was ended by a limit, is due again; run: snakemake{given}")


@app.command()
def unlock(
    configfile: ConfigFile = DEFAULT,
    force: Annotated[
        bool, typer.Option("--force", help="Also when a process of another host is recorded that cannot be seen here.")
    ] = False,
) -> None:
    """Remove the locks of a run that was killed; refuse while a run or a job of the study lives.

    \b
    triptych unlock
    triptych unlock --configfile config/mine.yaml

    Ends with 1 and names each process that works in the results (host, pid, since, SLURM job).
    """  # noqa: D301
    from triptych.commands import unlock as command
    from triptych.core.paths import Paths
    from triptych.core.study import StudyError, load_study

    try:
        lines = command.unlock(Paths.of(load_study(configfile)), force=force)
    except (StudyError, command.InUseError, OSError) as error:
        _stop(error)
    for line in lines:
        typer.echo(line)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What is said, written or seen, in words.")],
    configfile: ConfigFile = DEFAULT,
    top: Annotated[int, typer.Option(min=1, help="Most results.", metavar="N")] = 10,
    encoder: Annotated[str | None, typer.Option(help="Ask this encoder alone.", metavar="NAME")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all of it as JSON.")] = False,
) -> None:
    """Find videos by words, in what a study has embedded already.

    \b
    triptych search "someone types on a keyboard"
    triptych search "boats at sea" --encoder clip --top 3
    triptych search "boats at sea" --json

    Text encoders are asked, and `clip` for keyframes; see docs/search.md.
    """  # noqa: D301
    from triptych.commands import search as command
    from triptych.core.weights import WeightsError
    from triptych.crossmodal import search as crossmodal

    checked = _load(configfile, quick=True)
    rows = checked.corpus.by_slug
    try:
        # Bytes of the command line that are no UTF-8 come as halves of characters, which no tokenizer takes.
        words = query.encode("utf-8", "replace").decode()
        found = crossmodal.search(checked.study, list(rows), words, top, encoder)
    except (crossmodal.SearchError, WeightsError, OSError) as error:
        # What brings missing weights takes the study file.
        _stop(str(error).replace("--fetch CONFIG", f"--fetch {configfile}"))
    if as_json:
        import json

        # ASCII, since titles are data and a terminal obeys some characters beyond it.
        typer.echo(json.dumps(crossmodal.as_dict(found, query, rows), indent=1))
    else:
        for line in command.lines(found, rows):
            typer.echo(line)
    _say(*(f"note: {command.printable(one, 1000)}" for one in found.notes))


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="`features`, `embeddings` or `predictions`.")],
    name: Annotated[str, typer.Argument(help="Name of the feature, encoder.array, or task/model.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write.", metavar="FILE")] = None,
    form: Annotated[str | None, typer.Option("--format", help="npz, parquet or csv; else what --out ends in.")] = None,
    configfile: ConfigFile = DEFAULT,
) -> None:
    """Write features, embeddings or predictions to one file, for use elsewhere.

    \b
    triptych export features heard --out heard.npz
    triptych export embeddings sound.clip --out clip.parquet
    triptych export predictions topic/early --out early.csv

    In csv, text that a spreadsheet would take for a formula gets a ' before it.
    """  # noqa: D301
    from triptych.commands import export as command

    kinds = ("features", "embeddings", "predictions")
    if what not in kinds:
        from triptych.core.config import nearest

        _stop(f"export `features`, `embeddings` or `predictions`, not {what!r}{nearest(what, kinds)}")
    checked = _load(configfile, quick=True)
    out = out or Path(f"{name.replace('/', '_')}.{form or 'npz'}")
    try:
        typer.echo(command.export(checked.study, what, name, out, form))
    except (command.ExportError, OSError) as error:
        _stop(error)


@app.command()
def models(
    configfile: Annotated[
        Path | None,
        typer.Option("--configfile", "-c", help="Only what this study uses, with its models.", metavar="FILE"),
    ] = None,
    fetch: Annotated[
        Path | None, typer.Option(help="Bring all that this study file needs to this machine.", metavar="CONFIG")
    ] = None,
    trust: Annotated[
        str | None, typer.Option(help="List a local file of weights in models.lock.", metavar="PATH")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: all of it as JSON.")] = False,
) -> None:
    """List encoders and transcribers, and whether their weights are here; or bring weights.

    \b
    triptych models
    triptych models --configfile config/mine.yaml
    triptych models --fetch config/mine.yaml
    triptych models --trust weights/net.pt

    --fetch needs the network and writes models.lock; jobs then run offline.
    """  # noqa: D301
    from triptych.commands import catalogue
    from triptych.commands import models as command
    from triptych.core.study import StudyError, load_study
    from triptych.core.weights import WeightsError

    if sum(one is not None for one in (configfile, fetch, trust)) > 1:
        _stop("give one of --configfile, --fetch and --trust")
    try:
        study = load_study(fetch or configfile) if fetch or configfile else None
    except StudyError as error:
        _stop(error)
    if fetch or trust:
        from triptych.commands import fetch_models

        failures = []
        try:
            if trust:
                fetch_models.trust(trust, typer.echo)
            else:
                failures = fetch_models.fetch(study, typer.echo)
        except (WeightsError, OSError) as error:
            _stop(error)
        if failures:
            _stop(
                f"{len(failures)} of what {fetch} needs cannot be used:\n" + "\n".join(f"  {one}" for one in failures)
            )
        return
    try:
        found, faults = catalogue.parts_of(study) if study else catalogue.parts()
        told = [command.describe(one) for one in found]
    except WeightsError as error:
        _stop(error)
    if as_json:
        import json

        typer.echo(json.dumps(told, indent=1))
    else:
        for line in command.lines(told):
            typer.echo(line)
    if faults:
        _stop("\n".join(faults))


@app.command()
def doctor(
    configfile: ConfigFile = DEFAULT,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Try this site's SLURM with small jobs; tell what the profile needs.")
    ] = False,
    wait: Annotated[
        float, typer.Option(help="With --slurm: seconds in which a trial job must run.", metavar="SECONDS", min=1)
    ] = 120.0,
    partition: Annotated[
        str, typer.Option(help="With --slurm: try this partition, not the site's default.", metavar="NAME")
    ] = "",
    account: Annotated[str, typer.Option(help="With --slurm: charge this account.", metavar="NAME")] = "",
    qos: Annotated[str, typer.Option(help="With --slurm: ask for this quality of service.", metavar="NAME")] = "",
) -> None:
    """Tell what of this machine can be used: decoders, encoders, weights, extras, graphics card, disk.

    \b
    triptych doctor
    triptych doctor --slurm
    triptych doctor --slurm --partition short --account lab

    Ends with 1 when something is missing that the workflow cannot do without.
    """  # noqa: D301
    from triptych.commands import doctor as command
    from triptych.commands import doctor_slurm
    from triptych.commands.doctor_site import Site

    site = Site(accounts=[account] if account else [], partition=partition, qos=qos)
    folder = _results(configfile)
    failed = False
    for finding in doctor_slurm.examine(site, folder, wait) if slurm else command.examine(folder):
        mark = {"ok": "ok", "optional": "--", "missing": "!!"}[finding.level]
        advice = f"  -> {finding.advice}" if finding.advice else ""
        typer.echo(f"{mark}  {finding.what}: {finding.told}{advice}")
        failed = failed or finding.level == "missing"
    if site.common:
        for what, lines in (("profiles/slurm/config.yaml", site.lines()), ("your study file", site.study_lines())):
            if lines:
                typer.echo("\n".join(["", f"Lines for {what} (replace these keys):", *lines]))
    if failed:
        raise typer.Exit(1)


def _results(configfile: Path) -> str:
    """The study's folder of results, or this folder when there is no valid study file."""
    from triptych.core.study import StudyError, load_study

    try:
        return load_study(configfile).results
    except StudyError:
        return "."


def _load(configfile: Path, *, quick: bool = False):
    """The study and its table, or the end of the program with every fault."""
    from triptych.commands.check import CheckError, load_file

    try:
        return load_file(configfile, quick=quick)
    except CheckError as error:
        _stop(error)


def _say(*lines: str) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _stop(error: Exception | str) -> NoReturn:
    """End with what the user can mend, without a traceback."""
    told = error
    if isinstance(error, OSError) and error.strerror:
        told = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    typer.echo(f"triptych: {told}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Entry point of `triptych`."""
    app()


if __name__ == "__main__":
    main()
