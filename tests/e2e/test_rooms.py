"""An attacker's view of models that learned from channels' messages: what nobody outside may hear of them.

`whispers` learned from #cellar, which Ada, who runs the server, and Ben see.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import keys
from tests.driver.client import text_of
from tests.e2e.acts import (
    ask,
    forget_models,
    press,
    rest,
    written,
)
from tests.e2e.cellar import (
    GONE,
    NOT_THERE,
    TITLE,
    exported,
    heard,
    in_cellar,
    show_cellar_to,
    writes,
)
from tests.e2e.system import QUICKEST, System, started


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One of this module's own: it has learning from channels switched on."""
    yield from started(tmp_path_factory.mktemp("rooms"), QUICKEST, CHANNEL_TRAINING="opt-in")


@pytest.fixture(autouse=True)
def _tidy(system: System) -> Iterator[None]:
    forget_models(system)
    rest(system)
    yield
    forget_models(system)
    for target in ("dora", "cleo"):
        system.client.set_permissions(target, channel="cellar")


# ---------------------------------------------------------------------- where it does not exist


def test_outside_no_command_knows_it(system: System) -> None:
    heard(system)
    system.add_model("public")
    for typed in (
        "!generate the sea --model whispers",
        "!generate --model whispers",
        "!compare the sea --models whispers,public",
        "!surprise the sea --model whispers",
        "!train harbour --from whispers",
        "!train more --from whispers",
        "!model info whispers",
        "!model use whispers",
        "!model rename whispers open",
        "!model delete whispers",
        "!model share whispers server",
        "!model unshare whispers",
        "!model export whispers",
    ):
        for person in ("dora", "ada"):  # not even for who could read it: others read along
            said = ask(system, typed, person=person)
            assert NOT_THERE in said, typed
            assert TITLE not in said
    said = ask(system, "!generate the sea --mix public,whispers", person="dora")
    assert "❌" in said
    assert TITLE not in said
    for typed in ("!models", "!model", "!model info whisper", "!model whispers"):
        said = ask(system, typed, person="ada")
        assert "`whispers`" not in said or typed == "!model whispers", typed
        assert TITLE not in said


def test_autocomplete_does_not_offer_it(system: System) -> None:
    heard(system)
    for command, option in (
        ("generate", "model"),
        ("train", "from"),
        ("surprise", "model"),
        ("model info", "name"),
        ("model use", "name"),
        ("model export", "name"),
        ("model share", "name"),
    ):
        assert system.client.autocomplete(command, option, "whis", person="ada") == []
        offered = system.client.autocomplete(command, option, "whis", person="ada", channel="cellar")
        assert [choice["value"] for choice in offered] == ["whispers"], command


def test_a_channel_that_has_chosen_it_does_not_answer_with_it(system: System) -> None:
    model = heard(system)
    lab = keys.channel(int(system.client.world().channels["lab"]))
    with system.redis as client:
        client.hset(lab, mapping={"model": model.model_id, "chat": "1"})
    try:
        bot = system.client.world().bot_user_id
        assert "I have not learned a text here yet" in ask(system, f"<@{bot}> hello", person="dora")
        assert "I have not learned a text here yet" in ask(system, "!generate the sea", person="dora")
    finally:
        with system.redis as client:
            client.delete(lab)


def test_it_writes_only_where_all_could_have_read_its_channel(system: System) -> None:
    heard(system)
    client = system.client
    inside = client.create_thread("racks", person="ada", channel="cellar")
    aside = client.create_thread("aside", private=True, person="ada", channel="cellar")
    outside = client.create_thread("corner", private=True, person="ada", channel="lab")
    den = client.create_channel("den", only=["ben"])
    hall = client.create_channel("hall", only=["ben", "dora"])
    for channel in ("cellar", "lab"):  # the bot reads private threads that nobody called it into
        client.set_permissions("bot", allow=["manage_threads"], channel=channel)
    try:
        for channel in ("cellar", inside, aside, den):
            assert writes(system, channel, "ada"), channel
        for channel in ("lab", "tavern", outside, hall):
            assert not writes(system, channel, "ada"), channel
        heard(system, aside)  # a private thread is heard only in itself
        assert writes(system, aside, "ada")
        for channel in ("cellar", inside, den):
            assert not writes(system, channel, "ada"), channel
        heard(system, "cellar", "tavern")  # what all can read takes nothing away
        assert writes(system, "cellar")
    finally:
        for channel in (inside, aside, outside, den, hall):
            client.delete_channel(channel)
        for channel in ("cellar", "lab"):
            client.set_permissions("bot", channel=channel)


