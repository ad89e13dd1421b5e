"""What a file that no decoder opens seems to be, for the message to the user."""

from __future__ import annotations

from pathlib import Path

#: Beginnings that tell what a file is, and what to say.
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "pdf", "is a PDF"),
    (b"PK\x03\x04", "archive", "is a zip archive"),
    (b"\x1f\x8b", "archive", "is gzip-compressed"),
    (b"\x89HDF", "data", "is an HDF5 file"),
    (b"\x7fELF", "program", "is a program"),
    (b"ffconcat", "list", "is a list of other files (ffconcat), which is never followed"),
    (b"#EXTM3U", "list", "is a playlist (HLS), which is never followed"),
)


def sniff(path: Path | str) -> tuple[str, str]:
    """Kind of a file and a phrase that tells it, from its first bytes.

    Returns:
        Kind (`empty`, `html`, `text`, `mp4`...) and a phrase to follow the file's name: `is empty`.
    """
    with Path(path).open("rb") as handle:
        head = handle.read(4096)
    if not head:
        return "empty", "is empty (0 bytes)"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "html", "is a web page (HTML), not a video; the server sent a page instead"
    if start.startswith((b"<?xml", b"<svg", b"<")):
        return "text", "is XML, not a video"
    for magic, kind, phrase in MAGIC:
        if head.startswith(magic):
            return kind, phrase
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide"):
        return "mp4", "is an MP4 whose index (moov) is missing or broken; the recording or the download was cut"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska", "starts as Matroska/WebM but is broken"
    if not head.strip(b"\0"):
        return "zeros", "starts with zeros only; the download or the disk lost its content"
    if _is_text(head):
        return "text", f"is text, not a video (it starts {head[:40].decode('utf-8', 'replace')!r})"
    return "unknown", "is no media file that the decoder knows"


def _is_text(head: bytes) -> bool:
    """Whether the bytes are UTF-8 (perhaps cut in the last character) without control characters."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return not any(ord(letter) < 32 and letter not in "\t\r\n\f" for letter in text)
