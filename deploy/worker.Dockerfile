# syntax=docker/dockerfile:1
# The worker side; one image for training and generating. Build from the project's folder:
#   docker build -f deploy/worker.Dockerfile .
#   docker build -f deploy/worker.Dockerfile --build-arg GROUP=worker-gpu .
# Not named by an ARG: Dependabot would not update it.
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base

FROM base AS build
# worker: TensorFlow for the CPU. worker-gpu: with the CUDA libraries; the host needs only the driver.
ARG GROUP=worker
ENV VENV=/opt/galvanic PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# The image's own pip installs into it: one of its own would only be carried along.
RUN python -m venv --without-pip "$VENV"
WORKDIR /src
# What we need, without our own code and texts, so that this layer outlives a change of them.
COPY pyproject.toml constraints.txt ./
# TensorFlow's headers and libclang are for those who build upon it.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python "$VENV/bin/python" install -c constraints.txt --group "${GROUP}" --group s3 \
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
COPY worker /opt/app/worker
# Compiled here, because nothing can be written where it runs.
RUN /opt/galvanic/bin/python -m compileall -q /opt/app
# PYTHONSAFEPATH: nothing is imported from the working directory, which can be written to.
# Keras and matplotlib want to write a configuration; the root file system is read-only.
ENV PATH=/opt/galvanic/bin:$PATH PYTHONPATH=/opt/app PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data KERAS_HOME=/tmp/keras MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /data
USER 10001:10001
VOLUME /data
ENTRYPOINT ["python", "-m", "worker"]
CMD ["serve", "train"]
