"""Looking at models, choosing, sharing, renaming and deleting them, and taking them elsewhere as files."""

import time
from typing import Any

import pytest

from galvanic.errors import UserError
from tests.driver.client import pictures_of, text_of
from tests.e2e.acts import (
    ask,
    exported,
    labels,
    press,
    restart_bot,
    user,
)
from tests.e2e.system import ANSWER_S, System, field_of

pytestmark = [pytest.mark.whole, pytest.mark.usefixtures("without_models")]


def names_offered(system: System, command: str, option: str, typed: str, **where: Any) -> list[str]:
    return [choice["name"] for choice in system.client.autocomplete(command, option, typed, **where)]


# ---------------------------------------------------------------------- looking


def test_the_list_is_paged_and_its_buttons_work_after_a_restart(system: System) -> None:
    for number in range(10):
        system.add_model(f"many-{number}", current=number == 0, created_at=time.time() - 100 + number)
    page = system.ask("!models")
    text = text_of(page)
    assert "many-9" in text
    assert "many-1`" not in text
    assert "bits per character" in text
    assert "page 1 of 2" in text
    assert labels(page) == ["Previous", "Next"]
    with pytest.raises(UserError, match="switched off"):
        system.client.click_label(page, "Previous")

    restart_bot(system)
    system.add_model("late", current=False)  # the list is read anew
    system.client.click_label(page, "Next", person="ben")
    second = system.wait_for_card(page, "page 2 of 2")
    assert "▶️ **`many-0`**" in text_of(second)
    assert "many-2" in text_of(second)
    system.client.click_label(second, "Previous", person="dora")
    assert "`late`" in text_of(system.wait_for_card(page, "page 1 of 2"))


def test_a_models_card_has_a_picture_and_what_can_be_done(system: System) -> None:
    system.add_model("portrait")
    for typed in ("!model", "!model info portrait"):
        card = system.ask(typed)
        assert "This channel's model" in text_of(card)
        assert "bits per character" in field_of(card, "Unseen text")
        assert "LSTM layer" in field_of(card, "Network")
        assert field_of(card, "Can be used") == "in the whole server"
        (picture,) = pictures_of(card)
        assert system.client.fetch(picture).startswith(b"\x89PNG")
        assert labels(card) == ["Generate", "Use here", "Export", "Delete…"]


# ---------------------------------------------------------------------- choosing


def test_a_model_is_chosen_by_command_and_by_button(system: System) -> None:
    system.add_model("first")
    system.add_model("second", current=False)
    assert "`second` is now this channel's model" in ask(system, "!model use second")
    card = system.ask("!model info first")
    press(system, card, "Use here", "made `first` this channel's model", person="dora")
    assert "▶️ **`first`**" in ask(system, "!models")
    system.client.slash("model use", {"name": "second"})
    system.client.wait_for(lambda: "▶️ **`second`**" in ask(system, "!models"), ANSWER_S, "the slash command")


def test_the_channels_temperature_is_what_texts_are_written_at(system: System) -> None:
    system.add_model("warm")
    assert "at each model's own temperature, the default" in ask(system, "!model temperature")
    assert "at temperature 0.3" in ask(system, "!model temperature 0,3")
    assert "temperature 0.3" in ask(system, "!generate the tide --length 10")
    assert "at each model's own temperature, the default" in ask(system, "!model temperature", channel="library")
    for wrong in ("3", "nan", "-1", "hot"):
        said = ask(system, f"!model temperature {wrong}")
        assert f"`{wrong}` isn't a valid temperature" in said
        assert "from 0 to 2" in said
    assert "at temperature 0.3" in ask(system, "!model temperature")
    assert "the default" in ask(system, "!model temperature default")
    assert "temperature 0.8" in ask(system, "!generate the tide --length 10")


# ---------------------------------------------------------------------- channels


def test_a_model_of_another_channel_does_not_exist(system: System) -> None:
    system.add_model("secret", scope="channel", current=False)
    for typed in (
        "!model info secret",
        "!model use secret",
        "!model rename secret open",
        "!model delete secret",
        "!model share secret #library",
        "!model unshare secret",
        "!model export secret",
    ):
        assert "No model called `secret` can be used in this channel" in ask(system, typed, channel="library"), typed
    assert "secret" not in ask(system, "!models", channel="library")
    for command in ("info", "use", "delete", "export", "share", "unshare"):
        assert names_offered(system, f"model {command}", "name", "sec", channel="library") == []
        assert names_offered(system, f"model {command}", "name", "sec") == ["secret"]


