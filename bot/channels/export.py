"""Everything that is stored of a member, as JSON in files that Discord takes."""

import asyncio
import dataclasses
import gzip
import io
import json
import time
from typing import Any

import discord
import structlog

from bot.channels.member_data import MemberData, MemberDataService
from bot.types import User
from galvanic.units import MEGABYTE, count
from shared.jobs import GenerateJob, Job, authors_of

FILE_BYTES = 9 * MEGABYTE  # largest file: Discord takes 10 MiB
MOST_REQUESTS = 20_000  # requests of one person; for more there is no memory
_NAME = "galvanic-data"

log = structlog.get_logger()


async def export(member_data: MemberDataService, user: User) -> tuple[list[discord.File], list[str]]:
    """Return the files, and in words what is not in them.

    Raises redis.RedisError: Redis cannot be reached; discord.HTTPException: Discord is in trouble.
    """
    settings = member_data.core.settings
    left_out = [
        "My answers to your requests: they stand in the channels where I posted them.",
        "Words that somebody else gave me, where you asked for more of their text or went on talking with me.",
        "Texts that you attached: I keep each for 24 hours after its last training.",
        "Your chats that wait for **Train**: each goes within an hour.",
        "The files of models: `/model export` posts those that may be.",
        "Your words in texts: each is deleted when its training ends. Discord has your messages.",
    ]
    servers = [_server(await member_data.in_server(guild, user)) for guild in await member_data.servers_of(user)]
    requests: list[dict[str, Any]] = []
    too_many = 0
    async for job in member_data.requests_of(user.id):
        if len(requests) < MOST_REQUESTS:
            requests.append(_request(job, user.id))
        else:
            too_many += 1
    if too_many:
        left_out.append(f"{count(too_many, 'request')} beyond {MOST_REQUESTS:,}.")
    terms = ("channel_training", "channel_model_days", "forget_within_hours")
    data = {
        "format": _NAME,
        "version": 1,
        "user_id": str(user.id),
        "made_at": time.time(),
        "operator": {name: getattr(settings, name) for name in terms},
        "servers": servers,
        "requests": requests,
        "left_out": left_out,
    }
    files = await asyncio.to_thread(packed, data, FILE_BYTES)
    log.info("data_exported", user_id=user.id, guilds=len(servers), files=len(files))
    return [discord.File(io.BytesIO(data), filename=name) for name, data in files], left_out


def packed(data: dict[str, Any], most_bytes: int) -> tuple[tuple[str, bytes], ...]:
    """JSON as one file; compressed if that is too large, and cut into pieces if that still is."""
    plain = json.dumps(_as_text(data), ensure_ascii=False, indent=1).encode("utf-8")
    if len(plain) <= most_bytes:
        return ((f"{_NAME}.json", plain),)
    small = gzip.compress(plain, mtime=0)
    if len(small) <= most_bytes:
        return ((f"{_NAME}.json.gz", small),)
    pieces = [small[start : start + most_bytes] for start in range(0, len(small), most_bytes)]
    return tuple((f"{_NAME}.json.gz.{number:03}", piece) for number, piece in enumerate(pieces, 1))


def _request(job: Job, user_id: int) -> dict[str, Any]:
    """Return a request without the server's blocklist, and without who else asked or what they wrote."""
    foreign = {"seed", "text", "author_id"} if authors_of(job) != {user_id} else set()
    request = job.model_dump(mode="json", exclude={"blocked", "pieces", *foreign})
    if isinstance(job, GenerateJob) and (own := job.words_of(user_id)):
        request["seed"] = own
    if job.place.user_id != user_id:
        del request["place"]["user_id"]
    return request


def _as_text(value: Any) -> Any:
    """Turn ids into text: as numbers they are beyond what most readers of JSON keep exactly."""
    match value:
        case int() if value >= 2**53:
            return str(value)
        case dict():
            return {key: _as_text(item) for key, item in value.items()}
        case list() | tuple():
            return [_as_text(item) for item in value]
    return value


def _server(data: MemberData) -> dict[str, Any]:
    return {
        "guild_id": data.guild_id,
        "name": data.name,
        "consent": data.answer.model_dump(mode="json") if data.answer is not None else None,
        "channels_that_may_be_learned_from": list(data.channels),
        "channels_that_you_allowed": {
            str(channel): allowed.model_dump(mode="json", exclude={"by"})
            for channel, allowed in data.allowances.items()
        },
        "models_that_learned_from_you": [dataclasses.asdict(learned) for learned in data.learned],
        "your_models": [model.model_dump(mode="json") for model in data.owned],
        "your_trainings": [job.job_id for job in data.trainings],
        **data.sections,
    }
