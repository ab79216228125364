# syntax=docker/dockerfile:1
# The worker side; one image for training and generating. Build from the project's folder:
#   docker build -f docker/worker.Dockerfile .
#   docker build -f docker/worker.Dockerfile --build-arg EXTRA=worker-gpu .
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS build
# worker: TensorFlow for the CPU. worker-gpu: with the CUDA libraries; the host needs only the driver.
ARG EXTRA=worker
# More packages, such as s3fs for a model store on S3.
ARG PACKAGES=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/galvanic
ENV PATH=/opt/galvanic/bin:$PATH
WORKDIR /src
# What we need first, without our own code, so that this layer outlives a change of it.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN --mount=type=cache,target=/root/.cache/pip pip install -c constraints.txt ".[${EXTRA}]" ${PACKAGES}
COPY shared shared
COPY worker worker
RUN --mount=type=cache,target=/root/.cache/pip pip install --no-deps --force-reinstall -c constraints.txt .

FROM python:${PYTHON}-slim
RUN groupadd --gid 10001 galvanic \
    && useradd --uid 10001 --gid galvanic --home-dir /data --no-create-home --shell /usr/sbin/nologin galvanic \
    && install -d -o galvanic -g galvanic /data
COPY --from=build /opt/galvanic /opt/galvanic
# Keras and matplotlib want to write a configuration; the root file system is read-only.
ENV PATH=/opt/galvanic/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data \
    KERAS_HOME=/tmp/keras MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /data
USER 10001:10001
VOLUME /data
ENTRYPOINT ["python", "-m", "worker"]
CMD ["serve", "train"]
