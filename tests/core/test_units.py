"""Shards: a video's shard depends on its slug and the number of shards alone."""

from hashlib import sha256

from triptych.core.units import by_shard, shard_of

SLUGS = [f"video{number}" for number in range(500)]


def test_shards_are_the_same_on_every_machine():
    # A change of these would compute every embedding of every user again.
    assert [shard_of(slug, 8) for slug in ("a", "b", "video1", "-x")] == ["2", "2", "1", "0"]
    assert shard_of("a", 100_000) == f"{int(sha256(b'a').hexdigest()[:16], 16) % 100_000:05d}"


def test_every_video_has_one_shard_and_order_does_not_matter():
    shards = by_shard(SLUGS, 7)
    assert sorted(slug for members in shards.values() for slug in members) == sorted(SLUGS)
    assert shards == by_shard(reversed(SLUGS), 7)
    assert all(members == sorted(members) for members in shards.values())


def test_shards_are_about_even():
    sizes = [len(members) for members in by_shard(SLUGS, 10).values()]
    assert min(sizes) > 25 and max(sizes) < 80


def test_names_have_one_width_and_empty_shards_none():
    assert {len(name) for name in by_shard(SLUGS, 100)} == {2}
    assert set(by_shard(SLUGS, 1)) == {"0"}
    assert len(by_shard(["a", "b"], 1000)) == 2 and by_shard([], 8) == {}


def test_a_new_video_moves_no_other():
    before = {slug: name for name, members in by_shard(SLUGS, 16).items() for slug in members}
    after = {slug: name for name, members in by_shard([*SLUGS, "new"], 16).items() for slug in members}
    assert all(after[slug] == name for slug, name in before.items())
