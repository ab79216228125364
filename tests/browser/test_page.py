"""A newcomer plays with the page."""

from playwright.sync_api import expect

from tests.browser.tab import Tab


def test_the_bot_greets_a_newcomer_and_its_button_begins_a_training(page: Tab) -> None:
    greeting = page.messages.filter(has_text="Hello! I learn to write from any text")
    expect(greeting).to_contain_text("about 3 minutes in all")
    greeting.get_by_test_id("button").click()
    card = page.messages.filter(has_text="at most 2 minutes")
    card.get_by_test_id("button").filter(has_text="Cancel").click()
    expect(page.messages.filter(has_text="Cancelled: ")).to_be_visible(timeout=60_000)


def test_a_card_fills_unasked_and_the_model_talks(page: Tab) -> None:
    page.type("!train harbour --epochs 300 --minutes 0.4")
    page.answer("Training", "Epoch", "Unseen text", "Sample after epoch", seconds=90)
    page.shot("card-while-training")
    card = page.answer("is now this channel's model", "Sample 2", seconds=120)
    page.wait_for_picture(card)
    page.shot("card-finished")
    page.type("!generate the tide --length 200")
    page.answer("the tide", "random seed", seconds=60)


def test_the_page_fits_a_phone(page: Tab) -> None:
    page.tab.set_viewport_size({"width": 390, "height": 800})
    page.type("!catalogue")
    page.answer("frankenstein", "python-docs")
    assert page.tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
