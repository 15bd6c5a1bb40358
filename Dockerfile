# Two images: `docker build --target serin .` is the agent, `docker build --target serin-loadtester .` the load tester.
# What they are built on is named by a tag here, and by a digest once `make pin-images` has asked the registry for it:
# `make image` passes what that wrote.
ARG GO_IMAGE=golang:1.26
ARG PYTHON_IMAGE=python:3.13-slim

# The programs of hooks, compiled on the building machine for the image's: emulated, it would take an hour.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS hook-programs
ARG TARGETARCH
ENV CGO_ENABLED=0 GOOS=linux GOARCH=${TARGETARCH} GOFLAGS="-trimpath -buildvcs=false"
# The sandbox's modules pin some of them, so that hooks behave in the cluster as in the demo.
COPY sandbox/tools /src/sandbox
COPY loadtester/tools /src/loadtester
RUN mkdir /programs \
    && build() { cd "/src/$1" && go build -ldflags="-s -w" -o "/programs/$2" "$3"; } \
    && build sandbox/cluster hey github.com/rakyll/hey \
    && build sandbox/cluster kubectl k8s.io/kubernetes/cmd/kubectl \
    && build sandbox/helm3 helm helm.sh/helm/v3/cmd/helm \
    && build loadtester/ghz ghz github.com/bojand/ghz/cmd/ghz \
    && build loadtester/grpc-health-probe grpc_health_probe github.com/grpc-ecosystem/grpc-health-probe

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --create-home app
WORKDIR /home/app

FROM base AS serin-packages
COPY requirements.txt ./
RUN python -m venv /opt/venv \
    && pip install --no-cache-dir --require-hashes -r requirements.txt \
    && python -m compileall -q /opt/venv

FROM base AS loadtester-packages
COPY loadtester/requirements.txt ./
RUN python -m venv /opt/venv \
    && pip install --no-cache-dir --require-hashes -r requirements.txt \
    && python -m compileall -q /opt/venv

FROM base AS serin-loadtester
# What the commands of hooks are made of; wget is for the probes in manifests made for Flagger.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash bats ca-certificates curl jq wget wrk \
    && rm -rf /var/lib/apt/lists/*
COPY --from=hook-programs /programs /usr/local/bin
COPY --from=loadtester-packages /opt/venv /opt/venv
COPY service /app/service
COPY loadtester /app/loadtester
# Manifests made for Flagger start `./loadtester`.
RUN printf '#!/bin/sh\nexec python -m loadtester "$@"\n' > loadtester && chmod 0755 loadtester \
    && python -m compileall -q /app
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "loadtester"]

FROM base AS serin
COPY --from=serin-packages /opt/venv /opt/venv
COPY canary /app/canary
COPY render /app/render
COPY certs /app/certs
COPY kube /app/kube
COPY service /app/service
COPY agent /app/agent
COPY webhook /app/webhook
COPY cli /app/cli
# `kubectl exec deployment/serin-agent -- serin get`, and `docker run --entrypoint serin ...` as a client.
RUN printf '#!/bin/sh\nexec python -m cli "$@"\n' > /usr/local/bin/serin && chmod 0755 /usr/local/bin/serin \
    && python -m compileall -q /app
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "agent"]
