"""What a server's admins set: kept, shown, refused, and in force at once."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from simcord.backend.models import Interaction, Message

import bot
from bot import responder
from bot.components import FORM_S, button, view
from bot.servers.settings import GuildSettings, GuildSettingsStore, checked_prefix
from galvanic.errors import UserError
from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.blocklist import Blocklist, default_entries
from shared.settings import Settings
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live, text_of

PANEL = "galvanic:settings:"


# ---------------------------------------------------------------------------- prefixes


@pytest.mark.parametrize("typed", ["!", "?", "$$", "g!", " ? ", ".", "gal-!", "»", "~"])
def test_prefixes_that_work(typed: str) -> None:
    assert checked_prefix(typed) == typed.strip()


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "can't be empty"),
        ("   ", "can't be empty"),
        ("\n\t", "can't be empty"),
        ("!!!!!!", "6 characters long"),
        ("/", "can't begin with `/`"),
        ("/!", "can't begin with `/`"),
        ("@", "can't begin with `@`"),
        ("@a!", "can't begin with `@`"),
        ("!@a!", "mention"),
        ("<@1>", "mention"),
        ("<#1>", "mention"),
        ("`", "backtick"),
        ("\\!", "backslash"),
        ("a !", "spaces"),
        ("!\u200b", "invisible characters"),
        ("hey", "ordinary words"),
        ("!5", "ordinary words"),
    ],
)
def test_prefixes_that_do_not(typed: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        checked_prefix(typed)
    assert "such as `?`" in caught.value.remedy


# ---------------------------------------------------------------------------- the panel


async def panel(live: Live) -> Message:
    live.send("!settings")
    return await live.until(lambda: live.showing("Settings of"), "the panel")


async def select(live: Live, shown: Message, field: str, *values: str, person: str = "ada") -> None:
    live.acts.select(USER_IDS[person], LAB, shown.id, PANEL + field, list(values))


async def form_of(live: Live, shown: Message, what: str, person: str = "ada") -> Interaction:
    return await live.form(live.acts.click(USER_IDS[person], LAB, shown.id, PANEL + what))


async def fill(live: Live, shown: Message, what: str, person: str = "ada", **values: str) -> None:
    """Open a form of the panel and send it."""
    opened = await form_of(live, shown, what, person)
    live.acts.submit_modal(USER_IDS[person], opened.id, values)


async def test_all_settings_stand_in_plain_words(live: Live) -> None:
    said = text_of(await panel(live))
    assert said.count("Everyone") == 2
    assert "In every channel" in said
    assert "2 per person, 4 in the whole server (the maximum)" in said
    assert "2,000 MB" in said
    assert "`!help`" in said


async def test_roles_are_chosen_and_left_again(live: Live) -> None:
    shown = await panel(live)
    await select(live, shown, "train_roles", "Writers", "Moderators")
    await live.until(lambda: "Members with <@&" in text_of(shown), "the roles")
    own = await live.core.servers.get(GUILD_ID)
    assert len(own.train_roles) == 2
    await select(live, shown, "train_roles", "Writers", "@everyone")
    await live.until(lambda: "Members with <@&" not in text_of(shown), "everyone")
    await select(live, shown, "generate_roles", "Readers")
    await live.until(lambda: "Members with <@&" in text_of(shown), "the readers")
    await select(live, shown, "generate_roles")
    await live.until(lambda: "Members with <@&" not in text_of(shown), "everyone again")
    assert await live.core.servers.get(GUILD_ID) == GuildSettings()


async def test_who_may_train_and_write_is_asked(live: Live) -> None:
    shown = await panel(live)
    await select(live, shown, "train_roles", "Moderators")
    await select(live, shown, "generate_roles", "Moderators")
    await live.until(lambda: text_of(shown).count("Members with <@&") == 2, "both")
    for typed, words in (("!train nosuchtext", "You can't train models"), ("!generate x", "You can't generate texts")):
        refused = await live.ask(typed, person="ben")
        assert words in refused
        assert "**Moderators**" in refused
        assert words not in await live.ask(typed, person="dora")
        assert words not in await live.ask(typed, person="ada")


async def test_another_channel_is_refused_and_does_not_fill_up(live: Live) -> None:
    live.patch.setattr(responder, "WRONG_PLACE_S", 1.0)  # people get ten
    shown = await panel(live)
    await select(live, shown, "channels", "library")
    await live.until(lambda: "Only in <#" in text_of(shown), "the channel")
    for typed in ("!models", "!train x", "!generate x", "!jobs", "!catalogue"):
        assert "I'm not allowed in this channel" in await live.ask(typed, person="ben")
        assert "not allowed" not in await live.ask(typed, person="ben", channel="library")
        assert "not allowed" not in await live.ask(typed, person="ada")
    for typed in ("!help", "!status", "!settings"):
        assert "not allowed" not in await live.ask(typed, person="ben")
    thread = live.world.create_thread(LAB, "a talk", BEN)
    assert "not allowed" in await live.ask("!models", person="ben", channel=thread.id)
    message = await live.bot.get_partial_messageable(LAB).send("a text", view=view(button("again", "g-1", label="x")))
    live.acts.click(BEN, LAB, message.id, "galvanic:again:g-1")
    await live.until(lambda: live.whispered("ben", "not allowed in this channel"), "the same of a button")
    await live.until(lambda: live.showing("I'm not allowed in this channel") is None, "the refusals to go")


async def test_a_new_prefix_is_in_force_at_once(live: Live) -> None:
    shown = await panel(live)
    await fill(live, shown, "prefix", prefix="?")
    told = await live.until(lambda: live.showing("My commands begin with `?` now"), "the new prefix")
    assert not told.is_ephemeral
    assert "`?`, as in `?help`" in text_of(shown)
    old = live.send("!help", channel="library")
    assert "`?train frankenstein`" in await live.ask("?help")
    assert "`?help` lists them all" in await live.ask("?frobnicate")
    assert "Usage: `?model use" in await live.ask("?model use")
    assert "`?train frankenstein`" in await live.ask("<@1297000000000000031> help")
    assert live.answer(old) is None
    live.acts.click(ADA, LAB, shown.id, PANEL + "reset")
    await live.until(lambda: "Reset all settings?" in text_of(shown), "the question")
    assert "limits, prefix and blocked words are the default ones" in text_of(shown)
    assert "Models" in text_of(shown)
    live.acts.click(ADA, LAB, shown.id, PANEL + "reset-all")
    await live.until(lambda: live.showing("My commands begin with `!` now"), "the usual prefix")
    assert await live.core.servers.get(GUILD_ID) == GuildSettings()


async def test_the_operators_prefix_may_be_one_that_admins_cannot_choose(live: Live) -> None:
    shown = await panel(live)
    await fill(live, shown, "prefix", prefix="?")
    await live.until(lambda: live.showing("My commands begin with `?` now"), "the new prefix")
    live.bot.settings.command_prefix = "hey"
    await fill(live, shown, "prefix", prefix="hey")
    await live.until(lambda: live.showing("My commands begin with `hey` now"), "the operator's prefix")


@pytest.mark.parametrize(
    ("what", "values", "problem"),
    [
        ("prefix", {"prefix": "hey"}, "ordinary words"),
        ("quotas", {"jobs_per_user": "3"}, "from 1 to 2"),
        ("quotas", {"jobs_per_user": "two"}, "can't be `two`"),
        ("quotas", {"jobs_per_server": "5"}, "from 1 to 4"),
        ("quotas", {"jobs_per_server": "1.5"}, "can't be `1.5`"),
        ("quotas", {"disk_mb": "2001"}, "from 1 to 2,000"),
        ("quotas", {"disk_mb": "nan"}, "can't be `nan`"),
        ("quotas", {"disk_mb": "1,5"}, "can't be `1,5`"),
        ("blocklist", {"blocklist": "a****b"}, "too many `*`"),
        ("blocklist", {"blocklist": "!!!"}, "has no letter"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    live: Live, what: str, values: dict[str, str], problem: str
) -> None:
    shown = await panel(live)
    await fill(live, shown, what, **values)
    await live.until(lambda: live.whispered("ada", problem), "the refusal")
    assert await live.core.servers.get(GUILD_ID) == GuildSettings()


@pytest.mark.parametrize("typed", ["1500", "1,500", "1.500"])
async def test_quotas_and_words_are_kept_and_shown_in_the_form_again(live: Live, typed: str) -> None:
    shown = await panel(live)
    await fill(live, shown, "quotas", jobs_per_user="1", jobs_per_server="3", disk_mb=typed)
    await live.until(lambda: "1 per person, 3 in the whole server (at most 2 and 4" in text_of(shown), "the quotas")
    assert "1,500 MB (at most 2,000 MB" in text_of(shown)
    await fill(live, shown, "blocklist", blocklist="Foo, bar\nfoo\nbaz*")
    await live.until(lambda: "3 entries" in text_of(shown), "the blocklist")
    own = await live.core.servers.get(GUILD_ID)
    assert own == GuildSettings(jobs_per_user=1, jobs_per_server=3, disk_mb=1500, blocklist=("foo", "bar", "baz*"))
    for what, words in (("quotas", "1500"), ("blocklist", "foo\\nbar\\nbaz*")):
        assert words in repr((await form_of(live, shown, what)).modal)


def blocked(shown: Message) -> str:
    return str(next(field["value"] for field in shown.embeds[0]["fields"] if field["name"] == "Blocked words"))


async def test_slurs_are_blocked_until_an_admin_says_otherwise(live: Live) -> None:
    shown, default = await panel(live), default_entries()
    assert f"The default list of {len(default)} entries" in text_of(shown)
    assert not Blocklist(default).hits(text_of(shown))
    assert "\\n".join(default) in repr((await form_of(live, shown, "blocklist")).modal)
    for typed, stored, words in (
        ("\n".join((*default[1:], "foo")), (*default[1:], "foo"), f"{len(default)} entries; the button"),
        ("", (), "None"),
        ("\n".join(default), None, "The default list"),
    ):
        await fill(live, shown, "blocklist", blocklist=typed)
        await live.until(lambda words=words: words in blocked(shown), "the blocklist")  # type: ignore[misc]
        again = GuildSettingsStore(live.bot.settings, live.bot.redis)
        assert (await again.get(GUILD_ID)).blocklist == stored, "another run of the bot reads the same"


async def test_of_two_admins_blocked_words_both_changes_are_kept(live: Live) -> None:
    await live.core.servers.change(GUILD_ID, blocklist=("foo", "bar"))
    shown = await panel(live)
    opened = await form_of(live, shown, "blocklist")
    await live.core.servers.change(GUILD_ID, blocklist=("bar", "dreadful phrase", "baz"))
    live.acts.submit_modal(USER_IDS["ada"], opened.id, {"blocklist": "foo\npizza\nbar"})
    await live.until(lambda: "2 entries" not in blocked(shown), "the blocklist")
    assert (await live.core.servers.get(GUILD_ID)).blocklist == ("pizza", "bar", "dreadful phrase", "baz")


async def test_only_admins_change_anything(live: Live) -> None:
    assert "Only members with Manage Server" in await live.ask("!settings", person="ben")
    shown = await panel(live)
    for field in ("train_roles", "generate_roles"):
        await select(live, shown, field, "Writers", person="ben")
    await select(live, shown, "channels", "library", person="ben")
    for what in ("quotas", "prefix", "blocklist", "reset", "reset-all", "show"):
        live.acts.use(BEN, shown, {"type": 2, "custom_id": PANEL + what})

    def refusals(words: str) -> int:
        seen = live.people.visible_messages(BEN, LAB)
        return sum(message.is_ephemeral and words in text_of(message) for message in seen)

    await live.until(lambda: refusals("Manage Server") == 7, "a refusal of each")
    await live.until(lambda: refusals("no longer works") == 2, "a refusal of those that are not on the panel")
    assert await live.core.servers.get(GUILD_ID) == GuildSettings()
    assert "Settings of" in text_of(shown)


def _with_control(live: Live, what: str) -> list[Message]:
    return [message for message in live.world.messages[LAB].values() if PANEL + what in str(message.components)]


@pytest.mark.parametrize("how", ["restart", "an hour"])
async def test_who_sends_a_form_that_was_opened_too_long_ago_is_told_so(live: Live, how: str) -> None:
    shown = await panel(live)
    opened = await form_of(live, shown, "prefix")
    known: Any = live.bot._connection._view_store._modals  # discord.py's, which knows it when Discord has answered
    (form,) = await live.until(lambda: list(known.values()), "the form to be known")
    assert form.timeout == FORM_S
    if how == "restart":
        live.bot._connection._view_store._modals.clear()
    else:
        form._dispatch_timeout()
    live.acts.submit_modal(ADA, opened.id, {"prefix": "?"})
    await live.until(lambda: live.whispered("ada", "This form no longer works"), "an answer")
    assert await live.core.servers.get(GUILD_ID) == GuildSettings()


async def test_unreadable_settings_can_be_reset_from_the_panel(live: Live) -> None:
    await live.bot.redis.set(keys.guild_settings(GUILD_ID), '{"channels": "none"}')
    live.core.servers._known.clear()
    assert "can't read this server's settings" in await live.ask("!models", person="ben")
    live.send("!settings")
    shown = await live.until(lambda: next(iter(_with_control(live, "reset")), None), "the reset button")
    live.acts.click(ADA, LAB, shown.id, PANEL + "reset")
    await live.until(lambda: "Reset all settings?" in text_of(shown), "the question")
    live.acts.click(ADA, LAB, shown.id, PANEL + "reset-all")
    await live.until(lambda: "Settings of" in text_of(shown), "the panel")


async def test_two_admins_at_once_lose_nothing(settings: Settings, client: redis.asyncio.Redis) -> None:
    guilds = GuildSettingsStore(settings, client)
    changes = [
        guilds.change(1, prefix="?"),
        guilds.change(1, train_roles=(7,)),
        guilds.change(1, channels=(8, 9)),
        guilds.change(1, blocklist=("foo",)),
        guilds.change(1, jobs_per_user=2),
    ]
    await asyncio.gather(*changes)
    wanted = GuildSettings(prefix="?", train_roles=(7,), channels=(8, 9), blocklist=("foo",), jobs_per_user=2)
    assert await guilds.get(1) == wanted
    assert await GuildSettingsStore(settings, client).get(1) == wanted, "another run of the bot reads the same"


async def test_a_slow_first_look_does_not_undo_a_change(
    settings: Settings, client: redis.asyncio.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    guilds, get = GuildSettingsStore(settings, client), client.get
    looked, changed = asyncio.Event(), asyncio.Event()

    async def slow(key: str) -> Any:
        monkeypatch.setattr(client, "get", get)
        data = await get(key)
        looked.set()
        await changed.wait()
        return data

    monkeypatch.setattr(client, "get", slow)
    first = asyncio.create_task(guilds.get(1))
    await looked.wait()
    await guilds.change(1, prefix="?")
    changed.set()
    assert (await first).prefix == "?"
    assert (await guilds.get(1)).prefix == "?"


async def test_a_slash_panel_is_seen_by_its_admin_alone(live: Live) -> None:
    live.slash("ada", "settings")
    shown = await live.until(lambda: live.whispered("ada", "Settings of"), "the panel")
    await select(live, shown, "generate_roles", "Readers")
    await live.until(lambda: "Members with <@&" in text_of(shown), "the readers")
    assert live.showing("Settings of") is None


async def test_who_lost_the_right_while_a_form_was_open_is_refused(live: Live) -> None:
    """The rights count at the moment of sending, not at that of opening."""
    guild = live.world.guilds[GUILD_ID]
    stewards = next(role for role in guild.roles.values() if role.name == "Stewards")
    live.world.add_member_role(GUILD_ID, BEN, stewards.id)
    shown = await panel(live)
    opened = await form_of(live, shown, "prefix", "ben")
    live.world.remove_member_role(GUILD_ID, BEN, stewards.id)
    live.acts.submit_modal(BEN, opened.id, {"prefix": "?"})
    await live.until(lambda: live.whispered("ben", "Manage Server"), "the refusal")
    assert await live.core.servers.get(GUILD_ID) == GuildSettings()


async def test_a_refused_form_opens_again_with_what_was_typed(live: Live) -> None:
    shown = await panel(live)
    opened = await form_of(live, shown, "prefix", "ada")
    live.acts.submit_modal(ADA, opened.id, {"prefix": "toolong"})
    refusal = await live.until(lambda: live.whispered("ada", "toolong"), "the refusal")
    (back,) = refusal.components[0]["components"]
    again = await live.form(live.acts.click(ADA, refusal.channel_id, refusal.id, back["custom_id"]))
    (label,) = again.modal["components"]  # type: ignore[index]
    assert label["component"]["value"] == "toolong"


def test_no_view_runs_out_but_the_way_back_to_a_form_that_does() -> None:
    held = {"components.py": ["timeout=FORM_S"]}
    for path in Path(bot.__file__).parent.rglob("*.py"):
        made = re.findall(r"ui\.View\((.*?)\)", path.read_text("utf-8"))
        assert set(made) <= {"timeout=None", *held.get(path.name, ())}, path.name
