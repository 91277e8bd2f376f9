# Two images from one build:
#   docker build --target operator --tag modelfleet/operator:0.1.0 .
#   docker build --target server   --tag modelfleet/server:0.1.0 .
ARG SWIFT_VERSION=6.3
ARG ONNXRUNTIME_VERSION=1.23.2

FROM swift:${SWIFT_VERSION}-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libcurl4-openssl-dev libyaml-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build -c release --static-swift-stdlib --product modelfleet \
    && swift build -c release --static-swift-stdlib --product modelfleet-server \
    && mkdir /out && cp .build/release/modelfleet .build/release/modelfleet-server /out/

FROM debian:bookworm-slim AS base
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libcurl4 libyaml-0-2 \
    && rm -rf /var/lib/apt/lists/*
USER 65532:65532

FROM base AS operator
COPY --from=build /out/modelfleet /usr/local/bin/modelfleet
ENTRYPOINT ["/usr/local/bin/modelfleet"]
CMD ["operator"]

FROM python:3.12-slim-bookworm AS onnxruntime
ARG ONNXRUNTIME_VERSION
RUN pip install --no-cache-dir --target /wheel onnxruntime==${ONNXRUNTIME_VERSION} \
    && mkdir /out && cp /wheel/onnxruntime/capi/libonnxruntime.so.* /out/libonnxruntime.so

FROM base AS server
COPY --from=onnxruntime /out/libonnxruntime.so /usr/local/lib/libonnxruntime.so
COPY --from=build /out/modelfleet-server /usr/local/bin/modelfleet-server
ENV MODELFLEET_ONNXRUNTIME=/usr/local/lib/libonnxruntime.so
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/modelfleet-server"]
