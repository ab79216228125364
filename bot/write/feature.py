"""Sets up texts: the commands that generate them, the chat, and the menus of messages."""

from dataclasses import dataclass

from bot.channels.feature import Channels
from bot.core import Core
from bot.models.registry import Registry
from bot.write.cog import GenerateCommands
from bot.write.cog_chat import Chat
from bot.write.cog_menus import Menus
from bot.write.conversation import Conversation
from bot.write.generate import Generating


@dataclass(frozen=True)
class Write:
    """The parts that other features need."""

    generating: Generating
    conversation: Conversation
    chat: Chat


async def setup(core: Core, *, registry: Registry, channels: Channels) -> Write:
    generating = Generating(core=core, registry=registry)
    conversation = Conversation(core=core, registry=registry, generating=generating)
    writing = GenerateCommands(core=core, registry=registry, generating=generating)
    forget = channels.member_data.forget_request
    menus = Menus(core=core, registry=registry, generating=generating, writing=writing, forget=forget)
    chat = Chat(core=core, registry=registry, conversation=conversation)
    generating.register(core.components, core.delivery)
    await core.add_cogs(writing, menus, chat)
    return Write(generating=generating, conversation=conversation, chat=chat)
