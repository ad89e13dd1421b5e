"""The fault matrix: what can go wrong, what then happens, and how the tests put the fault into a real run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """A fault; tests name its number: `@pytest.mark.fault(NUMBER)`."""

    number: int
    fault: str
    expected: str
    how: str
    #: `real`: the fault itself. `nearest`: what comes closest to it on one machine; `how` says what is not shown.
    #: `elsewhere`: the fault itself, by another command than `make test`; `command` names it.
    shown: Literal["real", "nearest", "elsewhere"] = "real"
    command: str = ""
    #: What one machine cannot show.
    not_shown: str = ""


MATRIX = (
    Row(
        1,
        "A job is killed while it writes",
        "No half file under a final name; the next run computes what the job had not written and nothing else",
        "SIGKILL to random jobs of a run, results compared byte for byte with an undisturbed run",
    ),
    Row(
        2,
        "Snakemake is killed",
        "The next run goes on; a job that lives on is named and waited for, never overtaken",
        "SIGKILL to Snakemake alone, the next run starts beside the orphan",
    ),
    Row(
        3,
        "A cached file is cut, zeroed or has flipped bits",
        "Found by its checksum before use, told, and made again",
        "cut files, zeroed blocks, single bits",
    ),
    Row(
        4,
        "The disk of the results is full",
        "One clear error, exit 1, no file under a final name; the run resumes when there is room",
        "a limit of the file size, or a file system of a few MB",
    ),
    Row(
        5,
        "The disk of Snakemake's own records is full",
        "The run ends with exit 1; the next one makes what is not recorded",
        "the same, under `.snakemake`",
    ),
    Row(
        6,
        "One video of several is broken",
        "The others go through to the metrics; the broken one is in the status table at each stage with its "
        "reason; exit 0; at each stage ok + absent + failed + refused are the rows",
        "twelve broken, refused or missing files, some in their sound alone, among 33 rows with four good clips, "
        "a whole run",
    ),
    Row(
        7,
        "All videos are broken, or one class alone has usable ones",
        "Nothing usable: the features stop with the number of usable videos and the reasons, exit 1, no model"
        " reads them and no report is written. One class alone: the model says that there was nothing to "
        "learn from, gives the prior and covers no video",
        "a study whose files are all text, then with good clips for one of two classes",
    ),
    Row(
        8,
        "A video is cut",
        "Used as far as it goes, with a warning and the share that is there, in manifest and status table",
        "the first 60 % of an mp4 with its index in front, and of a mkv",
    ),
    Row(
        9,
        "Packets of a video are corrupt",
        "Passed over one by one and counted in a warning; the rest is decoded",
        "200 bytes of an mp4 changed",
    ),
    Row(
        10,
        "What is called a video is none",
        "`failed: unreadable`, and the message tells what it is: empty, text, a web page, without an index",
        "an empty file, text, HTML, random bytes, an mp4 whose index is cut off",
    ),
    Row(
        11,
        "No sound, silence, or sound alone",
        "What is not there is `absent`, at each stage; fusion goes on with the rest, and the counts add up",
        "clips without a sound track, with a silent one, without pictures",
    ),
    Row(
        12,
        "A song with a cover picture",
        "The cover is no video: pictures are `absent`, the sound is used",
        "an mp3 with an attached picture",
    ),
    Row(
        13,
        "One frame, fewer frames than keyframes, or all frames the same",
        "As many keyframes as there are different frames; nothing fails and nothing warns",
        "videos of 1 frame, of 3 and of 50 equal ones, where 4 keyframes are asked for",
    ),
    Row(
        14,
        "The frame rate varies",
        "Times are those of the file, within a frame",
        "a video whose frames have uneven times",
    ),
    Row(
        15,
        "The video is turned",
        "Keyframes stand upright",
        "videos with a rotation of 90, 180 and 270 degrees",
    ),
    Row(
        16,
        "A bomb of pixels, frames or seconds",
        "`refused` from the header, without decoding, by a child with 1 GB of memory",
        "a PNG of 16,000 x 16,000 pixels, 800,000 s in three frames, one frame more than the limit, sound of a "
        "sample a second",
    ),
    Row(
        17,
        "The decoder hangs or crashes",
        "The child that decodes is ended; the video is `failed` with the reason and the others go on; runs to come "
        "leave it so, since the same file would most likely end so again, until `triptych status --retry-failed` "
        "asks for another attempt",
        "SIGSEGV and SIGSTOP to the real child, SIGSEGV in a whole run; one that sleeps, or ignores SIGTERM",
    ),
    Row(
        18,
        "Memory runs out",
        "Smaller batches, or another attempt with more memory; then `failed: out_of_memory` for that video alone",
        "a limit of the child's memory; torch's own OutOfMemoryError",
        "nearest",
        not_shown="a card whose memory is really full",
    ),
    Row(
        19,
        "Ids that make odd file names",
        "Accepted under a safe name, the id kept; or listed as faults before any job",
        "28 odd ids through a whole run, six without any safe form through check, random text",
    ),
    Row(
        20,
        "Ids, titles and paths that a shell, an option parser or a template would run",
        "Nothing is executed",
        "`$(touch X)`, backticks, `;`, `--exec=`, `{}`, `</script>` in ids, titles, file names, captions and "
        "addresses, whole runs",
    ),
    Row(
        21,
        "Paths that lead out of the results",
        "Nothing is written outside; results lie under safe names; names of the study that lead elsewhere are faults",
        "`../x` and `/abs` as ids and names, a source that is a link to elsewhere, one above the table's folder",
    ),
    Row(
        22,
        "An id or a source is there twice",
        "Another row of the same id, or one that differs in case alone, is a fault with both lines; a row that is "
        "there twice, or two rows of one source, are a note",
        "tables with each",
    ),
    Row(
        23,
        "The table is no proper CSV file",
        "Every fault in one list with its line, exit 1, no traceback",
        "26 files: encodings, delimiters, columns, ragged rows, quotes, invisible characters; random bytes",
    ),
    Row(
        24,
        "The study file has faults",
        "Every fault in one list with its place and the nearest valid key, exit 1, no traceback",
        "unknown keys, types, ranges, a key twice, YAML that runs something, names and files that are not there",
    ),
    Row(
        25,
        "Labels are missing, or a class has too few videos",
        "Unlabelled rows are predicted, not learned from; a class with too few groups stops the check or is "
        "dropped and told; of a class whose videos are all lost nothing is learned, the others go on",
        "tables with empty labels, one class, a class of one video, and one whose files are all broken",
    ),
    Row(
        26,
        "A download that cannot succeed",
        "`failed`, permanent, in the site's own words; asked once, and again only on request",
        "an HTTP server on this machine: 404, 403; an extractor with sites' own messages of private, removed,"
        " regional and age limits",
    ),
    Row(
        27,
        "A download that fails for now",
        "Tried again with growing waits; then `failed`, transient, and due again in a later run",
        "a server that closes, stalls, or answers 429 and 5xx a number of times",
    ),
    Row(
        28,
        "A body that is too short, or a page in place of the video",
        "No file under the final name; the reason in the status table",
        "a server that promises more bytes than it sends, or answers with HTML",
    ),
    Row(
        29,
        "The same file name on two hosts",
        "Two files, one a row",
        "two servers, at 127.0.0.1 and 127.0.0.2, with addresses that end alike",
    ),
    Row(
        30,
        "There is no network",
        "A study of local files runs, and asks nobody",
        "a name space without a network, or proxies that lead nowhere",
    ),
    Row(
        31,
        "Weights are missing, changed, or a pickle that runs something",
        "Told before any job: which file, which digest, how to get it; nothing is executed",
        "weights taken away, a bit flipped, pickles that would touch a file",
    ),
    Row(
        32,
        "A graphics card is asked for and there is none",
        "Said before the run, which goes on without; on a cluster a job that cannot see its card stops and tells why",
        "a machine without a card, a study with `gpus: 2`",
    ),
    Row(
        33,
        "Two runs at once",
        "The second is told who holds the folder; no file has two writers",
        "two Snakemakes in one folder, also of parts that share nothing",
    ),
    Row(
        34,
        "A plan while a run is under way",
        "`triptych plan` and `triptych status` answer and change nothing",
        "both beside a run",
    ),
    Row(
        35,
        "Videos are added",
        "Their own jobs, their shards and the aggregates run; all other files keep bytes and times",
        "a finished study, a row more",
    ),
    Row(
        36,
        "A video leaves, a label, a parameter or a model changes",
        "Exactly what depends on it is made again",
        "plans of a finished study before and after each edit",
    ),
    Row(
        37,
        "A folder that may not be written to, or whose name has spaces and quotes",
        "The first is told in one line; the second works",
        "a folder without write permission as a plain user; a folder `a b'c`",
    ),
    Row(
        38,
        "A network file system shows files late or has no locks",
        "The profile waits; every file has one writer; a missing lock is a warning",
        "files that come late under their names; a lock that fails",
        "nearest",
        not_shown="NFS and Lustre themselves",
    ),
    Row(
        39,
        "SLURM cancels, times out or preempts a job, or loses a node",
        "Another attempt with more, or a clear failure; nothing half done is trusted",
        "a real SLURM on the loopback",
        "elsewhere",
        command="make test-slurm",
    ),
    Row(
        40,
        "Hostile titles and secrets",
        "No script of the table runs in the report; the value of a secret is in no file and no log",
        "titles with scripts through the report; cookies and passwords with a known value, searched for",
    ),
    Row(
        41,
        "The same study twice",
        "The same bytes",
        "two runs of one study in two folders",
        "nearest",
        not_shown="cards, whose sums depend on their order",
    ),
)
