"""The page's own doings, with a small bot of the tests': no Redis and no worker are needed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.tab import Tab
from tests.driver.client import PlaygroundClient
from tests.playground.processes import Bot, Server, online, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaygroundClient]:
    folder = tmp_path_factory.mktemp("playground")
    with serving(folder) as server, online(server, folder) as client:
        yield client


@pytest.fixture
def page(browser: Browser, client: PlaygroundClient) -> Iterator[Tab]:
    tab = Tab.opened(browser, client.address)
    tab.wait_until_online()
    yield tab
    tab.tab.close()
    assert tab.problems == []


def test_first_look(page: Tab) -> None:
    expect(page.part("messages")).to_contain_text("type !help")
    expect(page.part("banner")).to_be_hidden()
    assert page.tab.title() == "#lab – Galvanic playground"


def test_a_reaction_is_added_and_taken_back(page: Tab) -> None:
    page.say("react to this")
    message = page.wait_for("react to this")
    message.hover()
    message.get_by_role("button", name="React with 🔥").click()
    reaction = message.get_by_test_id("reaction")
    expect(reaction).to_have_text("🔥 1")
    reaction.click()
    expect(reaction).to_have_count(0)


def test_every_control_is_reached_by_the_keyboard(page: Tab) -> None:
    page.say("!gallery")
    page.wait_for("Something of everything")
    page.say("||hidden||")
    shown = page.wait_for("hidden")
    controls = "button, a[href], input, select, textarea, summary, .spoiler, [data-jump]"
    controls = ", ".join(f"{one}:not(.tool[tabindex='-1'])" for one in controls.split(", "))
    script = f"""() => [...document.querySelectorAll({controls!r})].filter((one) =>
        !one.disabled && !one.closest("[hidden]") && one.type !== "file" && one.checkVisibility()).map((one, index) =>
        one.dataset.reached = String(index)).length"""
    count = page.tab.evaluate(script)
    page.tab.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(3 * count):
        page.tab.keyboard.press("Tab")
        reached.add(page.tab.evaluate("document.activeElement.dataset.reached ?? null"))
    assert reached - {None} == {str(index) for index in range(count)}
    shown.locator(".spoiler").focus()
    page.tab.keyboard.press("Space")
    expect(shown.locator(".spoiler")).to_have_class(re.compile("shown"))


def test_what_is_typed_while_the_page_loads_is_kept(browser: Browser, client: PlaygroundClient) -> None:
    page, held = Tab(browser.new_page()), list[Route]()
    page.tab.route("**/static/app.js", lambda route: held.append(route))
    page.tab.goto(client.address, wait_until="commit")
    expect(page.composer).to_be_focused()
    page.tab.keyboard.type("!ping")
    page.tab.keyboard.press("Enter")
    held[0].continue_()
    page.wait_until_online()
    expect(page.composer).to_have_value(re.compile("!ping"))
    page.tab.keyboard.press("Enter")
    page.wait_for("pong")
    page.tab.close()


def test_every_link_and_button_has_a_name(page: Tab) -> None:
    page.card()
    page.say("!gallery")
    page.wait_for("Something of everything")
    nameless = page.tab.get_by_role("link", name=re.compile("^$")).or_(
        page.tab.get_by_role("button", name=re.compile("^$"))
    )
    expect(nameless).to_have_count(0)


def test_card_is_edited_in_place(page: Tab, client: PlaygroundClient) -> None:
    card = page.card()
    expect(card).to_contain_text("(edited)")
    expect(card.locator(".embed-image img")).to_have_js_property("complete", True)
    # A button that keeps the focus was not drawn anew by the edits.
    button = card.get_by_test_id("button").first
    button.focus()
    page.press(card, "Press")
    expect(card).to_contain_text("pressed by Ada")
    expect(button).to_be_focused()


def test_form_and_menu(page: Tab) -> None:
    card = page.card()
    page.press(card, "Form")
    form = page.part("modal")
    form.get_by_label("A word").fill("galvanism")
    form.get_by_role("button", name="Submit").click()
    page.wait_for("wrote galvanism")
    expect(form).to_be_hidden()
    card.get_by_test_id("select").select_option("Blue")
    expect(page.wait_for("chose Blue")).to_contain_text("Only you can see this")


def test_slash_command_with_a_file(page: Tab) -> None:
    page.call("learn", {"name": "frank", "length": "2"}, files={"file": ("book.txt", b"hello")})
    expect(page.wait_for("frank book.txt 5 2").locator(".lead")).to_have_text(re.compile(r"Ada\s*used\s*/learn"))


def test_slash_commands_are_suggested_and_completed(page: Tab) -> None:
    page.composer.press_sequentially("/pi")
    suggestions = page.part("suggestion")
    expect(suggestions).to_have_count(1)
    suggestions.first.click()
    field = page.part("option-book")
    field.press_sequentially("fr")
    expect(suggestions).to_have_text(["Frankenstein"])
    field.press("Enter")
    expect(field).to_have_value("frankenstein")
    field.press("Enter")
    page.wait_for(re.compile(r"used\s*/pick[\s\S]*frankenstein"))


def test_hostile_text_stays_text(page: Tab, client: PlaygroundClient) -> None:
    hostile = "<img src=x onerror=\"document.title='owned'\"> ||<b>s</b>|| [x](javascript:alert(1)) **bold**"
    client.send(hostile, person="ben", files={"<img src=x onerror=alert(1)>.txt": b""})
    message = page.wait_for("onerror")
    expect(message.locator("strong")).to_have_text("bold")
    expect(message.locator(".content img, .content b, .content a")).to_have_count(0)
    spoiler = message.locator(".spoiler")
    expect(spoiler).not_to_have_class(re.compile("shown"))
    spoiler.click()
    expect(spoiler).to_have_class(re.compile("shown"))
    assert "owned" not in page.tab.title()


def test_each_person_sees_their_own(page: Tab) -> None:
    page.be("Ben")
    page.call("whisper", {})
    page.wait_for("for you alone")
    page.be("Cleo")
    expect(page.messages.first).to_be_visible()
    expect(page.messages.filter(has_text="for you alone")).to_have_count(0)
    expect(page.composer).to_be_disabled()
    page.go("library")
    expect(page.composer).to_be_enabled()
    page.say("!ping")
    page.wait_for("pong")


def test_bot_and_playground_come_and_go(browser: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    page = Tab.opened(browser, server.client.address)
    try:
        expect(page.status).to_have_text("Bot offline")
        expect(page.part("banner")).to_contain_text("offline")
        bot = Bot(server.url, tmp_path / "log")
        try:
            page.wait_until_online()
            card = page.card()
        finally:
            bot.kill()
        expect(page.status).to_have_text("Bot offline")
        page.press(card, "Press")
        expect(card.get_by_test_id("notice")).to_contain_text("This interaction failed")
        page.call("whisper", {})
        expect(page.part("unanswered")).to_contain_text("did not respond")
    finally:
        server.stop()
    expect(page.status).to_have_text("Playground stopped")
    port = server.url.rsplit(":", 1)[1]
    again = Server(tmp_path / "data", port)
    try:
        expect(page.part("banner")).to_contain_text("Open the address that it printed")
        expect(page.status).to_have_text("Playground restarted")
        page.tab.context.request.get(again.client.address)  # as another tab does
        expect(page.status).to_have_text("Bot offline")
        expect(page.messages).to_have_count(0)
    finally:
        again.stop()
        page.tab.close()


def test_direct_messages(page: Tab) -> None:
    page.say("!tell psst")
    page.wait_for("told")
    direct = page.channel("dm")
    expect(direct).to_have_class(re.compile("unread"))
    direct.click()
    expect(page.part("channel-name")).to_have_text("@ Galvanic")
    page.wait_for("psst")
    page.say("!where")
    page.wait_for("in private with ada")
    page.be("Ben")
    page.channel("dm").click()
    expect(page.part("channel-name")).to_have_text("@ Galvanic")
    expect(page.messages).to_have_count(0)


def test_reply_and_mention(page: Tab, client: PlaygroundClient) -> None:
    said = client.send("a question for @ada", person="ben")
    message = page.tab.locator(f'[data-id="{said["id"]}"]')
    message.hover()
    message.get_by_label("Reply").click()
    expect(page.part("replying")).to_contain_text("Replying to Ben")
    page.say("an answer")
    expect(page.wait_for("an answer").locator(".lead")).to_contain_text("a question for")
    expect(page.part("replying")).to_be_hidden()
    client.send(f"<@{client.world().users['ada']}>, look here", person="ben")
    expect(page.wait_for("look here")).to_have_class(re.compile("pinged"))
    expect(page.wait_for("a question for")).not_to_have_class(re.compile("pinged"))


def test_tavern_shows_the_end_of_its_past(page: Tab) -> None:
    page.go("tavern")
    expect(page.messages).to_have_count(200)
    expect(page.messages.last).to_be_in_viewport()
    page.messages.first.scroll_into_view_if_needed()
    expect(page.messages.last).not_to_be_in_viewport()
