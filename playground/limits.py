"""Checks that Discord makes and simcord does not: empty parts of embeds, nameless buttons, too many choices.

https://discord.com/developers/docs/resources/message#embed-object-embed-limits. Commands are checked by discord.py.
"""

from typing import Any

from simcord.backend import errors
from simcord.components import walk_components
from simcord.enums import ComponentType

_MAX_CHOICES = 25
_MAX_NAME = 100


def settle_ids(body: Any) -> None:
    """Turn the ids of menus' default values into strings, as Discord does: JavaScript would round numbers."""
    fields = body.get("data") or body if isinstance(body, dict) else {}
    for component in walk_components(fields.get("components") or [] if isinstance(fields, dict) else []):
        for value in component.get("default_values") or []:
            value["id"] = str(value["id"])


def check_choices(choices: list[dict[str, Any]]) -> None:
    """Check what the bot offers for an option. Raises BackendError 50035, which names the field."""
    if len(choices) > _MAX_CHOICES:
        raise errors.invalid_form_body(f"data.choices: Must be {_MAX_CHOICES} or fewer in length.")
    for choice in choices:
        _check_length(choice.get("name"), 1, "data.choices.name")
        if isinstance(choice.get("value"), str):
            _check_length(choice["value"], 0, "data.choices.value")


def check_message(embeds: list[dict[str, Any]], components: list[dict[str, Any]]) -> None:
    """Check the parts of a message. Raises BackendError 50035, which names the field that Discord would refuse."""
    for index, embed in enumerate(embeds):
        for number, field in enumerate(embed.get("fields") or []):
            for key in ("name", "value"):
                if not str(field.get(key) or "").strip():
                    raise errors.invalid_form_body(f"embeds[{index}].fields[{number}].{key}: This field is required")
        for key, part in (("footer", "text"), ("author", "name")):
            if embed.get(key) is not None and not str(embed[key].get(part) or "").strip():
                raise errors.invalid_form_body(f"embeds[{index}].{key}.{part}: This field is required")
        for slot in ("image", "thumbnail"):
            url = (embed.get(slot) or {}).get("url")
            if url is not None and not str(url).startswith(("http://", "https://", "attachment://")):
                raise errors.invalid_form_body(f"embeds[{index}].{slot}.url: Not a well formed URL.")
    for component in walk_components(components):
        named = component.get("label") or component.get("emoji")
        if component.get("type") == ComponentType.BUTTON and component.get("style") != 6 and not named:
            raise errors.invalid_form_body("components: A button needs a label or an emoji")


def _check_length(text: Any, low: int, where: str) -> None:
    if not isinstance(text, str) or not low <= len(text) <= _MAX_NAME:
        raise errors.invalid_form_body(f"{where}: Must be between {low} and {_MAX_NAME} in length.")
