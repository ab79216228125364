"""Sets up trainings: begun, shown while they learn, ended, and made again."""

from bot.channels.feature import Channels
from bot.core import Core
from bot.models.feature import Models
from bot.train.card import TrainingCards
from bot.train.cog import TrainCommands
from bot.train.cog_jobs import Jobs
from bot.train.cog_learn import Learning
from bot.train.preview import Previews
from bot.train.remake import Remaking
from bot.train.start import Trainings
from bot.train.uploads import Uploads


async def setup(core: Core, *, models: Models, channels: Channels) -> None:
    registry = models.registry
    cards = TrainingCards(
        core=core,
        registry=registry,
        audience=models.audience,
        sources=channels.sources,
        reading=channels.readings.card,
    )
    uploads = Uploads(core)
    await uploads.clear()
    trainings = Trainings(core=core, registry=registry, readings=channels.readings, uploads=uploads)
    remaking = Remaking(
        core=core,
        registry=registry,
        audience=models.audience,
        sources=channels.sources,
        trainings=trainings,
        before=[channels.withdrawals.resume, channels.member_data.resume],
    )
    learning = Learning(core=core, registry=registry, remaking=remaking)
    control = Jobs(core=core, cards=cards)
    previews = Previews(core=core, trainings=trainings, sources=channels.sources)
    training = TrainCommands(
        core=core, trainings=trainings, sources=channels.sources, uploads=uploads, previews=previews
    )
    trainings.register(core.components)
    previews.register(core.components)
    control.register(core.components)
    core.delivery.present_trainings(cards.keep)
    core.forgetters.append(learning.forget_guild)
    await core.add_cogs(training, control, learning, remaking)
    core.add_services(remaking, learning)
