"""A small bot on discord.py's own client, run by the tests in a process of its own."""

import io
import sys
from typing import Any

import discord
import yarl
from discord import app_commands
from discord.ext import commands
from PIL import Image, ImageDraw

Context = commands.Context[Any]

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cf500f0003840180e2a0d3c40000000049454e44ae426082"
)


def picture(width: int, height: int) -> bytes:
    """A PNG with a falling line on dark ground."""
    image = Image.new("RGB", (width, height), (30, 31, 34))
    points = [(x, int(height * (0.9 - 0.8 / (1 + x / width * 6)))) for x in range(width)]
    ImageDraw.Draw(image).line(points, fill=(88, 101, 242), width=3)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class Panel(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Press", custom_id="press")
    async def press(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.edit_message(content=f"pressed by {interaction.user.display_name}")

    @discord.ui.button(label="Form", custom_id="form")
    async def form(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(Form())

    @discord.ui.select(
        custom_id="menu", options=[discord.SelectOption(label="Red"), discord.SelectOption(label="Blue")]
    )
    async def menu(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.send_message(f"chose {select.values[0]}", ephemeral=True)


class Form(discord.ui.Modal, title="A form"):
    word: discord.ui.TextInput[Any] = discord.ui.TextInput(label="A word", custom_id="word")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"wrote {self.word.value}")


class TinyBot(commands.Bot):
    async def setup_hook(self) -> None:
        self.add_view(Panel())
        await self.tree.sync()

    async def on_ready(self) -> None:
        print("ready", flush=True)

    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        cause = getattr(error, "original", error)
        code = getattr(cause, "code", "-")
        print(f"error {code} {cause}", file=sys.stderr, flush=True)
        if ctx.guild is None or ctx.channel.permissions_for(ctx.guild.me).send_messages:
            await ctx.send(f"error {code}")


bot = TinyBot(
    "!",
    intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True),
    allowed_mentions=discord.AllowedMentions.none(),
    guild_ready_timeout=0.05,
)


@bot.tree.context_menu(name="Count letters")
async def letters(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"{len(message.content)} letters by {message.author.name}")


@bot.command()
async def ping(ctx: Context) -> None:
    await ctx.reply("pong")


@bot.command()
async def card(ctx: Context) -> None:
    embed = discord.Embed(title="Training", description="epoch 1 of 3")
    embed.set_image(url="attachment://loss.png")
    file = discord.File(io.BytesIO(PIXEL), "loss.png", description="the loss")
    message = await ctx.send(embed=embed, file=file, view=Panel())
    embed.description = "epoch 2 of 3"
    await message.edit(embed=embed, attachments=[discord.File(io.BytesIO(PIXEL + b"2"), "loss.png")])
    await message.edit(content="edited")


@bot.command()
async def gallery(ctx: Context) -> None:
    """A message with something of everything."""
    embed = discord.Embed(
        title="A **training** card", description="`epoch 3` of 9, *held out* 1.62\n- one\n- two", colour=0x5865F2
    )
    embed.set_author(name="Galvanic")
    for number in range(4):
        embed.add_field(name=f"Field {number}", value=f"value {number}")
    embed.add_field(name="A long one", value="word " * 40, inline=False)
    embed.set_image(url="attachment://loss.png")
    embed.set_thumbnail(url="attachment://thumb.png")
    embed.set_footer(text="five minutes left")
    view = discord.ui.View(timeout=None)
    for number in range(5):
        view.add_item(discord.ui.Button(label=f"Button {number}", custom_id=f"b{number}", emoji="⚡", row=0))
    styles = [discord.ButtonStyle.primary, discord.ButtonStyle.success, discord.ButtonStyle.danger]
    for number, style in enumerate(styles):
        view.add_item(
            discord.ui.Button(
                label="Off" * (number == 2) or "On", style=style, custom_id=f"s{number}", row=1, disabled=number == 2
            )
        )
    view.add_item(discord.ui.Button(label="Read", url="https://example.org", row=1))
    view.add_item(discord.ui.Button(emoji="🎲", custom_id="dice", row=1))
    colours = [
        discord.SelectOption(label=name, description=f"The colour of {name.lower()}", emoji="🎨")
        for name in ("Red", "Blue")
    ]
    view.add_item(discord.ui.Select(custom_id="one", options=colours, placeholder="One colour", row=2))
    view.add_item(discord.ui.Select(custom_id="two", options=colours, placeholder="Colours", max_values=2, row=3))
    view.add_item(discord.ui.Select(custom_id="off", options=colours, placeholder="Switched off", disabled=True, row=4))
    files = [
        discord.File(io.BytesIO(picture(400, 220)), "loss.png"),
        discord.File(io.BytesIO(picture(90, 90)), "thumb.png"),
    ]
    await ctx.send(
        "Something of **everything**",
        embed=embed,
        view=view,
        files=[*files, discord.File(io.BytesIO(picture(300, 160)), "shown.png")],
    )


@bot.command()
async def where(ctx: Context) -> None:
    """What the bot knows of the place and of whoever asks."""
    if ctx.guild is None:
        await ctx.send(f"in private with {ctx.author.name}")
        return
    assert isinstance(ctx.author, discord.Member)
    names = sorted(channel.name for channel in ctx.guild.text_channels)
    roles = [role.name for role in ctx.author.roles[1:]]
    manages = ctx.author.guild_permissions.manage_guild
    await ctx.send(f"{ctx.guild.name}: {names} {roles} {manages} {ctx.guild.filesize_limit // 2**20}")


@bot.command()
async def tell(ctx: Context, *, words: str) -> None:
    await ctx.author.send(words)
    await ctx.send("told")


@bot.tree.command()
@app_commands.describe(file="a text")
async def learn(interaction: discord.Interaction, file: discord.Attachment, name: str, length: int = 1) -> None:
    """Take in a file."""
    data = await file.read()
    await interaction.response.send_message(f"{name} {file.filename} {len(data)} {length}")


@bot.tree.command()
async def here(interaction: discord.Interaction) -> None:
    """Say where this is."""
    place = interaction.guild.name if interaction.guild else "in private"
    await interaction.response.send_message(f"{place} {interaction.permissions.manage_guild}")


@bot.tree.command()
async def whisper(interaction: discord.Interaction) -> None:
    """Say something to one person."""
    await interaction.response.send_message("for you alone", ephemeral=True)


@bot.tree.command()
async def pick(interaction: discord.Interaction, book: str) -> None:
    """Choose a book."""
    await interaction.response.send_message(book)


@pick.autocomplete("book")
async def books(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
    names = ["dracula", "frankenstein"]
    return [app_commands.Choice(name=name.title(), value=name) for name in names if name.startswith(current)]


if __name__ == "__main__":
    url, token = sys.argv[1:]
    discord.http.Route.BASE = f"{url}/api/v10"
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"{url}/gateway".replace("http", "ws", 1))
    bot.run(token)
