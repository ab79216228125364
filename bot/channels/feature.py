"""Sets up what is learned from channels: consent, what is read and kept of it, and privacy."""

from __future__ import annotations

from dataclasses import dataclass

from bot.background import Chores
from bot.channels.cog import Privacy
from bot.channels.consent import ConsentStore
from bot.channels.held import Holdings
from bot.channels.importer import Importer
from bot.channels.sources import Sources
from bot.channels.store import TranscriptStore
from bot.channels.watch import Watch
from bot.channels.withdrawals import Withdrawals
from bot.core import Core
from bot.models.feature import Models


@dataclass(frozen=True)
class Channels:
    """What other features need to learn from channels.

    Attributes:
        looks: chores that ask Discord, of which many take long.
    """

    consents: ConsentStore
    transcripts: TranscriptStore
    withdrawals: Withdrawals
    holdings: Holdings
    sources: Sources
    importer: Importer
    looks: Chores


async def setup(core: Core, *, models: Models) -> Channels:
    registry, looks = models.registry, Chores("looking for changes")
    consents = ConsentStore(settings=core.settings, client=core.redis, leader=core.leader)
    transcripts = TranscriptStore(client=core.redis, leader=core.leader)
    withdrawals = Withdrawals(
        client=core.bot,
        consents=consents,
        store=transcripts,
        registry=registry,
        servers=core.servers,
        chores=core.chores,
        connection=core.redis,
    )
    holdings = Holdings(
        client=core.bot,
        consents=consents,
        store=transcripts,
        registry=registry,
        servers=core.servers,
        chores=core.chores,
        settings=core.settings,
        redis=core.redis,
        snapshots=core.snapshots,
    )
    sources = Sources(
        settings=core.settings, client=core.bot, servers=core.servers, consents=consents, audience=models.audience
    )
    privacy = Privacy(
        client=core.bot,
        consents=consents,
        store=transcripts,
        registry=registry,
        servers=core.servers,
        chores=core.chores,
        settings=core.settings,
        access=core.access,
        sources=sources,
        withdrawals=withdrawals,
        holdings=holdings,
    )
    importer = Importer(
        client=core.bot,
        consents=consents,
        store=transcripts,
        registry=registry,
        servers=core.servers,
        chores=core.chores,
        settings=core.settings,
        sources=sources,
        withdrawals=withdrawals,
        jobs=core.jobs,
        snapshots=core.snapshots,
    )
    watch = Watch(
        client=core.bot,
        consents=consents,
        store=transcripts,
        registry=registry,
        servers=core.servers,
        chores=core.chores,
        withdrawals=withdrawals,
        looks=looks,
        removal=models.removal,
    )
    privacy.register(core.components)
    await core.add(watch, privacy)
    core.run(looks, importer)
    return Channels(
        consents=consents,
        transcripts=transcripts,
        withdrawals=withdrawals,
        holdings=holdings,
        sources=sources,
        importer=importer,
        looks=looks,
    )
