# The image of a shop's pods: nginx, php-fpm, longshore-init and longshore-agent in one, so that a node pulls and keeps one.
# It holds no shop: sources come from the store when the pod starts. What a container of it is, its command says:
#
#   longshore-init · longshore-agent · php-fpm · php (cron, migrations) · nginx -c /etc/shop/nginx/{php,magento1,magento2}.conf
#   sh with php and longshore (builds)
#
#   docker build -f images/shop.Dockerfile -t longshore-shop:0.1.0 .
#   docker build -f images/shop.Dockerfile --build-arg PHP=7.4 --build-arg DEBIAN_IMAGE=docker.io/library/debian:bullseye-slim …
#
# Build binaries.Dockerfile first; about pinning, labels and the same bytes twice, see there.
ARG BINARIES_IMAGE=longshore-binaries:0.1.0
ARG DEBIAN_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BINARIES_IMAGE} AS binaries

FROM ${DEBIAN_IMAGE}
ARG PHP=8.2
# Also the day on which useradd writes that a password was changed.
ARG SOURCE_DATE_EPOCH=1
# Not pinned: within a release, Debian's versions change for security fixes only, and old ones leave the mirrors.
# What is removed at the end differs from build to build, and is of no use in an image.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        ca-certificates libfcgi-bin nginx-light "php${PHP}-cli" "php${PHP}-fpm" \
        "php${PHP}-bcmath" "php${PHP}-curl" "php${PHP}-gd" "php${PHP}-intl" "php${PHP}-mbstring" "php${PHP}-mysql" "php${PHP}-opcache" \
        "php${PHP}-soap" "php${PHP}-xml" "php${PHP}-xsl" "php${PHP}-zip" \
        "php${PHP}-apcu" "php${PHP}-gmp" "php${PHP}-imagick" "php${PHP}-imap" "php${PHP}-redis" msmtp-mta \
    && groupadd --gid 10001 shop \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shop \
    && ln -s "/usr/sbin/php-fpm${PHP}" /usr/local/bin/php-fpm \
    && ln -s /etc/shop/php-fpm-ping /usr/local/bin/ \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /etc/machine-id /etc/nginx/sites-enabled/default /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- \
    && mkdir -p /srv/shop && install -d -o 10001 -g 10001 /run/shop /var/log/shop
COPY images/shop/ /etc/shop/
# Of sendmail, which is msmtp here, a pod brings the configuration: which relay takes its mails.
RUN mkdir /etc/shop/http.d /etc/shop/nginx.d /etc/shop/php.d /etc/shop/stores.d \
    && ln -s /etc/shop/php/msmtprc /etc/msmtprc \
    && ln -sf /etc/shop/php-fpm.conf "/etc/php/${PHP}/fpm/php-fpm.conf" \
    && for sapi in cli fpm; do \
        ln -s /etc/shop/ini/shop.ini "/etc/php/${PHP}/${sapi}/conf.d/80-shop.ini" \
        && ln -s "/etc/shop/ini/${PHP%%.*}.ini" "/etc/php/${PHP}/${sapi}/conf.d/81-shop.ini" || exit 1; \
    done
COPY --from=binaries /opt/longshore/ /opt/longshore/
# What a pod may set; images/shop/php-fpm.conf says what each means. PHP itself sees none of them.
ENV PATH=/opt/longshore/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PHP_INI_SCAN_DIR=:/etc/shop/php.d \
    PHP_MEMORY_MIB=512 \
    PHP_OPCACHE_MIB=256 \
    PHP_PM=ondemand \
    PHP_REQUESTS=1000 \
    PHP_TIMEOUT=600s \
    PHP_WORKERS=16
USER 10001:10001
EXPOSE 8080
# nginx and php-fpm stop taking connections and finish the requests they have.
STOPSIGNAL SIGQUIT
CMD ["nginx", "-c", "/etc/shop/nginx/php.conf"]
LABEL org.opencontainers.image.description="nginx, php-fpm, longshore-init and longshore-agent; the command says which" \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.title=longshore-shop \
      org.opencontainers.image.vendor=Longshore
