"""Models in the registry, who may do what with them, and how they look; against a real Redis."""

import asyncio
import json

import pytest
import redis.asyncio

from bot.models import embeds as model_embeds
from bot.models.embeds import quality
from bot.models.registry import Registry
from bot.servers.access import Viewer
from bot.words import DESCRIPTION_LIMIT
from galvanic.errors import UserError
from galvanic.options import STARTER
from shared import keys
from shared.models import ModelRecord
from tests.factories import CHANNEL, GUILD, record
from tests.registered import register

OTHER = CHANNEL + 1
THREAD = CHANNEL + 7
# As large as Discord's: Lua's numbers could not hold them.
SNOWFLAKE = 1_297_000_000_000_000_011


async def test_a_model_is_chosen_by_its_name_or_as_its_channels(registry: Registry, sync: redis.Redis) -> None:
    register(sync, record())
    for name in (None, "tides", " Tides "):
        assert (await registry.choose_to_write(Viewer(GUILD, [CHANNEL]), name)).model_id == "m1"


async def test_a_thread_has_its_parents_model_until_it_chooses_and_when_its_own_is_gone(
    registry: Registry, sync: redis.Redis
) -> None:
    register(sync, record(model_id="parents", name="parents"))
    own = register(sync, record(model_id="own", name="own", channel_id=THREAD, scope="channel"))
    here = [THREAD, CHANNEL]
    assert (await registry.choose(Viewer(GUILD, here), None)).name == "own"
    assert await registry.remove(own)  # the thread still names it
    assert (await registry.choose(Viewer(GUILD, here), None)).name == "parents"
    current = await registry.current(Viewer(GUILD, here))
    assert current is not None
    assert current.name == "parents"


async def test_a_model_of_another_channel_is_refused_like_one_that_is_not_there(
    registry: Registry, sync: redis.Redis
) -> None:
    hidden = register(sync, record(scope="channel"))
    said = []
    for model_id in (hidden.model_id, "nosuch"):
        with pytest.raises(UserError) as caught:
            await registry.by_id(Viewer(GUILD, [OTHER]), model_id)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "was deleted or made again" in said[0]


@pytest.mark.parametrize(
    ("guild_id", "channel_id", "name", "said"),
    [
        (GUILD, OTHER, None, "`tides`"),
        (GUILD, CHANNEL, "tidse", "Did you mean `tides`"),
        (GUILD + 1, CHANNEL, "tides", "No model called `tides`"),
    ],
)
async def test_who_names_no_model_of_this_channel_is_told_what_there_is(
    registry: Registry, sync: redis.Redis, guild_id: int, channel_id: int, name: str | None, said: str
) -> None:
    register(sync, record())
    with pytest.raises(UserError, match=said):
        await registry.choose(Viewer(guild_id, [channel_id]), name)


async def test_only_its_owner_is_told_where_a_model_of_another_channel_can_be_used(
    registry: Registry, sync: redis.Redis
) -> None:
    hidden = register(sync, record(scope="channel"))
    said = {}
    for user_id in (hidden.owner_id, hidden.owner_id + 1):
        with pytest.raises(UserError, match="No model called `tides`") as caught:
            await registry.choose(Viewer(GUILD, [OTHER], user_id), "tides")
        said[user_id] = caught.value.remedy
    place = f"Yours can be used in <#{CHANNEL}>. There, `!model share tides #CHANNEL` shares it."
    assert said == {hidden.owner_id: place, hidden.owner_id + 1: "`!models` lists those that can."}


async def test_what_goes_on_is_named_after_the_first(registry: Registry, sync: redis.Redis) -> None:
    first = register(sync, record())
    second = register(sync, record(model_id="m2"))
    apollo = register(sync, record(model_id="m3", name="apollo-11"))
    assert second.name == "tides-2"
    names = [await registry.next_name(Viewer(GUILD, [CHANNEL]), model) for model in (first, second, apollo)]
    assert names == ["tides", "tides", "apollo-11"]


async def test_the_starter_writes_where_there_is_no_model(registry: Registry, sync: redis.Redis) -> None:
    assert (await registry.choose_to_write(Viewer(GUILD, [CHANNEL]), None)).model_id == STARTER
    assert [model.name for model in await registry.by_ids(Viewer(GUILD, [CHANNEL]), [STARTER])] == [STARTER]
    with pytest.raises(UserError, match="There is no model here yet"):
        await registry.choose(Viewer(GUILD, [CHANNEL]), None)
    for name in (None, STARTER):  # it is nothing that could be looked at, deleted or shared
        with pytest.raises(UserError):
            await registry.choose(Viewer(GUILD, [CHANNEL]), name)
    assert register(sync, record(name=STARTER)).name == "starter-2"
    with pytest.raises(UserError, match="it has no card"):
        await registry.choose(Viewer(GUILD, [CHANNEL]), STARTER)
    assert (await registry.choose_to_write(Viewer(GUILD, [CHANNEL + 1]), None)).model_id == STARTER
    with pytest.raises(UserError, match="This channel has no model yet"):
        await registry.choose(Viewer(GUILD, [CHANNEL + 1]), None)
    assert (await registry.choose_to_write(Viewer(GUILD, [CHANNEL]), " Starter ")).model_id == STARTER


