"""What `galvanic doctor` says of Discord, which a playground of this process stands for."""

import socketserver
import threading
from collections.abc import Iterable
from pathlib import Path

import discord
import pytest

from bot import doctor
from bot.doctor import check_discord
from galvanic.cli.findings import Finding, Level
from playground.places import BOT_ID, GUILD_ID
from shared.settings import Settings
from tests.bot.live import Live
from tests.driver import BOT_TOKEN
from tests.driver.control import Driver
from tests.driver.faults import Fault

INVITE = f"https://discord.com/oauth2/authorize?client_id={BOT_ID}&scope=bot+applications.commands&permissions="


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The settings of a bot that has a token."""
    return settings.model_copy(update={"discord_token": Settings(discord_token=BOT_TOKEN).discord_token})


def problems(findings: Iterable[Finding], level: Level) -> str:
    return "\n".join(finding.problem for finding in findings if finding.level == level)


async def test_a_bot_that_never_ran_is_told_to_start(driver: Driver, settings: Settings, tmp_path: Path) -> None:
    another_users = tmp_path / "file" / "data"  # no folder can be made there
    another_users.parent.touch()
    findings = await check_discord(settings.model_copy(update={"data_dir": another_users}))
    (mend,) = (finding for finding in findings if finding.level == Level.MEND)
    assert "the bot never ran with this token" in mend.problem
    good = problems(findings, Level.OK)
    assert "Discord takes the DISCORD_TOKEN." in good
    assert "Galvanic playground: the bot has all permissions" in good


async def test_a_running_bot_has_its_commands_there_and_a_pause_is_waited_out(live: Live, settings: Settings) -> None:
    fault = live.faults.add(Fault("GET", r"/users/@me/guilds", 429, retry_after=0.1))
    findings = await check_discord(settings)
    assert fault.times == 0
    assert {finding.level for finding in findings} == {Level.OK}
    assert "Discord knows all" in problems(findings, Level.OK)
    live.bot.tree.remove_command("quiz")
    await live.bot.tree.sync()
    assert "slash commands: quiz." in problems(await check_discord(settings), Level.MEND)


async def test_missing_permissions_are_named_with_what_needs_them(driver: Driver, settings: Settings) -> None:
    world = driver.playground.world
    everyone = world.guilds[GUILD_ID].roles[GUILD_ID]
    everyone.permissions &= ~discord.Permissions(embed_links=True, send_messages_in_threads=True).value
    for role_id in world.guilds[GUILD_ID].members[BOT_ID].role_ids:
        world.guilds[GUILD_ID].roles[role_id].permissions = 0
    (lacking,) = (finding for finding in await check_discord(settings) if "lacks" in finding.problem)
    assert "lacks Send Messages in Threads (all answers); Embed Links (all commands)." in lacking.problem
    assert f"{INVITE}274878024768" in lacking.remedy, "as docs/discord.md has it"
    everyone.permissions = discord.Permissions(administrator=True).value
    assert "the bot is an administrator" in problems(await check_discord(settings), Level.MEND)


async def test_a_bot_in_no_server_is_invited(
    driver: Driver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_SERVERS", 1)
    assert "in more than 1 servers; the others" in problems(await check_discord(settings), Level.OK)
    driver.playground.world.guilds.clear()
    (alone,) = (finding for finding in await check_discord(settings) if "in no server" in finding.problem)
    assert INVITE in alone.remedy


async def test_intents_that_are_off(driver: Driver, settings: Settings) -> None:
    driver.playground.world.granted = discord.Intents.none()
    asked = settings.model_copy(update={"channel_training": "opt-in", "members_intent": True})
    mend = problems(await check_discord(asked), Level.MEND)
    assert "'Message Content Intent' is off" in mend
    assert "'Server Members Intent' is off" in mend
    assert "Server Members" not in problems(await check_discord(settings), Level.MEND)


@pytest.mark.parametrize("token", ["another-token", "two\nlines"])
async def test_a_token_that_discord_refuses_is_not_shown(driver: Driver, settings: Settings, token: str) -> None:
    wrong = settings.model_copy(update={"discord_token": Settings(discord_token=token).discord_token})
    (refused,) = await check_discord(wrong)
    assert refused.level != Level.OK
    assert token not in str(refused)
    if token == "another-token":
        assert (refused.level, refused.problem) == (Level.BROKEN, "Discord refuses the DISCORD_TOKEN.")
        assert "secrets/discord_token" in refused.remedy


async def test_a_discord_that_is_silent_halfway_is_not_waited_for(
    driver: Driver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_WITHIN_S", 3.0)
    driver.faults.add(Fault("GET", r"/users/@me/guilds", 200, wait_s=60.0))
    first, last = await check_discord(settings)
    assert first.problem == "Discord takes the DISCORD_TOKEN."
    assert (last.level, last.problem) == (Level.MEND, "Discord cannot be asked everything (TimeoutError).")


async def test_an_answer_that_is_not_discords_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stranger(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10_000)
            self.request.sendall(b"a stranger\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{server.server_address[1]}/api")
        (finding,) = await check_discord(settings)
    assert finding.level == Level.MEND
    assert finding.problem.startswith("Discord cannot be asked anything")
    assert "stranger" not in str(finding)


async def test_without_a_token_discord_is_not_asked(settings: Settings) -> None:
    (finding,) = await check_discord(settings.model_copy(update={"discord_token": None}))
    assert finding.level == Level.OK
