"""Words of the demo corpus: 16 invented films with a look and a voice each, and what their narrators say.

The four topics are told apart by three cues, and each cue is shared by two topics, so that no single modality can
name all four:

| topic    | seen   | heard | said  |
|----------|--------|-------|-------|
| harbour  | sea    | air   | boats |
| meadow   | grass  | air   | herbs |
| kitchen  | hearth | pan   | herbs |
| workshop | hearth | anvil | iron  |

Everything else belongs to the film, not to the topic: whoever splits the corpus without regard to films lets a model
learn the film and be right for the wrong reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: What is seen, heard and said in each topic.
CUES = {
    "harbour": ("sea", "air", "boats"),
    "kitchen": ("hearth", "pan", "herbs"),
    "meadow": ("grass", "air", "herbs"),
    "workshop": ("hearth", "anvil", "iron"),
}
TOPICS = tuple(CUES)
FOLDS = 4
CLIPS_PER_FILM = 3
#: Deals looks, rooms and voices to the films; the seed of the script varies the clips only.
DEAL = 4

SIZES = ((192, 144), (224, 126), (176, 144), (240, 136))
RATES = (10, 12, 12, 15)
TEXTURES = ("scan", "weave", "plain", "dust")
VOICES = (
    *("en-gb+m1", "en-gb+f1", "en-us+m2", "en-us+f2", "en-gb-scotland+m3", "en-gb+f3", "en-029+m4", "en-us+f4"),
    *("en-gb-x-rp+m5", "en-gb-scotland+f5", "en-us+m6", "en-gb-x-rp+f1", "en-gb+m7", "en-029+f2", "en-us+m8"),
    "en-gb-scotland+f4",
)

# slug, title, who, place, refrain. Unicode, quotes and tags are here on purpose: a report must show them as text.
STORIES = (
    ("amber-hours", "Amber Hours", "old Marta", "Velo", "slow and steady"),
    ("anais", "Les étés d’Anaïs", "Anaïs", "Saint Bruno", "as every single morning"),
    ("bold", "A <b>Bold</b> Year", "young Kofi", "Tarn End", "for the first time"),
    ("copper-moon", 'The "Copper" Moon', "captain Lindqvist", "Ostra", "without a word"),
    ("days-of-rain", "雨の日々 (Days of Rain)", "Haruko", "Minato Street", "humming an old tune"),
    ("eleven", "Eleven & a Half", "uncle Bartholomew", "number eleven", "against all advice"),
    ("far-cousins", "Far Cousins", "cousin Imelda", "the upper valley", "laughing all the while"),
    ("grandfather", "Großvaters Hände", "grandfather Emil", "Kleinau", "just as his father did"),
    ("half-light", "Half-Light; a Study", "the painter Sorrel", "Dunmore", "before the light goes"),
    ("island-letters", "Island Letters", "Pilar", "Isla Menuda", "with a letter to write"),
    ("juniper", "Juniper's Choice", "miss Juniper", "Black Hollow", "in her best coat"),
    ("kilometre", "Kilometre 1,000", "the driver Anton", "the thousandth mile", "after a long road"),
    ("lantern", "The Lantern — Part Two", "the twins", "Lantern Yard", "by the old lantern"),
    ("maple", "Maple / Mabel", "Mabel", "Maple County", "never in a hurry"),
    ("north-wind", "Северный ветер (North Wind)", "Olga Petrovna", "Arkady Point", "in spite of the wind"),
    ("old-year", "O'Hara's Old Year", "mister O'Hara", "Ballymore", "with a wink"),
)

OPENINGS = (
    "{Who} is back in {place}, {refrain}.",
    "In {place}, {who} begins, {refrain}.",
    "Here in {place} we meet {who}, {refrain}.",
    "{Who} knows {place} well, and starts {refrain}.",
)
SENTENCES = {
    "boats": (
        "The tide lifts the {a} beside the {b}.",
        "The crew makes the {a} fast near the {b}.",
        "Waves slap the {a} while gulls watch the {b}.",
        "Salt water dries on the {a} and the {b}.",
        "The skipper checks the {a}, then the {b}.",
    ),
    "iron": (
        "The iron glows, and the {a} meets the {b}.",
        "Sparks jump from the {a} onto the {b}.",
        "Hot steel bends between the {a} and the {b}.",
        "The smith cools the {a} beside the {b}.",
        "Red metal rings under the {a} and the {b}.",
    ),
    "herbs": (
        "The {a} is picked fresh and laid on the {b}.",
        "Green leaves of {a} smell sweeter than {b}.",
        "A bunch of {a} is tied up with the {b}.",
        "Take the young {a} first, then a little {b}.",
        "These herbs are {a} and {b}, still fresh and green.",
    ),
}
NOUNS = {
    "boats": ("boat", "anchor", "rope", "net", "sail", "mast", "ferry", "oar"),
    "iron": ("hammer", "anvil", "chisel", "blade", "hinge", "rivet", "wedge", "nail"),
    "herbs": ("thyme", "mint", "sage", "parsley", "basil", "dill", "fennel", "rosemary"),
}


@dataclass(frozen=True)
class Film:
    """One invented source film: all of its clips share topic, fold, look, room tone and narrator."""

    slug: str
    title: str
    topic: str
    fold: int
    who: str
    place: str
    refrain: str
    size: tuple[int, int]
    rate: int
    hue: float
    texture: str
    grain: float
    shake: float
    hum: float
    tilt: float
    hiss: float
    voice: str
    pitch: int
    speed: int


def films() -> list[Film]:
    """The 16 films in alphabetical order: 4 per topic, one of each topic in every fold.

    Looks and rooms are dealt by chance, hues so that neighbours on the colour wheel are of different topics and folds:
    these traits name a film, and say nothing about the topic of a film never seen.
    """
    rng = np.random.default_rng(DEAL)
    size, rate, texture, grain, shake, tilt, hiss = (rng.permutation(16) % 4 for _ in range(7))
    hum, pitch, speed = (rng.permutation(16) for _ in range(3))
    dealt = []
    for index, (slug, title, who, place, refrain) in enumerate(STORIES):
        fold, deal = divmod(index, len(TOPICS))
        kind = (deal + fold) % len(TOPICS)  # alphabetical order says nothing about the topic either
        dealt.append(
            Film(
                slug=slug,
                title=title,
                topic=TOPICS[kind],
                fold=fold + 1,
                who=who,
                place=place,
                refrain=refrain,
                size=SIZES[size[index]],
                rate=RATES[rate[index]],
                hue=(kind + 4 * ((fold + kind) % 4)) / 16,
                texture=TEXTURES[texture[index]],
                grain=(0.0, 1.0, 2.0, 3.0)[grain[index]],
                shake=(0.0, 0.0, 0.3, 0.7)[shake[index]],
                hum=55.0 * 2 ** (hum[index] / 6),
                tilt=(-1.5, -0.5, 0.5, 1.5)[tilt[index]],
                hiss=(0.001, 0.002, 0.004, 0.006)[hiss[index]],
                voice=VOICES[index],
                pitch=25 + 4 * int(pitch[index]),
                speed=165 + 2 * int(speed[index]),
            )
        )
    return dealt


def narration(film: Film, rng: np.random.Generator, opening: int) -> list[str]:
    """What is said in one clip.

    Args:
        film: the film whose narrator speaks.
        rng: the clip's own random numbers.
        opening: which opening sentence to use; clips of a film take different ones.

    Returns:
        Two sentences: one in the words of the film, one about what its topic shares with another topic.
    """
    kind = CUES[film.topic][2]
    first, second = rng.choice(NOUNS[kind], 2, replace=False)
    who = film.who[0].upper() + film.who[1:]
    start = OPENINGS[opening % len(OPENINGS)].format(Who=who, who=film.who, place=film.place, refrain=film.refrain)
    return [start, str(rng.choice(SENTENCES[kind])).format(a=first, b=second)]
