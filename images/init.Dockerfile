# longshore-init and longshore-agent, and what they need to run, nothing else: no shell, no package manager, no root.
#
#   docker build -f images/init.Dockerfile -t longshore-init:0.1.0 .
#
# Pin both bases by digest where images are built for production, as a tag can move:
#   --build-arg RUST_IMAGE=docker.io/library/rust@sha256:… --build-arg DEBIAN_IMAGE=docker.io/library/debian@sha256:…
# For the same bytes twice, also give SOURCE_DATE_EPOCH and `--output type=image,rewrite-timestamp=true` (BuildKit).
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# The path of the build is no part of the binary; locked, so that the build takes no newer dependency than the tests did.
ENV RUSTFLAGS="--remap-path-prefix=/src=longshore --remap-path-prefix=/usr/local/cargo=cargo -C strip=symbols"
RUN cargo build --locked --release --package init --package agent --bin longshore-init --bin longshore-agent

# glibc and not musl: its allocator serves many threads at once, and names resolve as they do in the node's other containers.
FROM ${DEBIAN_IMAGE} AS root
# Not pinned: the newest certificates are the right ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /image
COPY --from=build /src/target/release/longshore-init /src/target/release/longshore-agent usr/local/bin/
# The libraries that the binaries name, and the two that glibc opens by itself to resolve names.
RUN mkdir -p etc/ssl/certs \
    && cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/ \
    && printf 'longshore:x:65532:65532::/:/nonexistent\n' > etc/passwd \
    && printf 'longshore:x:65532:\n' > etc/group \
    && printf 'hosts: files dns\n' > etc/nsswitch.conf \
    && ldd usr/local/bin/* > /tmp/libraries \
    && for library in $(grep -oE '[[:space:]]/[^ ]*' /tmp/libraries) /lib/*-linux-gnu/libnss_dns.so.2 /lib/*-linux-gnu/libresolv.so.2; do \
        cp --parents --dereference "$library" . || exit 1; \
    done

FROM scratch
COPY --from=root /image/ /
# As a number: the kubelet cannot tell from a name that it is not root (runAsNonRoot).
USER 65532:65532
# A sidecar says `command: [/usr/local/bin/longshore-agent]`.
ENTRYPOINT ["/usr/local/bin/longshore-init"]
