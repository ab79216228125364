"""The worker's commands: `python -m worker`, and a plugin of `galvanic` in a checkout."""

import argparse
import asyncio
import socket

from galvanic.cli import run
from galvanic.cli.base import Cli, report
from galvanic.errors import UserError
from galvanic.host import cores
from galvanic.read.formats import FileText, read_paths
from shared import hardware
from shared.corpora.sources import UnknownText, in_folder, names, resolve
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.logging import configure_logging
from shared.presence import health_command
from shared.settings import Settings, get_settings, read_settings


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status; 78: the settings are wrong."""
    cli = Cli("python -m worker")
    _add_commands(cli, "serve")
    return run(cli, arguments)


def register(cli: Cli) -> None:
    """Add the commands to those of the engine, and give it the server's texts and settings."""
    cli.named = named_text
    cli.limits = lambda: get_settings().train_limits
    cli.length = lambda: get_settings().generate_length
    _add_commands(cli, "worker")


def _add_commands(cli: Cli, serve_as: str) -> None:
    cli.add(
        "doctor",
        "Check this installation, and say what to do where it cannot work as it should.",
        lambda options: _doctor(options, cli),
    )
    cli.add("devices", "List what trainings can run on here: GPUs, or the cores of the processor.", _devices)
    summary = "Train or write, whatever the queue asks for, until told to stop."
    serve = cli.add(serve_as, summary, _serve, json=False)
    serve.add_argument("queue", choices=(TRAIN_QUEUE, GENERATE_QUEUE))
    health = cli.add("health", "End with 0 when a worker of this host serves the queue.", _health, json=False)
    health.add_argument("queue", choices=(TRAIN_QUEUE, GENERATE_QUEUE))


def named_text(name: str, settings: Settings | None = None) -> FileText:
    """Return a text of `CORPORA_DIR` or the catalogue. Raises UserError: there is none, or it can't be had."""
    settings = settings or get_settings()
    if (path := in_folder(name, settings)) is not None:
        return read_paths([path])
    try:
        corpus = asyncio.run(resolve(name, settings))
    except UnknownText as error:
        remedy = f"{error.guess}Give the path of a text file, or one of these names: {', '.join(names(settings))}."
        raise UserError(error.problem, remedy) from error
    return FileText(corpus.text, corpus.info)


def _doctor(options: argparse.Namespace, cli: Cli) -> int:
    from worker.cli.doctor import doctor  # what it needs takes other commands half a second to import

    return doctor(options, cli.checks)


def _devices(options: argparse.Namespace) -> int:
    """List the GPUs that TensorFlow can use, by the numbers that `CUDA_VISIBLE_DEVICES` takes, or the cores."""
    gpus = hardware.usable_gpus()
    lines = [f"GPU {gpu.index}  {gpu.name}, {gpu.memory_total_mb / 1024:.0f} GB  {gpu.uuid}" for gpu in gpus]
    rows = [{"index": gpu.index, "uuid": gpu.uuid, "name": gpu.name} for gpu in gpus]
    report(
        options.json,
        {"gpus": rows, "cores": cores()},
        lines or [f"No GPU that TensorFlow can use; {hardware.on_cpu()}."],
    )
    return 0


def _serve(options: argparse.Namespace) -> int:
    """Start a worker. Print what is wrong with the settings; all after that is in the log."""
    settings = read_settings()
    from worker.app import app

    configure_logging(options.queue, settings)  # for what Celery says before it is a worker
    app.start(argv=["worker", "-Q", options.queue])  # ends the process when it is told to stop
    return 0


def _health(options: argparse.Namespace) -> int:
    """Check that Redis knows a worker of this host; with WORKER_NAME, the one of that name."""
    settings, here = get_settings(), f"@{socket.gethostname()}:"
    name_has = f"{options.queue}-{settings.worker_name}{here}" if settings.worker_name else here
    return health_command(settings, options.queue, name_has)