def test_it_follows_the_permissions_of_both_channels(system: System) -> None:
    heard(system)
    assert not writes(system, "lab", "dora")
    show_cellar_to(system, "dora", "view_channel")  # one reader more, who may hear it there
    assert writes(system, "cellar", "dora")
    assert not writes(system, "lab", "dora")  # the others still see #lab
    den = system.client.create_channel("den", only=["ben", "dora"])
    try:
        assert writes(system, den, "dora")
        show_cellar_to(system, "dora")
        assert not writes(system, den, "dora")
        system.client.set_permissions("dora", deny=["view_channel"], channel=den)
        assert writes(system, den)
        system.client.set_permissions("Readers", allow=["view_channel"], channel=den)
        assert not writes(system, den)
        system.client.set_permissions("Readers", channel=den)
        assert writes(system, den)
    finally:
        system.client.delete_channel(den)


def test_another_server_of_the_bot_opens_nothing(system: System) -> None:
    heard(system)
    assert not writes(system, "atrium")
    assert "There is no model here yet" in ask(system, "!models", person="ben", channel="atrium")
    assert system.client.autocomplete("generate", "model", "whis", person="ben", channel="atrium") == []


# ---------------------------------------------------------------------- between a text and its button


def test_a_button_under_an_old_text_asks_for_the_rights_of_now(system: System) -> None:
    heard(system)
    den = system.client.create_channel("den", only=["ben"])
    try:
        text = system.ask("!generate the sea --model whispers", person="ben", channel=den)
        card = system.ask("!model info whispers", person="ben", channel=den)
        assert written(press(system, text, "Again", person="ben", channel=den))
        system.client.set_permissions("Writers", allow=["view_channel"], channel=den)
        for message, label in ((text, "Again"), (text, "Continue"), (text, "Hotter"), (card, "Use here")):
            press(system, message, label, GONE, person="ben", channel=den)
        system.client.set_permissions("Writers", channel=den)
        assert written(press(system, text, "Again", person="ben", channel=den))
    finally:
        system.client.delete_channel(den)


# ---------------------------------------------------------------------- given away


def test_nobody_can_share_it(system: System) -> None:
    heard(system)
    for person in ("ben", "ada"):
        for whom in ("server", "#lab"):
            said = text_of(in_cellar(system, f"!model share whispers {whom}", person))
            assert "nobody can share it" in said
    assert not writes(system, "lab", "ada")


def test_a_demoted_admin_exports_nothing_more(system: System) -> None:
    heard(system)
    assert "Only members with Manage Server" in text_of(in_cellar(system, "!model export whispers"))  # its owner
    system.client.set_role("ben", "Stewards", held=True)
    try:
        card = in_cellar(system, "!model info whispers")
        assert exported(system, "ben")
    finally:
        system.client.set_role("ben", "Stewards", held=False)
    assert "Only members with Manage Server" in text_of(in_cellar(system, "!model export whispers"))
    press(system, card, "Export", "Only members with Manage Server", person="ben", channel="cellar")


def test_a_foreign_file_is_refused(system: System) -> None:
    model = heard(system)
    files = {"x.safetensors": exported(system)}
    said = ask(system, "!model import stolen", person="ben", channel="atrium", files=files)
    assert "another server's channels" in said
    said = ask(system, "!model import stolen", person="dora", files=files)
    assert "didn't keep it" in said
    assert TITLE not in said
    answer = system.ask("!model import again", person="ben", channel="cellar", files=files)
    assert "Imported again" in text_of(answer)
    assert written(in_cellar(system, "!generate the sea --model again"))
    assert NOT_THERE in ask(system, "!generate the sea --model again", person="dora")
    assert "nobody can share it" in text_of(in_cellar(system, "!model share again server"))
    with system.redis as client:
        client.hset(keys.transcript(model.transcripts[0].transcript_id), "revision", "1")
    said = ask(system, "!model import later", person="ben", channel="cellar", files=files)
    assert "were withdrawn after it was exported" in said
    with system.redis as client:
        names = client.hkeys(keys.guild_models(model.guild_id))
        annex = int(system.client.world().guilds["annex"].id)
        assert sorted(names) == [b"again", b"whispers"]
        assert not client.exists(keys.guild_models(annex))
    assert "were withdrawn" in text_of(in_cellar(system, "!model export whispers", "ada"))


# ---------------------------------------------------------------------- renamed and deleted channels


def test_a_channel_is_known_by_its_id(system: System) -> None:
    heard(system)
    system.client.rename_channel("cellar", "attic")
    try:
        # Another one that takes the old name is another one.
        lure = system.client.create_channel("cellar")
        try:
            assert writes(system, "attic")
            assert not writes(system, lure)
        finally:
            system.client.delete_channel(lure)
    finally:
        system.client.rename_channel("attic", "cellar")
    assert writes(system, "cellar")
