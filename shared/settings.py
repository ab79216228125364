"""All settings, read from the environment, from `.env` in the working directory, and from secrets that lie in files.

`.env.example` explains each one for the operator. Where several have a setting, the first of these counts. A secret's
file is called as its setting (`discord_token`); Docker and systemd put them where `secret_folders` looks.
"""

import contextlib
import difflib
import functools
import os
import re
import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    SettingsConfigDict,
    SettingsError as SourceError,
)

from galvanic.errors import UserError
from galvanic.options import TrainLimits

ANSWER_WITHIN_S = 840  # an interaction's token lives for 15 minutes; one is left for posting the answer
_MONTH_MINUTES = 43_200  # a job is kept for a month
_DAY_S = 86_400
_ENV_FILE = "GALVANIC_ENV_FILE"
"""The variable that names another file than `.env`; empty: none is read."""
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


def secret_folders() -> tuple[Path, ...]:
    """Return SECRETS_DIR, or else Docker's; then systemd's, which goes first: those that this user may look into."""
    folders = (os.environ.get("SECRETS_DIR") or "/run/secrets", os.environ.get("CREDENTIALS_DIRECTORY"))
    return tuple(Path(name) for name in folders if name and Path(name).is_dir() and os.access(name, os.R_OK | os.X_OK))


