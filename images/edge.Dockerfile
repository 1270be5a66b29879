# The edge: HAProxy, and longshore-edge, which keeps it as the cluster says and gets certificates. What a container of it is, its
# command says:
#
#   longshore-edge agent · longshore-edge issue · longshore-edge-haproxy
#
#   docker build -f images/edge.Dockerfile -t longshore-edge:0.1.0 .
#
# Build binaries.Dockerfile first; about pinning, labels and the same bytes twice, see there.
ARG BINARIES_IMAGE=longshore-binaries:0.1.0
# HAProxy 3.0: that of the Debian before has no HTTP/3.
ARG DEBIAN_IMAGE=docker.io/library/debian:trixie-slim

FROM ${BINARIES_IMAGE} AS binaries

FROM ${DEBIAN_IMAGE}
ARG SOURCE_DATE_EPOCH=1
# Not pinned: within a release, Debian's versions change for security fixes only, and old ones leave the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates haproxy \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /etc/machine-id /etc/haproxy /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-
COPY images/edge/ /etc/edge/
COPY --from=binaries /opt/longshore/lib/ /opt/longshore/lib/
COPY --from=binaries /opt/longshore/bin/longshore-edge /opt/longshore/bin/
RUN ln -s /etc/edge/longshore-edge-haproxy /usr/local/bin/
# What a pod may set; images/edge/haproxy.cfg and `longshore-edge agent --help` say what each means.
ENV PATH=/opt/longshore/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    EDGE_ALT_SVC= \
    EDGE_CONNECTIONS=20000 \
    EDGE_HOLD=/etc/edge/hold.lua \
    EDGE_HOLD_REQUESTS=1000 \
    EDGE_HOLD_SECONDS=60 \
    EDGE_HTTP=:8080,:::8080 \
    EDGE_HTTPS=:8443,:::8443 \
    EDGE_METRICS=:8404,:::8404 \
    EDGE_PAGES=/etc/edge/pages \
    EDGE_QUIC=quic4@:8443,quic6@:::8443 \
    EDGE_RATE=600 \
    EDGE_RUN=/run/edge \
    EDGE_SHOP=1000
USER 10003:10003
EXPOSE 8080 8443
CMD ["longshore-edge-haproxy"]
LABEL org.opencontainers.image.description="HAProxy for the domains of all shops, and what keeps it as the cluster says" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.title=longshore-edge \
      org.opencontainers.image.vendor=Longshore
