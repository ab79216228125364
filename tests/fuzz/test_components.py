"""Whatever comes in as a press, a choice or a form: each is answered, and none does what its person may not do.

A press is forged where Discord's own client could not send it: its id stands on a message of the bot's all the same, as
one of an older version might.
"""

from __future__ import annotations

import re
from typing import Any

import discord
from hypothesis import strategies as st

from bot import components
from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from tests.fuzz import words
from tests.fuzz.author import JOBS
from tests.fuzz.hand import Hand, both_tests, modal

ACTIONS = {
    **dict.fromkeys(
        ("again", "continue", "hotter", "cooler", "compared", "delete-text", "cancel", "finish", "samples"),
        components.JOB,
    ),
    **dict.fromkeys(("write", "use", "export", "delete", "more", "update"), components.MODEL),
    "delete-now": f"{components.MODEL}:{components.USER}",
    **dict.fromkeys(("delete-not", "privacy-not"), components.USER),
    **dict.fromkeys(("optin", "forget-me"), f"{components.GUILD}:{components.USER}"),
    **dict.fromkeys(("help", "help-more", "taste"), ""),
    **dict.fromkeys((f"settings:{name}" for name in ("train_roles", "generate_roles", "channels", "show")), ""),
    **dict.fromkeys(
        (f"settings:{name}" for name in ("prefix", "quotas", "blocklist", "speaking", "reset", "reset-all")), ""
    ),
    "name": rf"(?P<said>yes|no):{components.USER}:(?P<call>[a-z0-9][a-z0-9_-]{{0,19}}):(?P<terms>[0-9a-f]{{8}})",
    "guess": rf"{components.JOB}:(?P<letter>[0-3])",
    "models": r"(?P<channel>\d{1,20}):(?P<page>\d{1,4}):[<>]",
}
TEMPLATES = [re.compile(f"galvanic:{action}:{arguments}".removesuffix(":")) for action, arguments in ACTIONS.items()]
BUTTON, MENU, ROLES, CHANNELS = 2, 3, 6, 8
KNOWN = {
    "job": (*JOBS, "t-0", "-"),
    "model": ("m1", "m2", "M1"),
    "user": (str(USER_IDS["ada"]), str(USER_IDS["ben"]), "0"),
    "guild": (str(GUILD_ID), "0", "1"),
    "channel": (str(CHANNEL_IDS["lab"]), "0"),
    "letter": ("0", "3"),
    "said": ("yes", "no"),
    "call": ("mary", "nobody"),
    "terms": ("0" * 8,),
    "page": ("0", "1", "9999"),
}
FORMS = ("galvanic:write:m1", "galvanic:settings:prefix", "galvanic:settings:quotas", "galvanic:settings:blocklist")
FIELDS = ("words", "temperature", "prefix", "jobs_per_user", "jobs_per_server", "disk_mb", "blocklist", "unknown")
PEOPLE, PLACES = ("ada", "ben", "cleo"), ("lab", "dm")


def kind_of(custom_id: str) -> int:
    """The kind of control that an id belongs to."""
    fixed = {"galvanic:settings:channels": CHANNELS, "galvanic:help": MENU}
    if custom_id.startswith("galvanic:compared:"):
        return MENU
    return ROLES if custom_id.endswith("_roles") else fixed.get(custom_id, BUTTON)


@st.composite
def ids(draw: Any) -> str:
    """An id as a template takes it, often about something that is there; or one that is a little beside it."""
    template = draw(st.sampled_from(TEMPLATES))
    made: str = draw(st.from_regex(template, fullmatch=True))
    found = template.fullmatch(made)
    assert found is not None
    for group in sorted(found.groupdict(), key=found.start, reverse=True):
        if group in KNOWN and draw(st.integers(0, 3)):
            made = made[: found.start(group)] + draw(st.sampled_from(KNOWN[group])) + made[found.end(group) :]
    if not draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(made)))
        made = made[:at] + draw(words.bits) + made[at + draw(st.integers(0, 3)) :]
    return made[:100]


presses = st.fixed_dictionaries(
    {
        "custom_id": ids(),
        "values": st.lists(st.sampled_from(("0", "1", "-1", "99", "train", "*")) | words.text(2), max_size=3),
        "person": st.sampled_from(PEOPLE),
        "where": st.sampled_from((*PLACES[:1] * 3, *PLACES)),
        "old": st.booleans(),
    }
)
forms = st.fixed_dictionaries(
    {
        "form": st.sampled_from(FORMS),
        "fields": st.dictionaries(
            st.sampled_from(FIELDS), words.text() | st.sampled_from(words.NUMBERS), min_size=1, max_size=8
        ),
    }
)
cases = st.one_of(presses, presses, forms)


async def carry_out(hand: Hand, case: dict[str, Any]) -> None:
    """Press it, or fill it in, and judge the answer."""
    hand.forget()
    if "form" in case:
        message = carrying(hand, case["form"], "lab", old=False)
        opened = await hand.press(message, {"custom_id": case["form"], "component_type": BUTTON})
        assert opened.modal is not None, "no form was shown"
        data = modal(opened.modal["custom_id"], {**dict.fromkeys(_fields(opened.modal), ""), **case["fields"]})
        await hand.press(message, data)
        hand.judge(*case["fields"].values())
        return
    custom_id, kind = case["custom_id"], kind_of(case["custom_id"])
    message = carrying(hand, custom_id, case["where"], case["person"], old=case["old"])
    data = {"custom_id": custom_id, "component_type": kind}
    if kind != BUTTON:
        data["values"] = case["values"] if kind == MENU else []
    if kind in (ROLES, CHANNELS):
        data["resolved"] = {}
    await hand.press(message, data, person=case["person"])
    hand.judge()
    if case["person"] != "ada":  # whose the server, the model and the training are
        assert hand.author.untouched()


def carrying(hand: Hand, custom_id: str, where: str, person: str = "ada", *, old: bool) -> Any:
    """A message of the bot's with a control of this id; an `old` one is from years ago."""
    kind = kind_of(custom_id)
    control: dict[str, Any] = {"type": kind, "custom_id": custom_id, "label": "x", "style": 1}
    if kind != BUTTON:
        control = {"type": kind, "custom_id": custom_id}
        if kind == MENU:
            control["options"] = [{"label": "x", "value": "0"}]
    channel = hand.live.dm(person) if where == "dm" else CHANNEL_IDS["lab"]
    rows = [{"type": 1, "components": [control]}]
    message = hand.live.world.create_message(channel, BOT_ID, "pressed", components=rows)
    if old:
        messages = hand.live.world.messages[channel]
        del messages[message.id]
        message.id = discord.utils.time_snowflake(discord.utils.utcnow().replace(year=2025))
        messages[message.id] = message
    return message


def _fields(shown: dict[str, Any]) -> list[str]:
    """The ids of a form's fields."""
    return re.findall(r"'custom_id': '(\w+)'", str(shown["components"]))


test_saved_components, test_any_component = both_tests("components", cases, carry_out)


async def test_every_action_is_known(hand: Hand) -> None:
    actions = hand.live.bot.components.actions
    assert ACTIONS.items() >= {name: action.arguments for name, action in actions.items()}.items()
