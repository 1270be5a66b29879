# The base of a shop's pods: nginx, php-fpm, longshore-init and longshore-agent in one image, so that a node pulls and keeps one.
# It holds no shop: sources come from the store when the pod starts.
#
#   docker build -f images/shop-base.Dockerfile -t longshore-shop:0.1.0 .
#
# Build init.Dockerfile first; pin by digest as described there.
ARG INIT_IMAGE=longshore-init:0.1.0
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${INIT_IMAGE} AS init

FROM ${DEBIAN_IMAGE}
# Not pinned: within bookworm, Debian's versions change for security fixes only, and old ones leave the mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates \
        nginx-light \
        php8.2-fpm php8.2-bcmath php8.2-curl php8.2-gd php8.2-intl php8.2-mbstring php8.2-mysql php8.2-soap php8.2-xml php8.2-zip \
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/default \
    && groupadd --gid 10001 shop \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shop
COPY images/shop/nginx.conf /etc/nginx/nginx.conf
COPY images/shop/php-fpm.conf /etc/php/8.2/fpm/php-fpm.conf
COPY images/shop/php.ini /etc/php/8.2/fpm/conf.d/90-longshore.ini
COPY --from=init /usr/local/bin/longshore-init /usr/local/bin/longshore-agent /usr/local/bin/
USER 10001:10001
EXPOSE 8080
# nginx stops taking connections and finishes the requests it has.
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
