"""Pictures of the demo corpus: three animated scenes drawn with OpenCV, and the look that a film gives to them."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from demo_words import Film

#: Draws the moment `t` (seconds) as a BGR picture.
Scene = Callable[[float], np.ndarray]
Colour = tuple[float, float, float]

# Drawn at twice the size and reduced: smooth edges at 200 pixels of width.
SUPERSAMPLE = 2


def _gradient(w: int, h: int, top: Colour, bottom: Colour) -> np.ndarray:
    """A vertical gradient from one BGR colour to another."""
    ramp = np.linspace(0, 1, h)[:, None, None]
    return np.broadcast_to(np.array(top) * (1 - ramp) + np.array(bottom) * ramp, (h, w, 3)).astype(np.uint8).copy()


def _poly(picture: np.ndarray, points: np.ndarray, colour: Colour) -> None:
    """Fill a polygon given in float pixels, with smooth edges."""
    cv2.fillPoly(picture, [np.round(np.asarray(points) * 16).astype(np.int32)], colour, cv2.LINE_AA, shift=4)


def _line(picture: np.ndarray, points: np.ndarray, colour: Colour, width: int) -> None:
    """Draw an open line through float pixels, with smooth edges."""
    scaled = [np.round(np.asarray(points) * 16).astype(np.int32)]
    cv2.polylines(picture, scaled, False, colour, max(1, width), cv2.LINE_AA, shift=4)


def _disc(picture: np.ndarray, x: float, y: float, r: float, colour: Colour, width: int = -1) -> None:
    """Draw a disc or, with a width, a circle."""
    cv2.circle(picture, (round(x * 16), round(y * 16)), max(1, round(r * 16)), colour, width, cv2.LINE_AA, shift=4)


def sea(rng: np.random.Generator, w: int, h: int) -> Scene:
    """Sailing boats on rolling waves before a coast with a lighthouse."""
    horizon = h * rng.uniform(0.34, 0.44)
    sky = _gradient(w, h, (235, 190, 130), (215, 225, 235))
    sun_x, tower_x = rng.uniform(0.15, 0.85, 2) * w
    coast = np.cumsum(rng.normal(0, 0.012 * h, 40))
    speed, phase = rng.uniform(0.10, 0.2, 6), rng.uniform(0, 6.28, 6)
    boats = [
        (rng.uniform(0, 1), rng.uniform(0.02, 0.07) * rng.choice([-1, 1]), band, rng.uniform(0.8, 1.2))
        for band in sorted(rng.choice(5, rng.integers(2, 4), replace=False))
    ]
    gulls = rng.uniform(0, 1, (int(rng.integers(2, 5)), 3))

    def surface(band: int, x: np.ndarray | float, t: float) -> np.ndarray:
        y0 = horizon + (h - horizon) * (band + 0.25) / 5.6
        size = h * 0.008 * (1 + band)
        along = np.asarray(x) / w
        roll = np.sin(6.28 * (along * (5.5 - 0.6 * band) - speed[band] * 4 * t) + phase[band])
        return y0 + size * (roll + 0.5 * np.sin(6.28 * (along * 2.3 + speed[band] * 2 * t) + phase[-1 - band]))

    def draw(t: float) -> np.ndarray:
        picture = sky.copy()
        _disc(picture, sun_x, h * 0.16, h * 0.07, (200, 240, 255))
        xs = np.linspace(0, w, 40)
        land = horizon - h * 0.05 + np.clip(coast, -0.06 * h, 0.04 * h)
        _poly(picture, np.r_[np.c_[xs, land], [[w, h], [0, h]]], (130, 140, 120))
        _poly(
            picture,
            [(tower_x - h * 0.02, horizon), (tower_x - h * 0.012, h * 0.2), (tower_x + h * 0.012, h * 0.2),
             (tower_x + h * 0.02, horizon)],
            (230, 235, 240),
        )  # fmt: skip
        _disc(picture, tower_x, h * 0.195, h * (0.012 + 0.012 * max(0, np.sin(3 * t))), (120, 240, 255))
        for gx, gy, beat in gulls:
            x, y, up = ((gx + 0.05 * t) % 1) * w, h * (0.06 + 0.2 * gy), h * 0.02 * np.sin(7 * t + 9 * beat)
            _line(picture, [(x - h * 0.035, y - up), (x, y), (x + h * 0.035, y - up)], (70, 70, 70), SUPERSAMPLE)
        xs = np.linspace(0, w, 60)
        for band in range(5):
            shade = 1 - 0.13 * band
            top = surface(band, xs, t)
            _poly(picture, np.r_[np.c_[xs, top], [[w, h], [0, h]]], (205 * shade, 160 * shade, 70 * shade))
            _line(picture, np.c_[xs, top], (245, 235, 215), SUPERSAMPLE)
            for start, drift, own, scale in boats:
                if own == band:
                    x = ((start + drift * t) % 1.2 - 0.1) * w
                    s = h * (0.07 + 0.022 * band) * scale
                    lean = 0.12 * np.sin(1.7 * t + 9 * start)
                    turn = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
                    at = np.array([x, float(surface(band, x, t))])
                    for shape, colour in (
                        ([(-1, -0.2), (1, -0.2), (0.7, 0.3), (-0.7, 0.3)], (40, 50, 110)),
                        ([(-0.05, -0.3), (-0.05, -2.2), (-0.95, -0.45)], (245, 245, 250)),
                        ([(0.08, -0.3), (0.08, -1.9), (0.8, -0.45)], (90, 110, 225)),
                    ):
                        _poly(picture, at + s * np.array(shape) @ turn.T, colour)
        return picture

    return draw


def grass(rng: np.random.Generator, w: int, h: int) -> Scene:
    """Tall grass in the wind, with flowers and butterflies."""
    sky = _gradient(w, h, (240, 205, 150), (200, 235, 225))
    count = 150
    root = np.c_[rng.uniform(-0.03, 1.03, count) * w, np.sort(rng.uniform(0.72, 1.12, count)) * h]
    length, lean = rng.uniform(0.28, 0.6, count) * h, rng.normal(0, 0.08, count)
    shade, phase = rng.uniform(0.55, 1.1, count), rng.uniform(0, 1.2, count)
    petals = [tuple(map(float, c)) for c in ((90, 90, 235), (80, 210, 250), (230, 140, 200), (245, 245, 245))]
    bloom = rng.integers(0, 14, count)
    hills = rng.uniform(0, 6.28, 2)
    flyers = rng.uniform(0, 1, (int(rng.integers(3, 6)), 5))
    wind = rng.uniform(1.6, 2.4)

    def draw(t: float) -> np.ndarray:
        picture = sky.copy()
        xs = np.linspace(0, w, 40)
        for k in range(2):
            ridge = h * (0.5 + 0.12 * k + 0.05 * np.sin(xs / w * (4 + k) + hills[k]))
            _poly(picture, np.r_[np.c_[xs, ridge], [[w, h], [0, h]]], (95 - 25 * k, 175 - 30 * k, 130 - 30 * k))
        along = np.linspace(0, 1, 5)
        for i in range(count):
            sway = lean[i] + 0.16 * np.sin(wind * t - 4 * root[i, 0] / w + phase[i])
            x = root[i, 0] + length[i] * sway * along**2 * 1.6
            y = root[i, 1] - length[i] * along
            _line(picture, np.c_[x, y], (45 * shade[i], 165 * shade[i], 80 * shade[i]), SUPERSAMPLE)
            if bloom[i] < 4:
                _disc(picture, x[-1], y[-1], h * 0.022, petals[bloom[i]])
                _disc(picture, x[-1], y[-1], h * 0.008, (40, 160, 230))
        for a, b, c, d, e in flyers:
            x = w * (0.5 + 0.45 * np.sin((0.4 + 0.4 * a) * t + 6.28 * b))
            y = h * (0.36 + 0.24 * np.sin((0.9 + 0.5 * c) * t + 6.28 * d))
            open_ = 0.25 + 0.75 * abs(np.sin(9 * t + 6.28 * e))
            for side in (-1, 1):
                wing = np.array([(0, 0), (side * 1.3 * open_, -1), (side * 1.5 * open_, 0.1), (side * open_, 0.9)])
                _poly(picture, np.array([x, y]) + h * 0.045 * wing, petals[int(e * 4) % 4])
            _line(picture, [(x, y - h * 0.03), (x, y + h * 0.035)], (40, 40, 40), SUPERSAMPLE)
        return picture

    return draw


def hearth(rng: np.random.Generator, w: int, h: int) -> Scene:
    """A cauldron over an open fire, with bubbles, steam and sparks: it could be cooking or metal."""
    wall = _gradient(w, h, (76, 82, 104), (58, 66, 94))
    rows = 9
    for row in range(rows + 1):
        y = h * row / rows
        cv2.line(wall, (0, round(y)), (w, round(y)), (46, 48, 62), SUPERSAMPLE)
        for x in np.arange(-0.5 + 0.5 * (row % 2), 8) * w / 7:
            cv2.line(wall, (round(x), round(y)), (round(x), round(y + h / rows)), (46, 48, 62), SUPERSAMPLE)
    cx, rim = w * rng.uniform(0.4, 0.6), h * rng.uniform(0.44, 0.52)
    size = h * rng.uniform(0.23, 0.29)
    tongues, drops = rng.uniform(0, 1, (9, 3)), rng.uniform(0, 1, (16, 3))
    sparks, puffs = rng.uniform(0, 1, (26, 4)), rng.uniform(0, 1, (6, 3))
    yy, xx = np.mgrid[0:h, 0:w]
    glow = np.exp(-(((xx - cx) / (0.36 * w)) ** 2 + ((yy - h * 0.88) / (0.42 * h)) ** 2))[..., None]

    def draw(t: float) -> np.ndarray:
        flicker = 0.8 + 0.15 * np.sin(9 * t) + 0.1 * np.sin(23 * t + 1)
        picture = np.clip(wall + glow * flicker * np.array((20, 90, 190)), 0, 255).astype(np.uint8)
        fog = np.zeros((h // 4, w // 4), np.float32)
        for a, b, c in puffs:
            age = (a + t * (0.16 + 0.1 * b)) % 1
            x = cx + size * ((c - 0.5) * 1.2 + 0.4 * np.sin(3 * age + 6 * b))
            at = (round(x / 4), round((rim - age * rim * 1.1) / 4))
            cv2.circle(fog, at, round(size * (0.2 + 0.3 * age) / 4), 0.55 * (1 - age), -1)
        fog = cv2.resize(cv2.GaussianBlur(fog, (0, 0), h / 60), (w, h))[..., None]
        picture = (picture * (1 - fog) + fog * np.array((215, 215, 215))).astype(np.uint8)
        for wide, colour in ((1.0, (30, 80, 235)), (0.7, (40, 150, 250)), (0.4, (150, 235, 255))):
            for a, b, c in tongues:
                x = cx + size * (a * 2 - 1)
                tall = h * 0.27 * wide * (0.6 + 0.4 * np.sin((8 + 5 * b) * t + 6.28 * c))
                bend = size * 0.15 * np.sin(6 * t + 6.28 * b)
                base = size * 0.2 * wide
                _poly(picture, [(x - base, h * 0.97), (x + bend, h * 0.95 - tall), (x + base, h * 0.97)], colour)
        arc = np.linspace(0, np.pi, 24)
        _poly(picture, np.c_[cx + size * np.cos(arc), rim + size * 0.95 * np.sin(arc)], (36, 34, 38))
        for side in (-1, 1):
            _line(picture, [(cx + side * size * 0.7, rim + size * 0.5), (cx + side * size, h)], (30, 30, 34), 6)
        ring = np.linspace(0, 2 * np.pi, 32)
        _poly(picture, np.c_[cx + size * 1.06 * np.cos(ring), rim + size * 0.2 * np.sin(ring)], (70, 68, 74))
        _poly(picture, np.c_[cx + size * 0.92 * np.cos(ring), rim + size * 0.14 * np.sin(ring)], (60, 150, 235))
        for a, b, c in drops:
            age = (a + t * (0.5 + 0.5 * b)) % 1
            x, y = cx + size * 0.8 * (c * 2 - 1), rim - age * size * 0.55
            _disc(picture, x, y, size * 0.07 * (1 - 0.6 * age), (150, 215, 250), SUPERSAMPLE)
        for a, b, c, d in sparks:
            age = (a + t * (0.35 + 0.4 * b)) % 1
            x = cx + size * ((c * 2 - 1) * (0.9 + 1.4 * age)) + size * 0.15 * np.sin(8 * age + 6 * d)
            _disc(picture, x, h * 0.9 - age * h * 0.85, h * 0.009, (90, 210, 255) if d < 0.6 else (60, 130, 255))
        return picture

    return draw


SCENES: dict[str, Callable[[np.random.Generator, int, int], Scene]] = {"sea": sea, "grass": grass, "hearth": hearth}


class Look:
    """What a film does to every picture: colour, fabric, grain, shake and a border."""

    def __init__(self, film: Film, size: tuple[int, int]) -> None:
        self.film, (self.w, self.h) = film, size
        red, green, blue = colorsys.hsv_to_rgb(film.hue, 0.75, 1.0)
        self.tint = np.array((blue, green, red)) * 255
        # Complementary shadows: the film is known by its dark and its light parts.
        self.shadow = 0.35 * (255 - self.tint)
        yy, xx = np.mgrid[0 : self.h, 0 : self.w]
        fabric = {
            "plain": np.zeros((self.h, self.w)),
            "scan": np.where(yy % 4 < 2, 1.0, -1.0),
            "weave": np.sin(xx * 1.15 + yy * 0.35) + np.sin(xx * 0.35 - yy * 1.15),
            "dust": cv2.GaussianBlur(np.random.default_rng(7).normal(0, 4, (self.h, self.w)), (0, 0), 1.2),
        }[film.texture]
        edge = np.minimum(np.minimum(xx, self.w - 1 - xx) / self.w, np.minimum(yy, self.h - 1 - yy) / self.h)
        self.fabric = 7.0 * fabric[..., None]
        self.vignette = (0.72 + 0.28 * np.clip(edge / 0.18, 0, 1))[..., None]
        self.border = (edge < 0.022)[..., None]

    def apply(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Give one picture (BGR, any size) the film's size and look.

        Args:
            picture: the drawn scene.
            rng: random numbers for grain and shake.

        Returns:
            A BGR picture of the film's size, 8 bit.
        """
        if self.film.shake:
            dx, dy = rng.normal(0, self.film.shake * SUPERSAMPLE, 2)
            move = np.float32([[1, 0, dx], [0, 1, dy]])
            picture = cv2.warpAffine(picture, move, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        picture = cv2.resize(picture, (self.w, self.h), interpolation=cv2.INTER_AREA).astype(np.float32)
        light = picture.mean(axis=2, keepdims=True) / 255
        toned = self.shadow * (1 - light) + self.tint * light
        picture = (0.58 * picture + 0.42 * toned + self.fabric) * self.vignette
        if self.film.grain:
            # Coarse grain survives the codec at a bitrate that keeps the corpus small.
            coarse = rng.normal(0, self.film.grain, (self.h // 2, self.w // 2)).astype(np.float32)
            picture += cv2.resize(coarse, (self.w, self.h))[..., None]
        picture = np.where(self.border, 0.6 * self.tint, picture)
        return np.clip(picture, 0, 255).astype(np.uint8)


def frames(
    film: Film, kind: str, times: np.ndarray, rng: np.random.Generator, size: tuple[int, int] | None = None
) -> Iterator[np.ndarray]:
    """Render one clip frame by frame.

    Args:
        film: gives size and look.
        kind: one of `SCENES`.
        times: the moments to draw, in seconds.
        rng: the clip's own random numbers.
        size: width and height, if not the film's own.

    Yields:
        BGR pictures.
    """
    w, h = size or film.size
    scene, look = SCENES[kind](rng, w * SUPERSAMPLE, h * SUPERSAMPLE), Look(film, (w, h))
    for t in times:
        yield look.apply(scene(float(t)), rng)