async def test_renaming_keeps_everything_else_and_frees_the_old_name(registry: Registry, sync: redis.Redis) -> None:
    before = register(sync, record(owner_id=SNOWFLAKE, channel_id=SNOWFLAKE, shared_with=(SNOWFLAKE + 2,)))
    await registry.amend(before, lambda model: model.model_copy(update={"name": "floods"}))
    after = await registry.choose_to_write(Viewer(GUILD, [SNOWFLAKE]), "floods")
    assert after == before.model_copy(update={"name": "floods"})
    assert (await registry.choose(Viewer(GUILD, [SNOWFLAKE]), None)).name == "floods"
    with pytest.raises(UserError, match="No model called `tides`"):
        await registry.choose(Viewer(GUILD, [SNOWFLAKE]), "tides")
    assert register(sync, record(model_id="m2")).name == "tides"


async def test_removing_takes_the_model_out_of_everything_at_once(
    registry: Registry, sync: redis.Redis, client: redis.asyncio.Redis
) -> None:
    model = register(sync, record())
    await registry.use(OTHER, model)
    renamed = await registry.amend(model, lambda model: model.model_copy(update={"name": "floods"}))
    assert renamed.name == "floods"
    assert await registry.remove(model)  # asked before it was renamed
    assert await client.exists(keys.model("m1"), keys.guild_models(GUILD)) == 0
    assert await client.smembers(keys.DELETING) == {b"m1"}
    for channel in (CHANNEL, OTHER):
        assert await registry.current(Viewer(GUILD, [channel])) is None
    assert not await registry.remove(model)
    with pytest.raises(UserError, match="deleted a moment ago"):
        await registry.amend(model, lambda model: model)


async def test_the_models_of_all_channels_count_as_stored(registry: Registry, sync: redis.Redis) -> None:
    register(sync, record(file_bytes=1_000_000, scope="channel"))
    register(sync, record(model_id="m2", name="other", file_bytes=1_000_000))
    register(sync, record(model_id="m3", name="elsewhere", guild_id=GUILD + 1, file_bytes=5))
    assert await registry.stored_bytes(GUILD) == 2_000_000
    assert [model.name for model in await registry.usable(Viewer(GUILD + 1, [CHANNEL]))] == ["elsewhere"]


def test_a_long_list_is_paged_and_fits_a_message() -> None:
    models = [
        record(model_id=f"m{number}", name=f"{'n' * 29}-{number:02d}", corpus_title="*" * 300) for number in range(20)
    ]
    assert model_embeds.pages(models) == 3
    for page in range(3):
        embed = model_embeds.model_list(models, models[0], page, "!")
        assert embed.description is not None
        assert embed.description.count("`n") == (4 if page == 2 else 8)
        assert len(embed.description) <= DESCRIPTION_LIMIT
        assert len(embed) <= 6_000
    assert "▶️ **`" in (model_embeds.model_list(models, models[0], 0, "!").description or "")
    assert "▶️ **`" not in (model_embeds.model_list(models, models[0], 1, "!").description or "")


def test_a_models_card_says_why_it_has_no_picture() -> None:
    embed = model_embeds.model_info(record(), current=False, prefix="?", no_picture="Nobody draws.")
    assert embed.image.url is None
    assert (embed.fields[-1].value or "").startswith("Nobody draws. ")


def test_quality_says_so_when_nothing_was_held_out() -> None:
    assert quality(record()) == "2.52 bits per character"
    assert quality(record(heldout_loss=None)) == "2.16 bits per character of its own text"


async def test_a_damaged_record_does_not_hide_the_others(registry: Registry, sync: redis.Redis) -> None:
    register(sync, record())
    damaged = register(sync, record(model_id="m2", name="damaged"))
    sync.set(keys.model("m2"), json.dumps({**damaged.facts.model_dump(mode="json"), "epochs": "many"}))
    assert [model.name for model in await registry.usable(Viewer(GUILD, [CHANNEL]))] == ["tides"]


async def test_no_name_is_taken_twice_by_renamings_at_once(registry: Registry, sync: redis.Redis) -> None:
    models = [register(sync, record(model_id=f"m{number}", name=f"model-{number}")) for number in range(8)]

    async def rename(model: ModelRecord) -> None:
        await registry.amend(model, lambda record: record.model_copy(update={"name": "wanted"}))

    refused = await asyncio.gather(*map(rename, models), return_exceptions=True)
    assert [type(one) for one in refused if one is not None] == [UserError] * 7
    names = [model.name for model in await registry.usable(Viewer(GUILD, [CHANNEL]))]
    assert len(names) == len(set(names)) == 8
    assert names.count("wanted") == 1
    with pytest.raises(UserError, match="`wanted` is already taken"):
        await rename(next(model for model in models if model.name in names))