class Settings(BaseSettings):
    """All settings. `.env.example` says what each is for, and what it means where it is empty."""

    model_config = SettingsConfigDict(
        env_file=os.environ.get(_ENV_FILE, ".env"),
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    # Discord
    discord_token: SecretStr | None = None
    command_prefix: str = Field(
        "!",
        max_length=5,
        pattern=r"^[^`/@\p{C}\p{Z}][^`\p{C}\p{Z}]*$",
        description="no spaces, backticks or invisible characters, and no / or @ at its start",
    )
    discord_api_url: str | None = None
    discord_gateway_url: str | None = None

    # Redis and files
    redis_url: SecretStr | None = None
    redis_password: SecretStr | None = None
    redis_ca_file: Path | None = None
    redis_cert_file: Path | None = None
    redis_key_file: Path | None = None
    data_dir: Path = Path("data")
    model_store: str | None = None
    aws_endpoint_url: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None  # for temporary credentials
    aws_default_region: str | None = None
    corpora_dir: Path | None = None

    # Texts
    gutenberg_mirrors: tuple[Annotated[str, Field(pattern=r"^https?://[^\s\[\]]+\{number\}")], ...] = Field(
        (
            "https://www.gutenberg.org/cache/epub/{number}/pg{number}.txt",
            "https://aleph.pglaf.org/cache/epub/{number}/pg{number}.txt",
            "https://gutenberg.pglaf.org/cache/epub/{number}/pg{number}.txt",
        ),
        description="addresses that begin with https:// or http:// and have {number} in place of the book's number",
    )
    corpus_max_mb: float = Field(20.0, gt=0, le=2_000)

    # Training and generating
    train_minutes: float = Field(8.0, gt=0, le=_MONTH_MINUTES)  # by the recipe `char`, at most
    train_max_minutes: float = Field(180.0, ge=0.1, le=_MONTH_MINUTES)
    train_max_epochs: int = Field(500, ge=1, le=99_999)
    checkpoint_every_s: float = Field(60.0, ge=1, le=3_600)  # each takes about three times the model's size
    generate_length: int = Field(300, ge=1, le=1_000_000)
    generate_max_length: int = Field(4_000, ge=1, le=1_000_000)
    generate_timeout_s: int = Field(60, ge=5, le=ANSWER_WITHIN_S)
    generate_jobs: int = Field(256, ge=1)
    warm_models: int = Field(4, ge=1)
    train_workers: int | None = Field(None, ge=1, le=64)
    train_jobs_per_user: int = Field(2, ge=1)
    train_jobs_per_server: int = Field(4, ge=1)
    train_cooldown_s: float = Field(10.0, ge=0, le=_DAY_S)
    generate_cooldown_s: float = Field(2.0, ge=0, le=_DAY_S)
    chat_cooldown_s: float = Field(5.0, ge=0, le=_DAY_S)
    server_disk_mb: float = Field(2_000.0, gt=0)
    import_max_mb: float = Field(25.0, gt=0, le=500)

    # Channels as texts
    channel_training: Literal["off", "opt-in", "opt-out"] = "off"
    channel_training_without_asking: bool = False
    channel_model_days: float = Field(30.0, gt=0, le=3_650)
    forget_within_hours: float = Field(24.0, gt=0, le=720)
    members_intent: bool = False

    # Running
    worker_name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$",
        description="up to 32 letters, digits, - and _, the first of them a letter or digit",
    )
    playground_port: int = Field(8765, ge=0, le=65535, validation_alias=AliasChoices("PORT", "playground_port"))
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_port: int | None = Field(None, ge=1, le=65_000)  # `make run` also takes the next ones
    metrics_host: str = Field("127.0.0.1", min_length=1)

    @field_validator(
        "discord_token", "redis_url", "redis_password", "aws_secret_access_key", "aws_session_token", mode="before"
    )
    @classmethod
    def _filled_in(cls, value: Any) -> Any:
        """Return a secret; None for an empty file, which is yet to be filled in."""
        return value or None

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if self.channel_training == "opt-out" and not self.channel_training_without_asking:
            raise ValueError(
                "CHANNEL_TRAINING=opt-out takes the words of members who were never asked; it needs "
                "CHANNEL_TRAINING_WITHOUT_ASKING=yes as well, after reading docs/privacy.md"
            )
        return self

    @model_validator(mode="after")
    def _usable_tls(self) -> Self:
        """Check the TLS files now: Redis' client would fail only at connecting, with an error that explains nothing."""
        if (self.redis_cert_file is None) != (self.redis_key_file is None):
            raise ValueError("REDIS_CERT_FILE and REDIS_KEY_FILE belong together: set both, or neither")
        if self.redis_ca_file is None and self.redis_cert_file is None:
            return self
        if self.redis_url is not None and self.redis_url.get_secret_value().startswith("redis://"):
            raise ValueError(
                "there is a certificate for Redis (REDIS_CA_FILE or REDIS_CERT_FILE), but nothing would be encrypted: "
                "let REDIS_URL begin with rediss:// and name the port for TLS"
            )
        context = ssl.create_default_context()
        at = "REDIS_CA_FILE"
        try:
            if self.redis_ca_file is not None:
                context.load_verify_locations(self.redis_ca_file)
            at = "REDIS_CERT_FILE or REDIS_KEY_FILE"
            if self.redis_cert_file is not None:
                context.load_cert_chain(self.redis_cert_file, self.redis_key_file, password="")
        except (ssl.SSLError, ValueError):  # nobody is there to type a passphrase
            raise ValueError(f"{at} cannot be used (not in PEM, or a key with a passphrase)") from None
        except OSError as error:
            raise ValueError(f"{at} cannot be used ({error.strerror})") from None
        return self

    @field_validator("data_dir", "corpora_dir", "redis_ca_file", "redis_cert_file", "redis_key_file")
    @classmethod
    def _expand(cls, value: Path | None) -> Path | None:
        try:
            return value.expanduser().resolve() if value is not None else None
        except RuntimeError:
            raise ValueError(f"{value} names a home folder that is not known") from None

    @field_validator("redis_url")
    @classmethod
    def _is_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        """Check the address here: an error at connecting would show a piece of the password."""
        if value is None or not value.get_secret_value().strip():
            return None
        with contextlib.suppress(ValueError):
            parts = urlsplit(value.get_secret_value())
            if parts.scheme in ("redis", "rediss", "unix") and parts.port != 0:
                return value
        raise ValueError(
            "it is written redis://USER:PASSWORD@HOST:6379/0 (or rediss://, unix:///PATH); in a password / is %2F, "
            "@ is %40, : is %3A and # is %23"
        )

    @property
    def redis_address(self) -> str:
        """The URL in force: the setting, else the one `make run` left in the data folder, else the usual port.

        With `redis_password`, if it has no password itself. May hold one: never log it.
        """
        if self.redis_url is not None:
            return self._with_password(self.redis_url.get_secret_value())
        try:
            # The Redis of `make run` asks for none.
            return self.redis_url_file.read_text("utf-8").strip() or DEFAULT_REDIS_URL
        except OSError:
            return self._with_password(DEFAULT_REDIS_URL)

    def _with_password(self, url: str) -> str:
        """Return the address with the password. That of a socket without a user needs none: its file has rights."""
        try:
            parts = urlsplit(url)
        except ValueError:  # not a URL; whoever connects says so
            return url
        if self.redis_password is None or parts.password or (parts.scheme == "unix" and not parts.username):
            return url
        user, _, where = parts.netloc.rpartition("@")
        password = quote(self.redis_password.get_secret_value(), safe="")
        return urlunsplit(parts._replace(netloc=f"{user.rstrip(':')}:{password}@{where}"))

    @property
    def redis_tls(self) -> dict[str, Any] | None:
        """Return TLS options for redis-py, and Celery's `broker_use_ssl`; None: without TLS. The URL's own go first.

        Written out, because kombu 5.7 takes any certificate when it is told nothing.
        """
        if not self.redis_address.startswith("rediss://"):
            return None
        files = {
            "ssl_ca_certs": self.redis_ca_file,
            "ssl_certfile": self.redis_cert_file,
            "ssl_keyfile": self.redis_key_file,
        }
        return {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            **{name: str(path) for name, path in files.items() if path is not None},
        }

    @property
    def redis_url_file(self) -> Path:
        """Return the file in which `make run` writes the address of the Redis it started."""
        return self.data_dir / "run" / "redis.url"

    @property
    def broker_url(self) -> str:
        """Return `redis_address` as Celery wants it: kombu calls a Unix socket `redis+socket://`."""
        return self.redis_address.replace("unix://", "redis+socket://", 1)

    @property
    def train_limits(self) -> TrainLimits:
        return TrainLimits(minutes=self.train_minutes, checkpoint_s=self.checkpoint_every_s)

    @property
    def model_store_url(self) -> str:
        return self.model_store or str(self.data_dir / "models")


