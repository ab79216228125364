# syntax=docker/dockerfile:1
# The Discord side. Build from the project's folder: docker build -f docker/bot.Dockerfile .
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/galvanic
ENV PATH=/opt/galvanic/bin:$PATH
WORKDIR /src
# What we need first, without our own code, so that this layer outlives a change of it.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/pip pip install -c constraints.txt ".[bot]"
COPY shared shared
COPY bot bot
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --force-reinstall -c constraints.txt .

FROM python:${PYTHON}-slim
RUN groupadd --gid 10001 galvanic \
    && useradd --uid 10001 --gid galvanic --home-dir /data --no-create-home --shell /usr/sbin/nologin galvanic \
    && install -d -o galvanic -g galvanic /data
COPY --from=build /opt/galvanic /opt/galvanic
ENV PATH=/opt/galvanic/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
WORKDIR /data
USER 10001:10001
VOLUME /data
ENTRYPOINT ["python", "-m", "bot"]
