"""Settings in their flat form and back."""

import json

import pytest

from harness.settings import Data, Settings, SpeakerFraction, Synthetic, Training

SETTINGS = [
    Settings("linear"),
    Settings("ffdnn", {"depth": 2, "widths": (64, 32)}, Data(context=(3, 5)), Training(epochs=3, schedule="step")),
    Settings("ladnn", {}, Data(synthetic=Synthetic(minutes=1.5, seed=2), validation=SpeakerFraction(0.25))),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.architecture)
def test_the_flat_form_leads_back_to_the_settings(settings):
    assert Settings.from_flat(settings.flat()) == settings
    assert Settings.from_flat(json.loads(json.dumps(settings.flat()))) == settings, "through JSON as well"


def test_what_is_left_out_is_at_its_default():
    settings = Settings.from_flat({"architecture": "ffdnn", "training.epochs": 2, "params.depth": 3})
    assert settings == Settings("ffdnn", {"depth": 3}, training=Training(epochs=2))


def test_tables_may_stand_as_they_are():
    table = SpeakerFraction(0.1)
    assert Settings.from_flat({"architecture": "x", "data.validation": table}).data.validation == table
