"""Contact sheet: the keyframes of a video in one picture, with their times."""

from __future__ import annotations

import io

#: Pixels between and around the pictures, and their height by default.
MARGIN, HEIGHT, LABEL = 6, 108, 18
#: Widest picture and widest sheet in pixels.
WIDE, WIDEST = 400, 1600


def contact_sheet(jpegs: list[bytes], times: list[float]) -> bytes:
    """A sheet of frames in reading order, each with its time below, as JPEG bytes.

    Args:
        jpegs: frames of one size.
        times: seconds of each.
    """
    from PIL import Image, ImageDraw, ImageFont

    images = [Image.open(io.BytesIO(one)) for one in jpegs]
    height = min(HEIGHT, max(1, round(WIDE * images[0].height / images[0].width)))
    width = min(WIDE, max(1, round(height * images[0].width / images[0].height)))
    columns = max(1, min(8, len(images), (WIDEST - MARGIN) // (width + MARGIN)))
    rows = -(-len(images) // columns)
    size = (MARGIN + columns * (width + MARGIN), MARGIN + rows * (height + LABEL + MARGIN))
    sheet = Image.new("RGB", size, (250, 250, 248))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for number, (image, time) in enumerate(zip(images, times, strict=True)):
        left = MARGIN + number % columns * (width + MARGIN)
        top = MARGIN + number // columns * (height + LABEL + MARGIN)
        image.draft("RGB", (width, height))  # the decoder itself halves it as often as it can
        sheet.paste(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC), (left, top))
        pen.text((left + width / 2, top + height + 3), clock(time), font=font, fill=(70, 70, 70), anchor="ma")
    memory = io.BytesIO()
    sheet.save(memory, "JPEG", quality=88)
    return memory.getvalue()


def clock(seconds: float) -> str:
    """`0:03.40`, or `1:02:03.4` from an hour on."""
    hundredths = round(max(0.0, seconds) * 100)
    minutes, rest = divmod(hundredths, 6000)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest / 100:04.1f}"
    return f"{minutes}:{rest / 100:05.2f}"
