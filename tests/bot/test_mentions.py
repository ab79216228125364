"""Nobody is pinged: every message, edit and followup that reaches Discord says that nothing is to be mentioned."""

import ast
from pathlib import Path
from typing import Any

import bot
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live
from tests.bot.stand_in import StandIn

EDITS = {"edit", "edit_message", "edit_original_response"}
HOSTILE = "@everyone <@1297000000000000022> <@&1297000000000000001>"


def shown(body: Any) -> list[dict[str, Any]]:
    """The messages within a request: the body itself, or what an interaction is answered with."""
    if not isinstance(body, dict):
        return []
    data = body.get("data")
    within = data if "type" in body and isinstance(data, dict) else body
    return [within] if within.get("content") or within.get("embeds") else []


async def test_every_request_mentions_nobody(live: Live) -> None:
    for typed in (f"!{HOSTILE}", f"!frobnicate {HOSTILE}", f"!help {HOSTILE}", f"!train {HOSTILE}", "!status"):
        live.send(typed)
    live.send("hello", person="ben", channel=live.dm())
    live.slash("ada", "help", command=HOSTILE)
    live.slash("ada", "generate", seed=HOSTILE)
    live.slash("ada", "settings")
    live.send("!settings")
    message = await live.until(lambda: live.showing("Settings of"), "the panel")
    live.acts.click(ADA, LAB, message.id, "galvanic:settings:reset")
    await live.until(lambda: "Reset all" in str(message.embeds), "the question")
    live.acts.click(ADA, LAB, message.id, "galvanic:settings:show")
    await live.until(lambda: "Settings of" in str(message.embeds), "the panel again")
    live.acts.click(BEN, LAB, message.id, "galvanic:settings:reset")
    await live.handled()

    def seen() -> list[tuple[str, dict[str, Any]]]:
        requests = live.requests("POST", "PATCH")
        return [(f"{entry.method} {entry.path}", data) for entry in requests for data in shown(entry.json)]

    worker = StandIn(live.bot.settings)
    worker.add_model()
    live.send(f"!generate {HOSTILE}")
    worker.write(await worker.asked(live), HOSTILE, seed=HOSTILE)
    await live.until(lambda: live.showing("random seed 7"), "the text")
    kinds = ("POST /channels/", "PATCH /webhooks/", "POST /webhooks/")
    await live.until(lambda: all(any(path.startswith(kind) for path, _ in seen()) for kind in kinds), "each kind")
    for path, data in seen():
        mentions = data.get("allowed_mentions")
        assert mentions is not None, path
        assert mentions.get("parse") == [], path
        assert not mentions.get("replied_user"), path
        assert not mentions.get("users"), path
        assert not mentions.get("roles"), path


def test_every_edit_in_the_bot_says_so() -> None:
    edits = 0
    for path in Path(bot.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EDITS:
                said = {word.arg: ast.unparse(word.value) for word in node.keywords}
                if "archived" in said:  # a thread, no message
                    continue
                edits += 1
                assert said.get("allowed_mentions") == "NOBODY", f"{path.name}:{node.lineno}"
    assert edits  # most are those of `Press.update`