class SettingsError(UserError):
    """A setting cannot be used; names it without showing its value."""

    exit_status = 78  # sysexits.h: retrying cannot help


def read_settings() -> Settings:
    """Read the settings. Raises SettingsError: one cannot be used."""
    try:
        return Settings(_secrets_dir=secret_folders())
    except ValidationError as error:
        raise SettingsError(
            f"These settings cannot be used: {'; '.join(map(_in_words, error.errors()))}.",
            "Correct them in .env or in the environment; .env.example explains each.",
        ) from None
    except (SourceError, OSError, UnicodeDecodeError) as error:  # of a setting, or of .env itself
        field = re.search(r'field "(\w+)"', str(error))
        cause = error.__cause__ if field else error
        why = 'it takes JSON, for a list ["a", "b"]'
        if isinstance(cause, OSError | UnicodeDecodeError):
            why = getattr(cause, "strerror", None) or "it is no text in UTF-8"
        what = f"The setting {field[1].upper()}" if field else "The file .env"
        raise SettingsError(
            f"{what} cannot be read ({why}).", "Correct it in .env, in the environment, or in the file that it is in."
        ) from None


def _in_words(error: ErrorDetails) -> str:
    """Describe an error without its value, which may be a secret on a wrong line."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name = str(error["loc"][0])
    if error["type"] == "string_pattern_mismatch":
        message = f"it takes {Settings.model_fields[name].description}"
    return f"{name.upper()}: {re.sub('^(Input|String) ', 'it ', message).partition(', unable')[0]}"


@functools.cache
def get_settings() -> Settings:
    """Return the settings, read once; raises as `read_settings`."""
    return read_settings()


def misspelt() -> list[str]:
    """Return a remark on each name in `.env` that is no setting but resembles one. None without `.env.example`."""
    example = Path(__file__).parents[1] / ".env.example"
    names = re.findall(r"^#?([A-Z]\w*)=", example.read_text("utf-8") if example.exists() else "", re.MULTILINE)
    others = {name.upper() for name in DotEnvSettingsSource(Settings).env_vars} - set(names)
    typed = filter(re.compile(r"\w+").fullmatch, sorted(others))  # else a secret after a colon is a part of the name
    nearest = {name: difflib.get_close_matches(name, names, 1, 0.75) for name in typed}
    return [f".env: {name} is no setting. Do you mean {near[0]}?" for name, near in nearest.items() if near]


def for_children() -> dict[str, str]:
    """Return the environment that hands the settings of `.env` down as they are now: an edit waits for a restart.

    Without the token for Discord, which the bot alone needs.
    """
    names = Settings.model_fields.keys() - {"discord_token"}
    return {
        name.upper(): value
        for name, value in DotEnvSettingsSource(Settings).env_vars.items()
        if value and name in names and not os.environ.get(name.upper())
    } | {_ENV_FILE: ""}
