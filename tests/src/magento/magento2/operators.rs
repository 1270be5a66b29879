//! What admins, operators and programs do, and what nobody may.

use super::{EXPORT, FORM, FORM_OF_STAND_IN, IMPORT, KEY, PRODUCT, SOAP, SOAP_OF_STAND_IN};
use crate::magento::row::{
    Row,
    Step::{
        Follow, Get, GetWith, Has, Header, Hidden, Json, Lacks, Log, Php, Post, Real, Run, Sql,
        StandIn, Take, Until, Upload, Xml, XmlWith,
    },
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "admin login and dashboard",
        expected: "the dashboard",
        who: "the admin",
        steps: &[
            Get(200, "/admin/"),
            Take("form_key", KEY.0, KEY.1),
            Post(
                302,
                "/admin/",
                "login%5Busername%5D={admin}&login%5Bpassword%5D={admin_password}&\
                 form_key={form_key}",
            ),
            Follow(200),
            Has("Dashboard"),
            StandIn(&[Take("edit", "/admin/catalog/product/edit/", "\"")]),
            // The menu leads to a list, and that asks for its rows.
            Real(&[
                Take("products", "/admin/catalog/product/index/", "\""),
                Get(200, "/admin/catalog/product/index/{products}"),
                Take("list", "\\/admin\\/mui\\/index\\/render\\/", "\""),
                GetWith(
                    200,
                    "/admin/mui/index/render/{list}?namespace=product_listing&sorting%5Bfield%\
                     5D=entity_id&sorting%5Bdirection%5D=desc&paging%5BpageSize%5D=20&paging%\
                     5Bcurrent%5D=1&isAjax=true",
                    "X-Requested-With: XMLHttpRequest\r\nAccept: application/json\r\n",
                ),
                Has("Chair"),
                Take("edit", "\\/admin\\/catalog\\/product\\/edit\\/", "\""),
            ]),
        ],
    },
    Row {
        name: "product save, with a picture of 3 MB",
        expected: "the shop shows the new picture",
        who: "the admin",
        steps: &[
            Get(200, "/admin/catalog/product/edit/{edit}"),
            Take("form_key", KEY.0, KEY.1),
            Take("upload", "catalog\\/product_gallery\\/upload\\/", "\""),
            StandIn(&[Take("save", "/admin/catalog/product/save/", "\"")]),
            Real(&[Take("save", "\\/admin\\/catalog\\/product\\/save\\/", "\"")]),
            Upload(
                200,
                "/admin/catalog/product_gallery/upload/{upload}",
                "image",
            ),
            Take("file", "\"file\":\"", "\""),
            StandIn(&[
                Post(302, "/admin/catalog/product/save/{save}", FORM_OF_STAND_IN),
                Follow(200),
            ]),
            Real(&[
                Post(302, "/admin/catalog/product/save/{save}", FORM),
                Follow(200),
                Has("You saved the product"),
            ]),
            Get(200, PRODUCT),
            Take("image", "/media/catalog/product/cache/", "\""),
            Real(&[Has("/b/i/big")]),
            Get(200, "/media/catalog/product/cache/{image}"),
            Header("content-type", "image/"),
        ],
    },
    Row {
        name: "CSS merge",
        expected: "one file, from pub/static/_cache",
        who: "a visitor",
        steps: &[
            Sql(
                "REPLACE INTO core_config_data (scope, scope_id, path, value) VALUES ('default', \
                 0, 'dev/css/merge_css_files', '1')",
            ),
            Run(0, &["php8.2", "bin/magento", "cache:clean"]),
            Get(200, PRODUCT),
            Take("css", "/_cache/merged/", "\""),
            Get(200, "/static/_cache/merged/{css}"),
            Header("content-type", "text/css"),
            Sql("DELETE FROM core_config_data WHERE path = 'dev/css/merge_css_files'"),
            Run(1, &["php8.2", "bin/magento", "cache:clean"]),
        ],
    },
    Row {
        name: "config.values",
        expected: "the Shop's value wins over the database's",
        who: "a visitor",
        steps: &[
            Sql(
                "REPLACE INTO core_config_data (scope, scope_id, path, value) VALUES ('default', \
                 0, 'design/head/title_prefix', 'Of the database')",
            ),
            Run(0, &["php8.2", "bin/magento", "cache:clean"]),
            Get(200, "/customer/account/login/"),
            Has("<title>Locked"),
        ],
    },
    Row {
        name: "static content",
        expected: "200, with a version that never changes",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Take("css", "media=\"all\" href=\"", "\""),
            Get(200, "{css}"),
            Header("content-type", "text/css"),
            Header("cache-control", "immutable"),
        ],
    },
    Row {
        name: "API: REST",
        expected: "the product, with a token",
        who: "a program",
        steps: &[
            Json(
                200,
                "/rest/V1/integration/admin/token",
                "",
                "{\"username\":\"{admin}\",\"password\":\"{admin_password}\"}",
            ),
            Take("token", "\"", "\""),
            GetWith(
                200,
                "/rest/V1/products/chair",
                "Authorization: Bearer {token}\r\n",
            ),
            Has("Chair"),
            Get(401, "/rest/V1/products/chair"),
        ],
    },
    Row {
        name: "API: SOAP",
        expected: "the product",
        who: "a program",
        steps: &[
            GetWith(
                200,
                "/soap/default?wsdl=1&services=catalogProductRepositoryV1",
                "Authorization: Bearer {token}\r\n",
            ),
            Has("definitions"),
            StandIn(&[Xml(
                200,
                "/soap/default?services=catalogProductRepositoryV1",
                SOAP_OF_STAND_IN,
            )]),
            Real(&[XmlWith(
                200,
                "/soap/default?services=catalogProductRepositoryV1",
                "Authorization: Bearer {token}\r\n",
                SOAP,
            )]),
            Has("Chair"),
        ],
    },
    Row {
        name: "reindex",
        expected: "every index is rebuilt",
        who: "an operator",
        steps: &[
            Run(0, &["php8.2", "bin/magento", "indexer:reindex"]),
            Has("successfully"),
        ],
    },
    Row {
        name: "import and export, two pods",
        expected: "what one exports the other imports",
        who: "an operator",
        steps: &[
            StandIn(&[Run(
                0,
                &["php8.2", "bin/magento", "standin:export", "products.csv"],
            )]),
            Real(&[Php(0, EXPORT)]),
            Php(
                1,
                "$text = str_replace('40.00', '41.00', \
                 file_get_contents('var/export/products.csv'), $count); \
                 file_put_contents('var/import/products.csv', $text); echo \"changed $count\";",
            ),
            Has("changed 1"),
            StandIn(&[Run(
                1,
                &["php8.2", "bin/magento", "standin:import", "products.csv"],
            )]),
            Real(&[Php(1, IMPORT), Has("imported 1")]),
            Run(1, &["php8.2", "bin/magento", "cache:clean"]),
            Get(200, PRODUCT),
            Has("41.00"),
        ],
    },
    Row {
        name: "robots and sitemap",
        expected: "those of the shop's media",
        who: "a robot",
        steps: &[
            Php(
                0,
                "file_put_contents('pub/media/robots.txt', 'User-agent: *'); \
                 file_put_contents('pub/media/sitemap.xml', '<urlset/>');",
            ),
            Get(200, "/robots.txt"),
            Has("User-agent"),
            Get(200, "/sitemap.xml"),
            Has("urlset"),
        ],
    },
    Row {
        name: "404",
        expected: "the shop's own page",
        who: "a visitor",
        steps: &[
            Get(404, "/no-such-page"),
            Has("404"),
            Header("x-longshore-facts", "code=r1"),
        ],
    },
    Row {
        name: "what is private",
        expected: "no document",
        who: "a thief",
        steps: &[
            Php(
                0,
                "foreach (['downloadable', 'customer', 'import', 'tmp', 'custom_options'] as \
                 $name) { @mkdir(\"pub/media/$name\"); \
                 file_put_contents(\"pub/media/$name/private.txt\", 'private'); }",
            ),
            Hidden("/app/etc/env.php"),
            Hidden("/media/downloadable/private.txt"),
            Hidden("/media/customer/private.txt"),
            Hidden("/media/import/private.txt"),
            Hidden("/media/custom_options/private.txt"),
        ],
    },
    Row {
        name: "errors' reports",
        expected: "500, and the reason in a container's log",
        who: "a visitor",
        steps: &[
            Get(500, "/no-cache?longshore_probe=throw"),
            Lacks("asked to throw"),
            Log("the probe was asked to throw"),
        ],
    },
    Row {
        name: "cron",
        expected: "a job that was due is done",
        who: "cron",
        steps: &[Until(
            "SELECT status FROM cron_schedule WHERE job_code = 'newsletter_send_all' ORDER BY \
             schedule_id LIMIT 1",
            "success",
        )],
    },
];