def test_sharing_with_a_channel_and_taking_it_back(system: System) -> None:
    system.add_model("diary", scope="channel", owner_id=user(system, "ben"), current=False)
    said = ask(system, "!model share diary #library", person="ben")
    assert "its texts may quote the uploaded text" in said
    assert "!model unshare diary" in said
    assert "diary" in ask(system, "!model use diary", channel="library")
    assert ask(system, "!generate the tide --length 10", channel="library").startswith("**the tide**")
    card = system.ask("!model info diary", channel="library")

    assert "can be exported only there" in ask(system, "!model export diary", channel="library", person="ben")
    press(system, card, "Export", "❌", "can be exported only there", person="ben", channel="library")

    assert "no longer shared" in ask(system, "!model unshare diary")
    assert "I have not learned a text here yet" in ask(system, "!generate the tide", channel="library")
    press(system, card, "Use here", "can no longer be used in this channel", channel="library")
    press(system, card, "Export", "can no longer be used in this channel", channel="library")
    press(system, card, "Delete…", "can no longer be used in this channel", channel="library")


def test_going_on_from_a_shared_model_unlocks_neither_its_file_nor_its_sharing(system: System) -> None:
    """Ben was lent Ada's model in #library: what he makes of it is his, but the text in it is #lab's."""
    channels = {name: int(number) for name, number in system.client.world().channels.items()}
    lent: dict[str, Any] = {
        "scope": "channel",
        "channel_id": channels["library"],
        "owner_id": user(system, "ben"),
        "current": False,
    }
    system.add_model("child", sources=(channels["lab"],), **lent)
    system.add_model("mixed", sources=(channels["lab"], channels["library"]), **lent)
    system.add_model("own", sources=(channels["library"],), **lent)
    there = {"person": "ben", "channel": "library"}
    said = ask(system, "!model export child", **there)
    assert "can be exported only there" in said
    assert f"can be exported in <#{channels['lab']}>" in said
    assert "of several channels" in ask(system, "!model export mixed", **there)
    assert "isn't yours to share" in ask(system, "!model share child server", **there)
    assert "isn't yours to share" in ask(system, "!model share mixed #lab", **there)
    assert "can now be used" in ask(system, "!model share child #lab", channel="library")  # Ada runs the server
    assert exported(system, "own", **there)
    assert "can now be used" in ask(system, "!model share own #lab", **there)


def test_sharing_with_the_whole_server(system: System) -> None:
    system.add_model("novel", scope="channel", current=False)
    assert "in the whole server" in ask(system, "!model share novel server")
    assert "novel" in ask(system, "!models", channel="library")
    assert "already" in ask(system, "!model share novel #library")
    assert "no longer shared" in ask(system, "!model unshare novel")
    assert "novel" not in ask(system, "!models", channel="library")
    assert "is not shared" in ask(system, "!model unshare novel")


def test_what_cannot_be_shared(system: System) -> None:
    system.add_model("public", current=False)
    system.add_model("hers", scope="channel", current=False)
    assert "the whole server can already use it" in ask(system, "!model share public #library")
    assert "is not shared" in ask(system, "!model unshare public")
    assert "that both of us can see" in ask(system, "!model share hers #nowhere")
    assert "can already be used in" in ask(system, "!model share hers lab")
    assert "isn't your model" in ask(system, "!model share hers #library", person="ben")
    assert "isn't your model" in ask(system, "!model unshare hers", person="ben")
    doras = user(system, "dora")
    system.add_model("doras", scope="channel", owner_id=doras, current=False)
    assert "that both of us can see" in ask(system, "!model share doras #cellar", person="dora")
    assert names_offered(system, "model share", "where", "cel", person="dora") == []
    system.client.deny_bot("view_channel", channel="library")
    try:
        assert "that both of us can see" in ask(system, "!model share hers #library")
        assert names_offered(system, "model share", "where", "li") == []
    finally:
        system.client.deny_bot(channel="library")
    assert names_offered(system, "model share", "where", "li") == ["#library"]
    assert names_offered(system, "model share", "where", "se") == ["server"]


