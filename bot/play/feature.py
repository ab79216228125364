"""Sets up the quiz, and the texts that people liked best."""

from bot.channels.feature import Channels
from bot.core import Core
from bot.models.feature import Models
from bot.play.best import Best
from bot.play.cog import Play
from bot.play.quiz import Quiz
from bot.write.generate import Generating


async def setup(core: Core, *, models: Models, channels: Channels, generating: Generating) -> None:
    quiz = Quiz(core=core, registry=models.registry)
    best = Best(core=core, registry=models.registry, generating=generating, audience=models.audience)
    play = Play(core=core, registry=models.registry, game=quiz, favourites=best)
    quiz.register(core.components, core.delivery)
    channels.member_data.sections["your_guesses_in_quizzes"] = quiz
    core.forgetters += [quiz.forget_guild, best.forget_guild]
    await core.add_cogs(play)
    core.add_services(quiz.ends)
