# syntax=docker/dockerfile:1
# Everything on one machine, with the playground in place of Discord. Build from the project's folder:
#   docker build -t galvanic-playground -f deploy/playground.Dockerfile .
#   docker run -p 127.0.0.1:8765:8765 galvanic-playground
# Not named by an ARG: Dependabot would not update it.
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base

FROM base AS build
ENV VENV=/opt/galvanic PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# The image's own pip installs into it: one of its own would only be carried along.
RUN python -m venv --without-pip "$VENV"
WORKDIR /src
# What we need, without our own code and texts, so that this layer outlives a change of them.
COPY pyproject.toml constraints.txt ./
# TensorFlow's headers and libclang are for those who build upon it.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python "$VENV/bin/python" install -c constraints.txt --group run --group bot --group worker --group playground \
    && rm -rf "$VENV"/lib/python3*/site-packages/tensorflow/include "$VENV"/lib/python3*/site-packages/clang \
    && find "$VENV/lib" -depth -type d -name tests -exec rm -rf {} +

FROM base
# Fonts for pictures of texts (16 MB): emoji; Chinese, Japanese and Korean.
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-noto-color-emoji fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 galvanic \
    && useradd --uid 10001 --gid galvanic --home-dir /data --no-create-home --shell /usr/sbin/nologin galvanic \
    && install -d -o galvanic -g galvanic /data
COPY --from=build /opt/galvanic /opt/galvanic
COPY galvanic /opt/app/galvanic
COPY shared /opt/app/shared
COPY bot /opt/app/bot
COPY worker /opt/app/worker
COPY playground /opt/app/playground
COPY launcher /opt/app/launcher
# Compiled here, because nothing can be written where it runs.
RUN /opt/galvanic/bin/python -m compileall -q /opt/app
# PYTHONSAFEPATH: nothing is imported from the working directory, which can be written to.
# GALVANIC_PLAYGROUND_LISTEN: the engine publishes the port from the container's own address.
ENV PATH=/opt/galvanic/bin:$PATH PYTHONPATH=/opt/app PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data KERAS_HOME=/tmp/keras MPLCONFIGDIR=/tmp/matplotlib GALVANIC_PLAYGROUND_LISTEN=0.0.0.0
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8765
ENTRYPOINT ["python", "-m", "launcher"]
