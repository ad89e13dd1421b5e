"""Registered encoders have whole cards, and a signature holds what determines results."""

from triptych.encoders import base, registry


def test_every_registered_encoder_has_a_whole_card():
    for name in registry.REGISTRY:
        kind = registry.find(name)
        assert kind.card.name == name and kind.card.modality in base.MODALITIES
        assert kind.card.arrays and kind.card.licence and kind.card.source and kind.card.revision
        assert isinstance(registry.create(name), base.Encoder)
        for param in kind.card.parameters.values():
            assert param.fault(param.default) is None and param.help


def test_signature_holds_what_determines_results():
    one = registry.signature({"use": "classic-audio"})
    assert one["params"]["window"] == 1.0 and one["version"] == registry.find("classic-audio").card.version
    assert one == registry.signature({"use": "classic-audio", "batch": 3, "params": {"hop": 0.5}, "text": ["title"]})
    assert one != registry.signature({"use": "classic-audio", "params": {"hop": 0.4}})
    text = registry.signature({"use": "minilm", "text": ["title", "transcript"]})
    assert text != registry.signature({"use": "minilm", "text": ["transcript", "title"]})
