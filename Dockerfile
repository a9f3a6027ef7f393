# cnnlab on a CPU: docker build --tag cnnlab .
#   docker run --rm --volume "$PWD:/work" cnnlab train lenet --data digits
FROM python:3.12-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

# First what seldom changes, so that it is cached.
WORKDIR /opt/cnnlab
COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY cnnlab cnnlab
COPY configs configs
# The versions that the tests ran with; pip compiles the bytecode, without which a start takes seconds more.
RUN pip install --compile --constraint requirements.txt '.[onnx,litert,sweep]' \
    && useradd --create-home --uid 1000 cnnlab \
    && mkdir --parents /data /work \
    && chown cnnlab /data /work

USER cnnlab
ENV CNNLAB_DATA_DIR=/data
# Run folders are written to /work/runs, downloads to /data.
WORKDIR /work
VOLUME ["/data", "/work"]
ENTRYPOINT ["cnnlab"]
CMD ["--help"]
