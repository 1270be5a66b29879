# longshore-backup and longshore-restore: a shop's database as a dump, and the list of its media, to a bucket and back.
#
#   docker build -f images/backup.Dockerfile -t longshore-backup:0.1.0 .
#
# Its own image, as shops need neither a client of the database nor one of the bucket.
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim
FROM ${DEBIAN_IMAGE}
ARG SOURCE_DATE_EPOCH=1
# Not pinned: within a release, Debian's versions change for security fixes only, and old ones leave the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates mariadb-client rclone zstd \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*
COPY images/backup/ /usr/local/bin/
# Written where a pod can write.
ENV HOME=/tmp
USER 10001:10001
LABEL org.opencontainers.image.title=longshore-backup \
      org.opencontainers.image.description="Copies a shop's database and the list of its media to a bucket, and back" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.vendor=Longshore
CMD ["longshore-backup"]
