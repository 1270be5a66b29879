//! What nginx answers to a request, for each engine.

pub(super) const KEPT: &str = "public, max-age=2592000";
pub(super) const ASKED: &str = "public, max-age=300";
pub(super) const FOR_EVER: &str = "public, max-age=31536000, immutable";
pub(super) const HOUR: &str = "public, max-age=3600";

/// What a path gives: its status, which script ran, and how long it may be kept.
pub(super) type Row = (&'static str, u16, &'static str, &'static str);

pub(super) const MAGENTO: &[Row] = &[
    ("/", 200, "index.php", ""),
    ("/a-category/a-product.html", 200, "index.php", ""),
    ("/index.php/admin/", 200, "index.php", ""),
    ("/media/pic.jpg", 200, "", KEPT),
    ("/media/cache/missing.jpg", 200, "get.php", ""),
    ("/media/export.csv", 200, "", "no-store"),
    ("/media/tmp/catalog/product/new.jpg", 200, "", KEPT),
    ("/robots.txt", 200, "", HOUR),
    ("/sitemap-2.xml", 200, "", HOUR),
    ("/sitemap-3.xml", 200, "index.php", ""),
    ("/favicon.ico", 200, "", "public, max-age=86400"),
    ("/.well-known/acme-challenge/x", 200, "", ASKED),
    // What is denied is what is missing: the shop has a page for it.
    ("/media/customer/1.jpg", 403, "404.php", ""),
    ("/media/custom_options/order/a.jpg", 403, "404.php", ""),
    ("/media/downloadable/files/song.mp3", 403, "404.php", ""),
    ("/media/import/prices.csv", 403, "404.php", ""),
    ("/media/tmp/prices.csv", 403, "404.php", ""),
    ("/media/tmp/catalog/product/new.php", 403, "404.php", ""),
    ("/media/theme_customization/logo.xml", 403, "404.php", ""),
    ("/media/.htaccess", 403, "404.php", ""),
    ("/media/avatar.php", 403, "404.php", ""),
    ("/media/avatar.php/y", 403, "404.php", ""),
    ("/media/avatar.php/y.jpg", 403, "404.php", ""),
    ("/media/avatar.PHP", 403, "404.php", ""),
    ("/media/avatar.php7", 403, "404.php", ""),
    ("/media/avatar.phtml", 403, "404.php", ""),
    ("/media/avatar.phar", 403, "404.php", ""),
    ("/media/avatar.phar/y", 403, "404.php", ""),
    ("/media/avatar.jpg.php", 403, "404.php", ""),
    ("/media/index.php", 403, "404.php", ""),
    ("/media/pic.jpg/y.php", 403, "404.php", ""),
    // A picture, whatever its name.
    ("/media/avatar.php.jpg", 200, "", KEPT),
    ("/errors/local.xml", 403, "404.php", ""),
    ("/errors/default/page.phtml", 403, "404.php", ""),
    ("/errors/default/page.css", 200, "", ASKED),
    ("/cron.php", 403, "404.php", ""),
    ("/cron.php/x", 403, "404.php", ""),
    ("/Index.PHP", 403, "404.php", ""),
    ("/other.php", 403, "404.php", ""),
    ("/dump.sql.gz", 403, "404.php", ""),
    ("/.git/config", 403, "404.php", ""),
    ("/.user.ini", 403, "404.php", ""),
    ("/composer.json", 403, "404.php", ""),
    ("/composer.lock", 403, "404.php", ""),
    ("/LICENSE_AFL.txt", 403, "404.php", ""),
];

pub(super) const MAGENTO1: &[Row] = &[
    ("/api/rest/products?page=2", 200, "api.php", ""),
    ("/api/soap/?wsdl", 200, "api.php", ""),
    ("/api/v2_soap", 200, "api.php", ""),
    ("/api/xmlrpc/", 200, "api.php", ""),
    ("/api.php?type=rest", 200, "api.php", ""),
    ("/api/index/index", 200, "index.php", ""),
    ("/js/lib.js", 200, "", ASKED),
    ("/skin/a.css", 200, "", ASKED),
    ("/skin/missing.css", 404, "404.php", ""),
    ("/media/js/merged.js", 200, "", ASKED),
    ("/js/index.php", 403, "404.php", ""),
    ("/errors/404.php", 404, "404.php", ""),
    ("/app/etc/local.xml", 403, "404.php", ""),
    ("/app/design/x.phtml", 403, "404.php", ""),
    ("/lib/lib.xml", 403, "404.php", ""),
    ("/var/log/system.log", 403, "404.php", ""),
    ("/shell/indexer.php", 403, "404.php", ""),
    ("/install.php", 403, "404.php", ""),
    ("/cron.sh", 403, "404.php", ""),
];

pub(super) const MAGENTO2: &[Row] = &[
    (
        "/static/version1700000000/frontend/lib.js",
        200,
        "",
        FOR_EVER,
    ),
    ("/static/frontend/lib.js", 200, "", ASKED),
    (
        "/static/version1700000000/frontend/data.xml",
        200,
        "",
        "no-store",
    ),
    ("/static/frontend/data.zip", 200, "", "no-store"),
    (
        "/static/version1700000000/frontend/missing.js",
        200,
        "static.php",
        "",
    ),
    ("/static/missing.zip?a=1", 200, "static.php", ""),
    // Merged files: writable, outside of the tree.
    (
        "/static/version1700000000/_cache/merged/all.css",
        200,
        "",
        FOR_EVER,
    ),
    ("/static/_cache/merged/evil.php", 403, "404.php", ""),
    (
        "/static/version1/_cache/merged/evil.php/x",
        403,
        "404.php",
        "",
    ),
    ("/health_check.php", 200, "health_check.php", ""),
    ("/errors/503.php", 200, "503.php", ""),
    ("/errors/processor.php", 403, "404.php", ""),
    ("/app/etc/env.php", 403, "404.php", ""),
];

pub(super) const PHP: &[Row] = &[
    ("/", 200, "index.php", ""),
    ("/any/path", 200, "index.php", ""),
    ("/admin/", 200, "index.php", ""),
    ("/admin/tool.php/some/path", 200, "tool.php", ""),
    ("/missing.php", 404, "", ""),
    ("/uploads/pic.jpg", 200, "", ASKED),
    ("/uploads/avatar.php", 403, "", ""),
    ("/uploads/avatar.php/y", 403, "", ""),
    ("/uploads/AVATAR.PHP", 403, "", ""),
    ("/uploads/avatar.PHP", 403, "", ""),
    ("/uploads/avatar.phtml", 403, "", ""),
    ("/uploads/avatar.phar", 403, "", ""),
    ("/uploads/avatar.phar/y", 403, "", ""),
    ("/uploads/avatar.jpg.php", 403, "", ""),
    ("/uploads/avatar.php.jpg", 200, "", ASKED),
    // Writable, and named by no setting of nginx.
    ("/cache/compiled.php", 403, "", ""),
    ("/vendor/autoload.php", 403, "", ""),
    ("/config/app.json", 403, "", ""),
    ("/.env", 403, "", ""),
];
