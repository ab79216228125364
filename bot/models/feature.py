"""Sets up models: their registry, who may use one, and the commands for them."""

from dataclasses import dataclass

from bot.core import Core
from bot.models.audience import Audience
from bot.models.cog import ModelCommands
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.models.transfer import Transfer


@dataclass(frozen=True)
class Models:
    """The parts that other features need."""

    audience: Audience
    registry: Registry
    removal: Removal


async def setup(core: Core) -> Models:
    audience = Audience(client=core.bot, settings=core.settings)
    registry = Registry(connection=core.redis, settings=core.settings, servers=core.servers, audience=audience)
    removal = Removal(core=core, registry=registry)
    transfer = Transfer(core=core, registry=registry)
    commands = ModelCommands(core=core, registry=registry, transfer=transfer, removal=removal)
    transfer.register(core.components, core.delivery)
    commands.register(core.components, core.delivery)
    await core.add_cogs(commands)
    return Models(audience=audience, registry=registry, removal=removal)
