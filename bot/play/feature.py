"""Sets up the quiz, and the texts that people liked best."""

from __future__ import annotations

from bot.core import Core
from bot.models.feature import Models
from bot.play.best import Best
from bot.play.cog import Play
from bot.play.quiz import Quiz
from bot.write.generate import Generating


async def setup(core: Core, *, models: Models, generating: Generating) -> None:
    quiz = Quiz(
        client=core.bot,
        servers=core.servers,
        requests=core.requests,
        registry=models.registry,
        redis=core.redis,
    )
    best = Best(
        client=core.bot,
        servers=core.servers,
        jobs=core.jobs,
        registry=models.registry,
        generating=generating,
        redis=core.redis,
        audience=models.audience,
    )
    play = Play(
        client=core.bot,
        servers=core.servers,
        access=core.access,
        jobs=core.jobs,
        registry=models.registry,
        chores=core.chores,
        game=quiz,
        favourites=best,
    )
    quiz.register(core.components, core.delivery)
    await core.add(play)
    core.run(quiz)
