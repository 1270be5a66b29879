# longshore-init, longshore-agent, longshore-scheduler, longshore-watch and longshore-console by themselves: no shell, no package
# manager, no root.
#
#   docker build -f images/longshore.Dockerfile --target init -t longshore-init:0.1.0 .       (and agent, scheduler, watch, console)
#
# Build binaries.Dockerfile first; about pinning, labels and the same bytes twice, see there.
ARG BINARIES_IMAGE=longshore-binaries:0.1.0

FROM ${BINARIES_IMAGE} AS binaries

FROM scratch AS root
COPY --from=binaries /etc/ /etc/
COPY --from=binaries /opt/longshore/lib/ /opt/longshore/lib/
ENV PATH=/opt/longshore/bin
# As a number: the kubelet cannot tell from a name that it is not root (runAsNonRoot).
USER 65532:65532
LABEL org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.vendor=Longshore

FROM root AS init
LABEL org.opencontainers.image.title=longshore-init \
      org.opencontainers.image.description="Puts the release in force on a pod's disk before its other containers start"
COPY --from=binaries /opt/longshore/bin/longshore-init /opt/longshore/bin/
ENTRYPOINT ["longshore-init"]

# With longshore-init, as every pod that has an agent starts with it: `command: [longshore-init]`.
FROM root AS agent
LABEL org.opencontainers.image.title=longshore-agent \
      org.opencontainers.image.description="Keeps a running pod on the newest release that works"
COPY --from=binaries /opt/longshore/bin/longshore-init /opt/longshore/bin/longshore-agent /opt/longshore/bin/
ENTRYPOINT ["longshore-agent"]

FROM root AS scheduler
LABEL org.opencontainers.image.title=longshore-scheduler \
      org.opencontainers.image.description="Turns shops into Kubernetes objects, and moves them from release to release"
COPY --from=binaries /opt/longshore/bin/longshore-scheduler /opt/longshore/bin/
ENTRYPOINT ["longshore-scheduler"]

FROM root AS watch
LABEL org.opencontainers.image.title=longshore-watch \
      org.opencontainers.image.description="Gathers the errors of all shops, and asks whether their domains answer"
COPY --from=binaries /opt/longshore/bin/longshore-watch /opt/longshore/bin/
ENTRYPOINT ["longshore-watch"]

FROM root AS console
LABEL org.opencontainers.image.title=longshore-console \
      org.opencontainers.image.description="Shows the shops of a cluster in a browser, and changes them as the person who clicks"
COPY --from=binaries /opt/longshore/bin/longshore-console /opt/longshore/bin/
ENTRYPOINT ["longshore-console"]