# ---------------------------------------------------------------------- names


def test_renaming(system: System) -> None:
    system.add_model("old", owner_id=user(system, "ben"))
    system.add_model("taken", current=False)
    card = system.ask("!model info old")
    assert "The name `taken` is already taken" in ask(system, "!model rename old taken")
    assert "already has this name" in ask(system, "!model rename old OLD")
    for wrong in ("../x", "-a", "näme", "x" * 33):
        assert "isn't a valid model name" in ask(system, f"!model rename old {wrong}")
    assert "isn't your model" in ask(system, "!model rename taken mine", person="ben")
    assert "`old` is now called `new`" in ask(system, "!model rename old New", person="ben")
    # Whatever knew it by its id goes on with it.
    assert ask(system, "!generate the tide --length 10").startswith("**the tide**")
    press(system, card, "Use here", "made `new` this channel's model")
    assert "No model called `old`" in ask(system, "!model info old")
    assert "`new` is now called `newer`" in ask(system, "!model rename new newer")  # an admin


# ---------------------------------------------------------------------- deleting


def test_deleting_asks_first_and_only_the_asker_answers(system: System) -> None:
    model = system.add_model("doomed", owner_id=user(system, "ben"))
    folder = system.data / "models" / f"{model.model_id}.safetensors"
    assert "isn't your model" in ask(system, "!model delete doomed", person="cleo", channel="library")
    question = system.ask("!model delete doomed", person="ben")
    assert "Delete doomed?" in text_of(question)
    for person in ("ada", "dora"):
        press(system, question, "Delete it", "This question is for somebody else", person=person)
        press(system, question, "Keep it", "This question is for somebody else", person=person)
    system.client.click_label(question, "Keep it", person="ben")
    assert labels(system.wait_for_card(question, "nothing was deleted")) == []

    question = system.ask("!model delete doomed", person="ben")
    assert "is now called `spared`" in ask(system, "!model rename doomed spared")
    system.client.click_label(question, "Delete it", person="ben")
    ended = system.wait_for_card(question, "`spared` was deleted by")
    assert labels(ended) == []
    assert "I have not learned a text here yet" in ask(system, "!generate the tide")
    assert "There is no model here yet" in ask(system, "!models")
    system.client.wait_for(lambda: not folder.exists(), ANSWER_S, "the model's files to go")


def test_a_model_comes_back_from_its_file_and_writes_the_same(system: System) -> None:
    system.add_model("traveller", owner_id=user(system, "ben"))
    written = "!generate the tide --length 40 --random-seed 5 --model"
    before = system.ask(f"{written} traveller")["embeds"][0]["description"]
    data = exported(system, "traveller", person="ben")
    question = system.ask("!model delete traveller", person="ben")
    system.client.click_label(question, "Delete it", person="ben")
    system.wait_for_card(question, "was deleted by")

    card = system.ask("!model import", files={"traveller.safetensors": data}, person="ben")
    name = card["embeds"][0]["title"].removeprefix("Imported ")
    after = system.ask(f"{written} {name}")["embeds"][0]["description"]
    assert after == before
    assert "No model called" in ask(system, f"!model info {name}", channel="library")
    assert "who imported it" in ask(system, f"!model info {name}")


def test_a_model_goes_to_another_server_as_a_file(system: System) -> None:
    system.add_model("emigrant", scope="channel")
    assert "No model called `emigrant`" in ask(system, "!model info emigrant", channel="atrium")
    data = exported(system, "emigrant")
    said = ask(system, "!model import settler", files={"emigrant.safetensors": data}, person="cleo", channel="atrium")
    assert "Imported settler" in said
    assert "settler" in ask(system, "!model use settler", channel="atrium")
    assert ask(system, "!generate the tide --length 40", channel="atrium").startswith("**the tide**")
    assert "settler" not in ask(system, "!models")


def test_what_cannot_be_imported(system: System) -> None:
    assert "There is no file to import" in ask(system, "!model import")
    assert "isn't a valid model name" in ask(system, "!model import ../x", files={"x.safetensors": b"x"})
    system.add_model("honest")
    system.add_model("whale", file_bytes=1_999_999_999)
    said = ask(system, "!model import", files={"x.safetensors": exported(system, "honest")})
    assert "of 2,000 MB already" in said
    assert "`/model delete`" in said
