"""What a person chose, laid over the default plan; what cannot be is refused before anything is built."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from galvanic.errors import UserError
from galvanic.options import TrainOptions, refuse_for_classic
from galvanic.plan import Plan

DEFAULT_EMBEDDING = 64  # width, where the plan had another encoding
_MOST_SHARE = 0.8  # of the machine's memory


def apply_options(plan: Plan, options: TrainOptions) -> Plan:
    """The plan with what the person chose in place of its defaults.

    `units` holds for every layer; more `layers` than the plan's are as wide as its last. Who chooses either gets one
    network, whatever there would have been time for. At a `dropout` of 0 nothing at all is dropped. Raises UserError
    for choices that contradict each other or the recipe, and for a network too large for this machine.
    """
    network: dict[str, Any] = {}
    units = plan.network.units
    if options.units is not None:
        units = (options.units,) * len(units)
    if options.layers is not None:
        units = units[: options.layers] + units[-1:] * (options.layers - len(units))
    network["units"] = units
    if options.units is not None or options.layers is not None:
        network["members"] = 1
    if plan.network.kind == "windows":
        refuse_for_classic(options)
    else:
        network.update(_encoding(plan, options))
    if options.dropout is not None:
        network["dropout"] = options.dropout
        if not options.dropout:
            network.update(input_dropout=0.0, recurrent_weight_dropout=0.0)
    update: dict[str, Any] = {"network": plan.network.model_copy(update=network)}
    for name in ("batch", "length", "learning_rate"):
        if getattr(options, name) is not None:
            update[name] = getattr(options, name)
    chosen = plan.model_copy(update=update)
    _check_memory(chosen, memory_bytes())
    return chosen


def fit_to_text(plan: Plan, symbols: int) -> tuple[Plan, tuple[str, ...]]:
    """The plan with streams no longer than the symbols to learn from allow, and a note where that changed it."""
    if plan.network.kind == "windows":
        return plan, ()
    batch = max(1, min(plan.batch, symbols // (plan.length + 1)))
    length = max(1, min(plan.length, symbols // batch - 1))
    if (batch, length) == (plan.batch, plan.length):
        return plan, ()
    note = (
        f"The text is too short for {plan.batch:,} streams of {plan.length:,} at a time: "
        f"it was read in {batch:,} of {length:,}."
    )
    return plan.model_copy(update={"batch": batch, "length": length}), (note,)


def _encoding(plan: Plan, options: TrainOptions) -> dict[str, Any]:
    if options.encoding == "one-hot":
        if options.embedding is not None:
            raise UserError(
                "`--encoding one-hot` has no embedding.", "Leave out --embedding, or choose `--encoding embedding`."
            )
        return {"encoding": "one-hot", "embedding": 0}
    if options.encoding is None and options.embedding is None:
        return {}
    width = options.embedding or plan.network.embedding or DEFAULT_EMBEDDING
    return {"encoding": "embedding", "embedding": width}


def spare_memory() -> int | None:
    """Bytes that a training may take on this machine; None where that is unknown."""
    memory = memory_bytes()
    return None if memory is None else int(_MOST_SHARE * memory)


def _check_memory(plan: Plan, memory: int | None) -> None:
    needed = plan.memory()
    if memory is not None and needed > _MOST_SHARE * memory:
        raise UserError(
            f"A network of {plan.network.parameters():,} parameters, {plan.batch:,} texts at a time, needs about "
            f"{needed / 2**30:,.1f} GB of memory to learn; this machine has {memory / 2**30:,.1f}.",
            "Choose fewer layers or units, or a smaller batch or length.",
        )


def memory_bytes() -> int | None:
    """Bytes that this process may use: the machine's, or its container's; None where that is unknown."""
    try:
        found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on Windows
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
    except OSError:
        return found
    return min(found, int(limit)) if limit.isdigit() else found
