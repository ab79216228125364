"""Sets up what the bot says unasked: speaking in channels, and personas."""

from bot.admin.cog_settings import SettingsPanel
from bot.core import Core
from bot.models.registry import Registry
from bot.talk.cog import SpeakCommands
from bot.talk.personas import Personas
from bot.talk.rooms import Rooms
from bot.talk.speaker import Speaker
from bot.talk.store import PersonaStore
from bot.write.feature import Write


async def setup(core: Core, *, registry: Registry, write: Write, panel: SettingsPanel) -> None:
    rooms, store = Rooms(core.redis), PersonaStore(core.redis)
    speaker = Speaker(core=core, registry=registry, conversation=write.conversation, rooms=rooms)
    personas = Personas(core=core, registry=registry, conversation=write.conversation, rooms=rooms, store=store)
    speaks = SpeakCommands(core=core, panel=panel, speaker=speaker, personas=personas, chat=write.chat)
    registry.replaced.append(store.replace_model)
    speaks.register()
    core.forgetters.append(store.forget_guild)
    await core.add_cogs(speaks)
    core.add_services(speaker, personas)
