# Our binaries with the libraries that they run on, nothing else: what every other image copies from. It is never run itself.
#
#   docker build -f images/binaries.Dockerfile -t longshore-binaries:0.1.0 .
#
# Pin the base by digest where images are built for production, as a tag can move:
#   --build-arg RUST_IMAGE=docker.io/library/rust@sha256:…
# Say which sources an image is of: --label org.opencontainers.image.revision=$(git rev-parse HEAD) --label org.opencontainers.image.version=0.1.0
# For the same bytes twice, also give SOURCE_DATE_EPOCH and `--output type=image,rewrite-timestamp=true` (BuildKit).
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm

FROM ${RUST_IMAGE} AS build
# The image's own toolchain: rust-toolchain.toml asks for linters, too, which rustup would download for nothing.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
# hadolint ignore=DL3008
RUN command -v setcap || { apt-get update && apt-get install --yes --no-install-recommends libcap2-bin; }
RUN images/binaries /image

FROM scratch
COPY --from=build /image/ /
