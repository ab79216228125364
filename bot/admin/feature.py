"""Sets up what is for those who run a server or the bot: help, status, settings and metrics."""

from bot.admin import metrics
from bot.admin.cog_general import General
from bot.admin.cog_settings import SettingsPanel
from bot.core import Core
from bot.help import Help
from bot.models.registry import Registry


async def setup(core: Core, *, registry: Registry) -> SettingsPanel:
    """Return the panel of `settings`, to which other features add sections."""
    metrics.TEXTS_WAITING.set_function(lambda: core.admission.waiting)
    pages = Help(bot=core.bot, servers=core.servers)
    general = General(core=core, pages=pages)
    panel = SettingsPanel(core=core, registry=registry)
    for name in ("help", "help-more"):
        core.components.add(name, pages.turn, who="anybody", how="help")
    panel.register()
    await core.add_cogs(general, panel)
    return panel
