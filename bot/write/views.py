"""The buttons under generated texts. Each carries its job's id in its custom id: it works after a restart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, get_args

import discord

from bot.escape import label, replace_surrogates
from bot.options.checks import SEED_LIMIT
from bot.options.options import HOTTEST, temperature
from bot.servers.actor import Actor
from bot.types import Send
from bot.views.base import ButtonItem, FromItsId, KeepsTyped, RequiresPlace, answering, chosen, replying_to
from bot.write import embeds
from shared.events import Compared, Generated
from shared.jobs import GenerateJob

if TYPE_CHECKING:
    from bot.client import Galvanic

TextAction = Literal["again", "continue", "hotter", "cooler"]


class WrittenButton(
    RequiresPlace, ButtonItem, template=r"galvanic:(?P<action>again|continue|hotter|cooler):(?P<job>[a-z0-9-]+)"
):
    """Makes another text of the one above it; for everybody who may generate texts in its channel."""

    def __init__(self, action: TextAction, job_id: str, *, disabled: bool = False) -> None:
        super().__init__(
            discord.ui.Button(label=action.capitalize(), custom_id=f"galvanic:{action}:{job_id}", disabled=disabled)
        )
        self.action = action
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: discord.ui.Item[Any], match: re.Match[str]
    ) -> WrittenButton:
        """Make the button again from a message that an earlier run of the bot sent."""
        return cls(next(action for action in get_args(TextAction) if action == match["action"]), match["job"])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Generate the text, if this person may."""

        async def generate(bot: Galvanic, who: Actor, send: Send) -> None:
            await bot.text_actions.press(who, self.action, self.job_id, send)

        await replying_to(interaction, f"{self.action} button", generate, text=True)


class ComparedMenu(
    RequiresPlace,
    discord.ui.DynamicItem[discord.ui.Select[discord.ui.View]],
    template=r"galvanic:compared:(?P<job>[a-z0-9-]+)",
):
    """Continues one of the texts of a comparison."""

    def __init__(self, job_id: str, names: list[str]) -> None:
        super().__init__(
            discord.ui.Select(
                custom_id=f"galvanic:compared:{job_id}",
                placeholder="Continue one of these…",
                options=[discord.SelectOption(label=label(name), value=str(n)) for n, name in enumerate(names)],
            )
        )
        self.job_id = job_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: discord.ui.Item[Any], match: re.Match[str]
    ) -> ComparedMenu:
        """Make the menu again from a message that an earlier run of the bot sent."""
        return cls(match["job"], ["-"])

    async def callback(self, interaction: discord.Interaction) -> None:
        """Continue the text that was chosen."""

        async def continue_text(bot: Galvanic, who: Actor, send: Send) -> None:
            await bot.text_actions.continue_compared(who, self.job_id, chosen(self.item.values), send)

        await replying_to(interaction, "compared menu", continue_text, text=True)


class GenerateButton(RequiresPlace, FromItsId, ButtonItem, template=r"galvanic:write:(?P<model>[a-z0-9-]+)"):
    """Opens a form that asks for words, which its model continues."""

    def __init__(self, model_id: str) -> None:
        super().__init__(
            discord.ui.Button(
                label="Generate", style=discord.ButtonStyle.primary, custom_id=f"galvanic:write:{model_id}"
            )
        )
        self.model_id = model_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Show the form; whether this person may is asked when it is sent: a form can't wait for Redis."""
        async with answering(interaction, "generate button", defer=False):
            await interaction.response.send_modal(GenerateForm(self.model_id))


class GenerateForm(RequiresPlace, KeepsTyped):
    """Asks for a seed and a temperature; the text is posted in the channel."""

    words: discord.ui.TextInput[GenerateForm] = discord.ui.TextInput(
        label="Words to continue",
        custom_id="words",
        style=discord.TextStyle.paragraph,
        placeholder="Leave empty for a random line of the text",
        required=False,
        max_length=SEED_LIMIT,
    )
    temperature: discord.ui.TextInput[GenerateForm] = discord.ui.TextInput(
        label="Temperature",
        custom_id="temperature",
        placeholder="0 always takes the likeliest, 1 is as surprising as the text; up to 2",
        required=False,
        max_length=8,
    )

    def __init__(self, model_id: str) -> None:
        super().__init__(title="Generate a text")
        self.model_id = model_id

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Generate the text."""

        async def generate(bot: Galvanic, who: Actor, send: Send) -> None:
            typed = replace_surrogates(self.temperature.value).strip()
            hot = temperature(typed) if typed else None
            await bot.text_actions.generate_from_form(
                who, self.model_id, replace_surrogates(self.words.value), hot, send
            )

        await replying_to(interaction, "generate form", generate, text=True, form=self)


def job_of(message: discord.Message) -> str | None:
    """The id of the job whose answer a message of the bot's shows, by its controls; None: it has none of these."""
    rows = [row for row in message.components if isinstance(row, discord.ActionRow)]
    ids = [item.custom_id or "" for row in rows for item in row.children]
    found = (re.fullmatch(r"galvanic:(?:continue|compared):(?P<job>[a-z0-9-]+)", one) for one in ids)
    return next((match["job"] for match in found if match is not None), None)


def written_buttons(job: GenerateJob, answer: Generated) -> discord.ui.View:
    """The buttons under a text; those that would change nothing are disabled."""
    random_start = job.from_line or job.from_corpus
    disabled_of: dict[TextAction, bool] = {
        "again": answer.temperature == 0 and not random_start,
        "continue": not answer.text.strip(),
        "hotter": answer.temperature >= HOTTEST,
        "cooler": answer.temperature <= 0,
    }
    view = discord.ui.View(timeout=None)
    for action, disabled in disabled_of.items():
        view.add_item(WrittenButton(action, job.job_id, disabled=disabled))
    return view


def compared_menu(job_id: str, answer: Compared) -> discord.ui.View:
    """The menu under a comparison."""
    view = discord.ui.View(timeout=None)
    view.add_item(ComparedMenu(job_id, embeds.variant_names(answer)))
    return view
