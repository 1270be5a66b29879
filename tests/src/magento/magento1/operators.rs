//! What admins, operators and programs do, and what nobody may.

use super::{KEY, PRODUCT};
use crate::magento::row::{
    Row,
    Step::{
        Bytes, Follow, Get, GetWith, Has, Header, Hidden, Lacks, Log, Php, Post, Run, Sql, Take,
        Try, Until, Upload, Xml,
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
                "login%5Busername%5D={admin}&login%5Bpassword%5D={admin_password}&form_key={form_key}",
            ),
            Follow(200),
            Has("Dashboard"),
            Take("products", "/admin/catalog_product/index/", "\""),
        ],
    },
    Row {
        name: "product save, with a picture of 3 MB",
        expected: "the shop shows the new picture",
        who: "the admin",
        steps: &[
            Get(200, "/admin/catalog_product/index/{products}"),
            Take("edit", "/admin/catalog_product/edit/", "\""),
            Get(200, "/admin/catalog_product/edit/{edit}"),
            Take("form_key", KEY.0, KEY.1),
            Take("upload", "catalog_product_gallery\\/upload\\/", "\""),
            Take("save", "/admin/catalog_product/save/", "\""),
            Upload(
                200,
                "/admin/catalog_product_gallery/upload/{upload}",
                "image",
            ),
            Take("file", "\"file\":\"", "\""),
            Post(
                302,
                "/admin/catalog_product/save/{save}",
                "form_key={form_key}&product%5Bname%5D=Chair&product%5Bmedia_gallery%5D%5Bimages%5D=%5B%7B%22file%22%3A%22{file}%22%2C%22label%22%3A%22%22%2C%22position%22%3A1%2C%22disabled%22%3A0%2C%22removed%22%3A0%7D%5D\
                 &product%5Bmedia_gallery%5D%5Bvalues%5D=%7B%22image%22%3A%22{file}%22%2C%22small_image%22%3A%22{file}%22%2C%22thumbnail%22%3A%22{file}%22%7D",
            ),
            Follow(200),
            Get(200, PRODUCT),
            Take("image", "/media/catalog/product/cache/", "\""),
            Get(200, "/media/catalog/product/cache/{image}"),
            Header("content-type", "image/"),
            Php(
                1,
                "echo 0 < count(glob('media/catalog/product/b/i/big*.png')) ? 'here' : 'not here';",
            ),
            Has("here"),
            Lacks("not"),
        ],
    },
    Row {
        name: "CSS and JS merge",
        expected: "one file each, from media",
        who: "a visitor",
        steps: &[
            Sql(
                "REPLACE INTO core_config_data (scope, scope_id, path, value) VALUES ('default', 0, 'dev/css/merge_css_files', '1'), ('default', 0, 'dev/js/merge_files', '1')",
            ),
            Php(
                0,
                "require 'app/Mage.php'; Mage::app('admin'); Mage::app()->cleanCache(['CONFIG', 'BLOCK_HTML']);",
            ),
            Get(200, "/"),
            Take("css", "/media/css", "\""),
            Take("js", "/media/js", "\""),
            Get(200, "/media/css{css}"),
            Header("content-type", "text/css"),
            Get(200, "/media/js{js}"),
            Header("content-type", "javascript"),
        ],
    },
    Row {
        name: "config.values",
        expected: "the Shop's value wins over the database's",
        who: "a visitor",
        steps: &[
            Sql(
                "REPLACE INTO core_config_data (scope, scope_id, path, value) VALUES ('default', 0, 'design/head/title_prefix', 'Of the database')",
            ),
            Php(
                0,
                "require 'app/Mage.php'; Mage::app('admin'); Mage::app()->cleanCache(['CONFIG', 'BLOCK_HTML']);",
            ),
            Get(200, "/customer/account/login/"),
            Has("<title>Locked"),
        ],
    },
    Row {
        name: "get.php",
        expected: "a picture",
        who: "a visitor",
        steps: &[
            Try("/get.php/media/catalog/product/c/h/chair.png"),
            Try("/get.php/media/catalog/product/c/h/chair.png"),
            Get(200, "/get.php/media/catalog/product/c/h/chair.png"),
            Header("content-type", "image/"),
            Bytes(100),
        ],
    },
    Row {
        name: "API: REST",
        expected: "the product",
        who: "a program",
        steps: &[
            GetWith(200, "/api/rest/products", "Accept: application/json\r\n"),
            Has("Chair"),
        ],
    },
    Row {
        name: "API: XML-RPC",
        expected: "the product, after a login",
        who: "a program",
        steps: &[
            Xml(
                200,
                "/api/xmlrpc",
                "<?xml version=\"1.0\"?><methodCall><methodName>login</methodName><params><param><value><string>{api_user}</string></value></param><param><value><string>{api_key}</string></value></param></params></methodCall>",
            ),
            Take("session", "<value><string>", "</string>"),
            Xml(
                200,
                "/api/xmlrpc",
                "<?xml version=\"1.0\"?><methodCall><methodName>call</methodName><params><param><value><string>{session}</string></value></param><param><value><string>catalog_product.info</string></value></param><param><value><array><data><value><string>chair</string></value></data></array></value></param></params></methodCall>",
            ),
            Has("Chair"),
        ],
    },
    Row {
        name: "API: SOAP",
        expected: "the product, after a login",
        who: "a program",
        steps: &[
            Get(200, "/api/soap/?wsdl"),
            Has("definitions"),
            Xml(
                200,
                "/api/soap/",
                "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:m=\"urn:Magento\"><s:Body><m:login><username>{api_user}</username><apiKey>{api_key}</apiKey></m:login></s:Body></s:Envelope>",
            ),
            Take("session", "xsd:string\">", "<"),
            Xml(
                200,
                "/api/soap/",
                "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:m=\"urn:Magento\"><s:Body><m:call><sessionId>{session}</sessionId><resourcePath>catalog_product.info</resourcePath><args>chair</args></m:call></s:Body></s:Envelope>",
            ),
            Has("Chair"),
        ],
    },
    Row {
        name: "reindex",
        expected: "every index is rebuilt",
        who: "an operator",
        steps: &[
            Run(0, &["php8.2", "shell/indexer.php", "reindexall"]),
            Has("successfully"),
        ],
    },
    Row {
        name: "import and export, two pods",
        expected: "what one exports the other imports",
        who: "an operator",
        steps: &[
            Php(
                0,
                "require 'app/Mage.php'; Mage::app('admin'); umask(0); $export = Mage::getModel('importexport/export')->setData(['entity' => 'catalog_product', 'file_format' => 'csv', 'export_filter' => []]); \
                   echo file_put_contents('var/export/products.csv', $export->export());",
            ),
            Php(
                1,
                "require 'app/Mage.php'; Mage::app('admin'); umask(0); $text = str_replace('40.00', '41.00', file_get_contents('var/export/products.csv'), $count); file_put_contents('var/import/products.csv', $text); \
                   $import = Mage::getModel('importexport/import'); $import->setData(['entity' => 'catalog_product', 'behavior' => 'append']); $import->validateSource('var/import/products.csv'); $import->importSource(); echo \"changed $count\";",
            ),
            Has("changed 1"),
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
                "file_put_contents('media/robots.txt', 'User-agent: *'); file_put_contents('media/sitemap.xml', '<urlset/>');",
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
            Get(404, "/no-such-file.xml"),
            Php(
                0,
                "foreach (['downloadable', 'customer', 'import', 'tmp'] as $name) { @mkdir(\"media/$name\"); file_put_contents(\"media/$name/private.txt\", 'private'); }",
            ),
            Hidden("/app/etc/local.xml"),
            Hidden("/composer.json"),
            Hidden("/lib/StandIn/Shop.php"),
            Hidden("/cron.php"),
            Hidden("/install.php"),
            Hidden("/media/downloadable/private.txt"),
            Hidden("/media/customer/private.txt"),
            Hidden("/media/import/private.txt"),
            Hidden("/media/tmp/private.txt"),
            Hidden("/var/export/products.csv"),
        ],
    },
    Row {
        name: "errors' reports",
        expected: "503, and the reason in a container's log",
        who: "a visitor",
        steps: &[
            Get(503, "/?longshore_probe=throw"),
            Lacks("asked to throw"),
            Log("the probe was asked to throw"),
        ],
    },
    Row {
        name: "cron",
        expected: "a job that was due is done",
        who: "cron",
        steps: &[Until(
            "SELECT status FROM cron_schedule WHERE job_code = 'newsletter_send_all' ORDER BY schedule_id LIMIT 1",
            "success",
        )],
    },
];
