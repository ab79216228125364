"""Makes the pictures of the documentation from the running product: `make pictures`.

Starts everything as `make run` does, lets it learn Frankenstein (from `CORPORA_DIR`, else from the catalogue), types
what a person would, and keeps the cards as PNG files in docs/images. Needs Chromium and a font with emoji (Debian:
chromium, fonts-noto-color-emoji).
"""

import argparse
import io
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from shared.settings import Settings
from tests.browser.conftest import FLAGS
from tests.browser.tab import Tab
from tests.driver.client import Message, components, text_of
from tests.e2e.acts import restart_bot, slash
from tests.e2e.system import System

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
WIDE, TALL = {"width": 1100, "height": 900}, {"width": 1100, "height": 2_000}
"""Sizes of the window: for the whole page, and for cards, which must not be cut off."""
SMALL = {"width": 800, "height": 640}
"""Size of the film of the README."""
ARCHIVE, ARCHIVE_MESSAGES = "archive", 60_000
"""A channel that takes some seconds to read."""
SEED = "It was a dreary night of November, and"


class Film:
    """Pictures of a tab one after the other, which become an animated GIF."""

    def __init__(self, tab: Page) -> None:
        self._tab = tab
        self._frames: list[tuple[bytes, int]] = []

    def shoot(self, milliseconds: int) -> None:
        """Add a picture that is shown for a time."""
        self._frames.append((self._tab.screenshot(), milliseconds))

    def type(self, text: str) -> None:
        """Type a message as a person does, and send it."""
        page = Tab(self._tab)
        for begin in range(0, len(text), 3):
            page.composer.press_sequentially(text[begin : begin + 3])
            self.shoot(90)
        page.composer.press("Escape")
        self.shoot(300)
        page.composer.press("Enter")

    def watch(self, over: Callable[[], bool], *, pictures: int, milliseconds: int) -> None:
        """Take a picture each second until something is over, and keep some of those that differ."""
        taken = [self._tab.screenshot()]
        while not over():
            self._tab.wait_for_timeout(1_000)
            taken.append(self._tab.screenshot())
        changes = [picture for before, picture in zip([b"", *taken], taken, strict=False) if picture != before]
        step = max(1.0, len(changes) / pictures)
        chosen = [changes[int(number * step)] for number in range(min(pictures, len(changes)))]
        self._frames += [(picture, milliseconds) for picture in chosen]

    def save(self, path: Path) -> None:
        """Write all pictures with one palette, undithered, so that letters stay crisp."""
        images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture, _ in self._frames]
        width, height = images[0].size
        samples = images[:: max(1, len(images) // 8)]
        together = Image.new("RGB", (width, height * len(samples)))
        for number, image in enumerate(samples):
            together.paste(image, (0, number * height))
        palette = together.quantize(256, Image.Quantize.MEDIANCUT)
        first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
        times = [milliseconds for _, milliseconds in self._frames]
        first.save(path, save_all=True, append_images=others, duration=times, loop=0, optimize=True)


class Photographer:
    """Types, waits, and keeps what is to be seen."""

    def __init__(self, system: System, page: Page, out: Path) -> None:
        self.system = system
        self.page = Tab(page, out)
        self._tab = page
        self.out = out

    def card(self, message: Message) -> Locator:
        """A message on the page."""
        return self._tab.locator(f'[data-testid="message"][data-id="{message["id"]}"]')

    def keep(self, name: str, message: Message, *, picture: bool = False) -> None:
        """Keep a message's picture."""
        self._tab.set_viewport_size(TALL)  # type: ignore[arg-type]
        card = self.card(message)
        if picture:
            self.page.wait_for_picture(card)
        card.scroll_into_view_if_needed()
        self._tab.mouse.move(0, 0)
        card.screenshot(path=self.out / f"{name}.png")
        print(f"{name}.png: {text_of(message).splitlines()[:1]}", flush=True)

    def say(self, typed: str, *words: str, seconds: float = 60, person: str = "ada", channel: str = "lab") -> Message:
        """Write a message; the bot's answer as soon as it shows the words."""
        answer = self.system.ask(typed, person=person, channel=channel, timeout=seconds)
        return self.system.wait_for_card(answer, *words, timeout=seconds, person=person, channel=channel)

    def whole(self, name: str) -> None:
        """Keep the whole page, at its newest message."""
        self._tab.set_viewport_size(WIDE)  # type: ignore[arg-type]
        newer = self._tab.locator("#newer")
        if newer.is_visible():
            newer.click()
        self._tab.wait_for_timeout(500)
        self._tab.screenshot(path=self.out / f"{name}.png")


@contextmanager
def running(corpora: Path | None) -> Iterator[System]:
    """The product on a data folder of its own, stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="galvanic-pictures-"))
    limits = Settings.model_fields
    quotas = {name.upper(): str(limits[name].default) for name in ("train_jobs_per_user", "train_jobs_per_server")}
    system = System(folder, **quotas)  # as the settings' picture shows them
    if corpora is not None:
        shutil.copytree(corpora, system.corpora, dirs_exist_ok=True)
    try:
        system.start()
        yield system
    finally:
        system.close()
        shutil.rmtree(folder, ignore_errors=True)


def take_welcome(photos: Photographer, _minutes: float) -> None:
    """What a newcomer finds."""
    photos.keep("welcome", photos.system.client.wait_for_message())


def take_menu(photos: Photographer, _minutes: float) -> None:
    """What can be done with a text from its menu."""
    text = photos.say(f"!generate {SEED}", "random seed")
    card = photos.card(text)
    card.hover()
    card.get_by_label("Apps").click()
    photos.keep("menu", text)


def take(photos: Photographer, minutes: float) -> None:
    """The tour: a training from its beginning to its end, then all that can be done with the model."""
    system, client = photos.system, photos.system.client
    photos.keep("help", photos.say("!help"))
    photos.keep("settings", photos.say("!settings"))
    long = 60 * minutes + 120
    card = photos.say(f"!train frankenstein --minutes {minutes:g}", "Learning")
    waiting = photos.say("!train python-docs --minutes 2", "Learning", person="ben")
    card = system.wait_for_card(card, "Sample after epoch", timeout=long)
    photos.keep("queue", system.wait_for_card(waiting, "Queued", "begins in", timeout=30))
    photos.keep("jobs", photos.say("!jobs"))
    photos.keep("status", photos.say("!status", "Everything works"))
    client.click_label(waiting, "Cancel", person="ben")
    system.wait_for_card(waiting, "Cancelled")
    photos.keep("training", system.wait_for_card(card, "Sample after epoch", "Time left", timeout=long))
    card = system.wait_for_card(card, "is now this channel's model", timeout=long)
    photos.keep("learned", card, picture=True)
    answer = photos.say(f"!generate {SEED}", "random seed")
    photos.whole("playground")
    photos.keep("generate", answer)
    photos.keep("compare", photos.say("!compare the monster"))
    photos.keep("surprise", photos.say("!surprise I beheld the wretch, the miserable pumpkin pie."), picture=True)
    photos.say("!train python-docs --minutes 1", "is now this channel's model", seconds=240)
    photos.keep("mix", photos.say("!generate The creature returns --mix frankenstein:60,python-docs:40", "random seed"))
    photos.keep("models", photos.say("!models"))
    photos.say("!model use frankenstein")
    photos.keep("model-info", photos.say("!model info frankenstein"), picture=True)
    photos.say("!chat on")
    bot = f"<@{client.world().bot_user_id}>"
    photos.keep("chat", photos.say(f"{bot} are you alive?", person="ben"))
    photos.keep("mistake", photos.say("!train frankenstien"))


def take_channel(photos: Photographer, minutes: float) -> None:
    """A channel is allowed, members agree, it is read and learned, and a member looks at what is kept."""
    system, client = photos.system, photos.system.client
    client.create_channel(ARCHIVE, history=ARCHIVE_MESSAGES)
    photos.page.go(ARCHIVE)
    photos.say(f"!allow-training #{ARCHIVE}", "may now learn")
    for person in ("ben", "cleo", "ada"):
        question = slash(system, "optin", channel=ARCHIVE, person=person)
        if person == "ada":
            photos.keep("optin", question)
        client.click_label(question, "I agree", channel=ARCHIVE, person=person)
        system.wait_for_card(question, "You agreed", channel=ARCHIVE, person=person)
    card = photos.say(f"!train #{ARCHIVE} --minutes {minutes:g} --name {ARCHIVE}", channel=ARCHIVE)
    card = system.wait_for_card(card, "Reached\n<t:", channel=ARCHIVE)
    photos.keep("reading", card)
    system.wait_for_card(card, "is now this channel's model", channel=ARCHIVE, timeout=60 * minutes + 180)
    photos.keep("channel-voice", photos.say("!generate the kettle", "random seed", channel=ARCHIVE))
    photos.keep("learn", photos.say("!learn nightly", "night", channel=ARCHIVE))
    photos.keep("privacy", slash(system, "privacy", channel=ARCHIVE))
    typed = f"!train @me #{ARCHIVE} --minutes {minutes:g}"
    photos.say(typed, "The model is ready", person="ben", channel=ARCHIVE, seconds=60 * minutes + 180)
    photos.say("!generate the kettle --model like-me", "random seed", person="ben", channel=ARCHIVE)
    photos.say("!generate the kettle --model like-me", "No model called", channel=ARCHIVE)
    photos.whole("like-me")


def learn_the_book(photos: Photographer, minutes: float) -> None:
    """Unless an earlier tour had it learned."""
    if "No model called" in text_of(photos.system.ask("!model info frankenstein")):
        photos.say(
            f"!train frankenstein --minutes {minutes:g}", "is now this channel's model", seconds=60 * minutes + 120
        )


def take_talk(photos: Photographer, minutes: float) -> None:
    """The bot goes on from what was said, and says something by itself."""
    client = photos.system.client
    photos.page.go("lab")
    learn_the_book(photos, minutes)
    photos.say("!model use frankenstein")
    photos.say("!chat on", "on")
    bot = f"<@{client.world().bot_user_id}>"
    first = photos.say(f"{bot} why did you run from him?", person="ben")
    photos.system.ask(f"{bot} and what did he say then?", person="dora", reply_to=first["id"], timeout=60)
    photos.whole("conversation")
    photos.keep("speak", photos.say("!speak every 3", "every 3 messages"))
    said = [
        client.send(words, person="dora")["id"] for words in ("Good morning.", "Is it raining?", "It is, in sheets.")
    ]
    client.wait_for_message(after=said[-1], timeout=60)
    photos.whole("speaking")
    photos.say("!speak off")
    photos.say("!persona add mary frankenstein Mary Shelley")
    photos.say("!persona add victor frankenstein Victor")
    asked = client.send("@mary what do you fear?", person="ben")["id"]

    def spoken(number: int) -> bool:
        return sum("· model" in one["author"]["username"] for one in client.messages(after=asked)) >= number

    client.wait_for(lambda: spoken(1), 60, "the persona")
    photos.say("!talk mary victor 3")
    client.wait_for(lambda: spoken(4), 120, "what they say to each other")
    photos.whole("personas")


def take_game(photos: Photographer, minutes: float) -> None:
    """A quiz and its answer; a text that people liked."""
    system, client = photos.system, photos.system.client
    photos.page.go("lab")
    learn_the_book(photos, minutes)
    question = photos.say("!quiz frankenstein --seconds 20", "Which one is real?")
    photos.keep("quiz", question)
    for person, letter in zip(("ada", "ben", "dora"), "ABC", strict=True):
        client.click_label(question, letter, person=person)
    photos.keep("quiz-answer", system.wait_for_card(question, "guessed right", timeout=60))
    for words, people in (("the stranger", ("ada", "ben", "dora")), ("I dreamed", ("ben",))):
        text = photos.say(f"!generate {words} --model frankenstein --length 150", "random seed")
        for person in people:
            client.react(text["id"], "🔥", person=person)
    photos.keep("best", photos.say("!best", "**3**", "**1**"))


def flat_share(messages: int = 6_000) -> bytes:
    """A chat of three people who share a flat, as WhatsApp exports one on Android."""
    draw = random.Random(1)
    people = {"Vera": 3, "Paul": 2, "Iris": 1}
    begins = (
        "who took",
        "I think I left",
        "has anybody seen",
        "we are out of",
        "please water",
        "I am making",
        "sorry about",
    )
    things = (
        "my keys",
        "the milk",
        "the big pan",
        "the plant",
        "a pot of tea",
        "the last of the bread",
        "your umbrella",
    )
    ends = ("again", "in the kitchen", "tonight", "before the rain comes", "or so it seems", "for all of us", "haha")
    lines = ["12/01/2024, 07:59 - Messages and calls are end-to-end encrypted. Tap to learn more."]
    when = datetime(2024, 1, 13, 8, 0)
    for number in range(messages):
        when += timedelta(minutes=draw.randint(5, 90))
        (person,) = draw.choices([*people], [*people.values()])
        text = f"{draw.choice(begins)} {draw.choice(things)} {draw.choice(ends)}"
        if number % 40 == 7:
            text = draw.choice(("<Media omitted>", "look: https://example.org/lamp"))
        lines.append(f"{when:%d/%m/%Y, %H:%M} - {person}: {text}")
    return "\n".join(lines).encode()


def take_chat(photos: Photographer, minutes: float) -> None:
    """A chat is attached and shown; somebody chooses people, and has it learned."""
    system, client = photos.system, photos.system.client
    photos.page.go("lab")
    typed = f"!train --speakers --minutes {minutes:g} --name flat"
    sent = client.send(typed, files={"WhatsApp Chat with Flat.txt": flat_share()})["id"]
    preview = client.wait_for(lambda: system.answer_to(sent), 60)
    photos.keep("preview", preview)
    menu = next(item for item in components(preview) if item.get("options"))
    client.select(preview["id"], menu["custom_id"], [option["value"] for option in menu["options"][:2]])
    preview = system.wait_for_card(preview, "by 2 people")
    before = client.send("...")["id"]
    client.click_label(preview, "Train")
    card = client.wait_for(lambda: system.answer_to(before), 60)
    system.wait_for_card(card, "is now this channel's model", timeout=60 * minutes + 300)
    photos.say("!generate", "random seed")
    photos.whole("chat-learned")


def take_without(photos: Photographer, minutes: float) -> None:
    """What the bot does where Discord does not let it read messages."""
    system, client = photos.system, photos.system.client
    learn_the_book(photos, minutes)
    client.privileged_intents(False)
    try:
        restart_bot(system)
        bot = client.world().bot_user_id
        client.send("!generate the stranger")
        photos.say(f"<@{bot}> generate the stranger", "random seed")
        photos.say(f"<@{bot}> status", "doesn't let me read messages", person="ben")
        photos.whole("without-intent")
    finally:
        client.privileged_intents(True)
        restart_bot(system)


def take_demo(photos: Photographer, minutes: float) -> None:
    """Film a book's training, speeded up, and a text."""
    browser = photos.page.tab.context.browser
    assert browser is not None
    tab = browser.new_page(viewport=SMALL)  # type: ignore[arg-type]
    tab.goto(photos.system.client.address)
    page, film = Tab(tab), Film(tab)
    page.wait_until_online()
    page.go("library")
    film.shoot(700)
    film.type(f"!train frankenstein --minutes {minutes:g}")
    finished = page.messages.filter(has_text="is now this channel's model")
    film.watch(lambda: finished.count() > 0, pictures=18, milliseconds=150)
    page.wait_for_picture(finished.last)
    finished.last.evaluate("card => card.scrollIntoView()")
    tab.wait_for_timeout(500)
    film.shoot(1_700)
    film.type("!generate the monster")
    page.answer("random seed", seconds=60)
    page.newest.evaluate("card => card.scrollIntoView(false)")
    tab.wait_for_timeout(500)
    film.shoot(3_000)
    film.save(photos.out / "demo.gif")
    tab.close()
    question = photos.say("!model delete frankenstein", "Delete", channel="library")  # other tours learn it, too
    photos.system.client.click_label(question, "Delete it", channel="library")
    photos.system.wait_for_card(question, "deleted", channel="library")


def take_page(photos: Photographer, minutes: float) -> None:
    """A model is posted as a page, and writes there with the network off."""
    learn_the_book(photos, minutes)
    (file,) = photos.say("!model export frankenstein --page", "as a page")["attachments"]
    browser = photos.page.tab.context.browser
    assert browser is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file["filename"]
        path.write_bytes(photos.system.client.fetch(file["url"]))
        tab = browser.new_context(offline=True, viewport={"width": 860, "height": 820}).new_page()
        tab.goto(path.as_uri())
        tab.fill("#seed", SEED)
        tab.fill("#random-seed", "7")
        tab.fill("#length", "480")
        tab.get_by_role("button", name="Write").click()
        expect(tab.locator("#status")).to_contain_text("a second", timeout=120_000)
        tab.screenshot(path=photos.out / "page.png", full_page=True)
        tab.context.close()


TOURS = {
    "demo": take_demo,
    "welcome": take_welcome,
    "menu": take_menu,
    "book": take,
    "channel": take_channel,
    "talk": take_talk,
    "chats": take_chat,
    "game": take_game,
    "page": take_page,
    "without": take_without,
}


def main() -> int:
    """Make all pictures; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long it learns (default: 2)")
    parser.add_argument("--out", type=Path, default=IMAGES, help="where the pictures go")
    parser.add_argument(
        "--only", nargs="+", choices=sorted(TOURS), default=list(TOURS), help="only these pictures (default: all)"
    )
    parser.add_argument("--corpora", type=Path, default=os.environ.get("CORPORA_DIR"), help="default: CORPORA_DIR")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with running(options.corpora) as system, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page(viewport=WIDE, device_scale_factor=1.25)  # type: ignore[arg-type]
        page.goto(system.client.address)
        photos = Photographer(system, page, options.out)
        photos.page.wait_until_online()
        for name in options.only:
            TOURS[name](photos, options.minutes)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
