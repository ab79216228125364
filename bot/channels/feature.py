"""Sets up what is learned from channels: consent, readings, and privacy."""

from dataclasses import dataclass

from bot.background import Chores
from bot.channels.cog import Privacy
from bot.channels.consent import ConsentStore
from bot.channels.member_data import MemberDataService
from bot.channels.pages import PageStore
from bot.channels.reading import ChannelReadings
from bot.channels.sources import Sources
from bot.channels.watch import Watch
from bot.channels.withdrawals import Withdrawals
from bot.core import Core
from bot.models.feature import Models


@dataclass(frozen=True)
class Channels:
    """The services that other features need to learn from channels."""

    withdrawals: Withdrawals
    member_data: MemberDataService
    sources: Sources
    readings: ChannelReadings


async def setup(core: Core, *, models: Models) -> Channels:
    """Add the commands about learning from messages, and follow the channels and members that models learned from."""
    registry, removal, looks = models.registry, models.removal, Chores("looks")
    consents = ConsentStore(settings=core.settings, client=core.redis)
    withdrawals = Withdrawals(core=core, consents=consents, registry=registry, removal=removal)
    member_data = MemberDataService(core=core, consents=consents, registry=registry)
    sources = Sources(core=core, consents=consents, audience=models.audience)
    readings = ChannelReadings(
        core=core,
        consents=consents,
        sources=sources,
        pages=PageStore(core.redis),
        notes=registry.notes,
        withdrawals=withdrawals,
    )
    privacy = Privacy(core=core, consents=consents, sources=sources, withdrawals=withdrawals, member_data=member_data)
    watch = Watch(
        core=core, consents=consents, registry=registry, withdrawals=withdrawals, removal=removal, looks=looks
    )
    privacy.register(core.components)
    await core.add_cogs(watch, privacy)
    core.add_services(looks, readings)
    return Channels(withdrawals=withdrawals, member_data=member_data, sources=sources, readings=readings)
