"""Every key of the configuration says what a later change of it does."""

import json

import pytest
from pydantic import Field

from config import reference
from config.effects import IN_PLACE, Effect
from config.fields import Model
from config.reference import REFERENCE_FILE, effects_of_keys


def test_every_key_has_an_effect() -> None:
    effects = effects_of_keys()
    assert effects["services.*.image"] is Effect.RESTARTS_PODS
    assert effects["regions.*.cluster"] is None, "a section without an effect of its own"


def test_a_key_without_an_effect_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Section(Model):
        right: bool = Field(default=True, json_schema_extra=IN_PLACE)
        wrong: bool = Field(default=True)

    schema = {"properties": {"network": Section.model_json_schema()}}
    monkeypatch.setattr(reference, "schema_text", lambda: json.dumps(schema))
    with pytest.raises(KeyError, match=r"network\.wrong: its field needs json_schema_extra"):
        effects_of_keys()


def test_the_reference_explains_every_effect() -> None:
    text = REFERENCE_FILE.read_text(encoding="utf-8")
    for effect in Effect:
        assert f"- *{effect}*: {effect.explanation}." in text
