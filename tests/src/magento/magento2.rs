//! The rows of Magento 2: its addresses, forms and programs, which the stand-in has, too.

use super::{
    Built, Kind,
    row::{
        Row,
        Step::{
            Cookie, Follow, Get, GetWith, Has, Header, Hidden, Json, Lacks, Log, Php, Post, Real,
            Run, Sql, StandIn, Take, Until, Upload, Xml, XmlWith,
        },
    },
};

/// What is particular of this engine.
pub const KIND: Kind = Kind {
    engine: "Magento2",
    modules: &[
        ("core", ""),
        ("probe", "app/code/Longshore"),
        ("vendor", "vendor"),
        ("static", "pub/static"),
        ("generated", "generated"),
    ],
    probe: &[
        (
            "probe",
            "Probe/registration.php",
            include_str!("probe/magento2/app/code/Longshore/Probe/registration.php"),
        ),
        (
            "probe",
            "Probe/etc/module.xml",
            include_str!("probe/magento2/app/code/Longshore/Probe/etc/module.xml"),
        ),
        (
            "probe",
            "Probe/etc/config.xml",
            include_str!("probe/magento2/app/code/Longshore/Probe/etc/config.xml"),
        ),
        (
            "probe",
            "Probe/etc/events.xml",
            include_str!("probe/magento2/app/code/Longshore/Probe/etc/events.xml"),
        ),
        (
            "probe",
            "Probe/Observer/Facts.php",
            include_str!("probe/magento2/app/code/Longshore/Probe/Observer/Facts.php"),
        ),
        (
            "probe",
            "Probe/Observer/Layout.php",
            include_str!("probe/magento2/app/code/Longshore/Probe/Observer/Layout.php"),
        ),
        (
            "probe",
            "Probe/Setup/UpgradeSchema.php",
            include_str!("probe/magento2/app/code/Longshore/Probe/Setup/UpgradeSchema.php"),
        ),
    ],
    shared: &[],
    spec: "case_sensitive = true\nshared = [\"app/etc/env.php\", \"pub/media\", \"pub/static/_cache\", \"var/export\", \"var/import\", \"var/importexport\"]\nwritable = [\"var\"]",
    media: "pub/media",
    not_published: &["var", "app/etc/env.php", "pub/static/_cache", ".git"],
    compile: include_str!("probe/build-magento2.php"),
    built: Some(Built {
        proof: "generated/metadata/global.php",
        modules: &[("static", "pub/static"), ("generated", "generated")],
        leftovers: &["generated/code", "generated/metadata"],
    }),
    install: "php -d memory_limit=-1 bin/magento setup:install --db-host={database} --db-name={schema} --db-user={schema} \
        --db-password={password} --base-url=https://{host}/ --base-url-secure=https://{host}/ --use-rewrites=1 --use-secure=1 \
        --use-secure-admin=1 --backend-frontname=admin --admin-firstname=Ana --admin-lastname=Pop \
        --admin-email=admin@shop.example --admin-user={admin} --admin-password={admin_password} --key={crypt_key} --search-engine=opensearch \
        --opensearch-host={search_host} --opensearch-port={search_port} --opensearch-index-prefix={schema}",
    seed: include_str!("probe/seed-magento2.php"),
    rows: ROWS,
    visits: &[
        "/",
        "/catalog/product/view/id/1/",
        "/catalogsearch/result/?q=chair",
    ],
};

const PRODUCT: &str = "/catalog/product/view/id/1/";
const KEY: (&str, &str) = ("name=\"form_key\" type=\"hidden\" value=\"", "\"");

const EXPORT: &str = "require 'app/bootstrap.php'; $objects = Magento\\Framework\\App\\Bootstrap::create(BP, \
     $_SERVER)->getObjectManager(); \
     $objects->get(Magento\\Framework\\App\\State::class)->setAreaCode('adminhtml'); $export = \
     $objects->create(Magento\\ImportExport\\Model\\Export::class); $export->setData(['entity' => \
     'catalog_product', 'file_format' => 'csv', 'export_filter' => []]); echo \
     file_put_contents('var/export/products.csv', $export->export());";
const IMPORT: &str = "require 'app/bootstrap.php'; $objects = Magento\\Framework\\App\\Bootstrap::create(BP, \
     $_SERVER)->getObjectManager(); \
     $objects->get(Magento\\Framework\\App\\State::class)->setAreaCode('adminhtml'); $root = \
     $objects->get(Magento\\Framework\\Filesystem::class)->getDirectoryWrite('base'); $source = \
     $objects->create(Magento\\ImportExport\\Model\\Import\\Source\\Csv::class, ['file' => \
     'var/import/products.csv', 'directory' => $root]); $import = \
     $objects->create(Magento\\ImportExport\\Model\\Import::class); $import->setData(['entity' => \
     'catalog_product', 'behavior' => 'append', 'validation_strategy' => \
     'validation-stop-on-errors', 'allowed_error_count' => 1]); if \
     (!$import->validateSource($source) || !$import->importSource()) { echo \
     $import->getFormatedLogTrace(); exit(1); } echo 'imported ', \
     $import->getProcessedRowsCount();";

const FORM: &str = "form_key={form_key}&product%5Bname%5D=Chair&product%5Bsku%5D=chair&product%5Bprice%5D=40.00&\
     product%5Bstatus%5D=1&product%5Bvisibility%5D=4&product%5Bwebsite_ids%5D%5B1%5D=1&product%\
     5Bcategory_ids%5D%5B%5D=3&product%5Bquantity_and_stock_status%5D%5Bis_in_stock%5D=1&product%\
     5Bquantity_and_stock_status%5D%5Bqty%5D=1000&product%5Bimage%5D={file}&product%5Bsmall_image%\
     5D={file}&product%5Bthumbnail%5D={file}&product%5Bmedia_gallery%5D%5Bimages%5D%5Bnew%5D%\
     5Bfile%5D={file}&product%5Bmedia_gallery%5D%5Bimages%5D%5Bnew%5D%5Bmedia_type%5D=image&\
     product%5Bmedia_gallery%5D%5Bimages%5D%5Bnew%5D%5Bposition%5D=2&product%5Bmedia_gallery%5D%\
     5Bimages%5D%5Bnew%5D%5Bvalue_id%5D=&product%5Bmedia_gallery%5D%5Bimages%5D%5Bnew%5D%5Blabel%\
     5D=&product%5Bmedia_gallery%5D%5Bimages%5D%5Bnew%5D%5Bdisabled%5D=0&product%5Bmedia_gallery%\
     5D%5Bimages%5D%5Bnew%5D%5Bremoved%5D=";
const FORM_OF_STAND_IN: &str = "form_key={form_key}&product%5Bname%5D=Chair&product%\
                                5Bmedia_gallery%5D%5Bimages%5D=%5B%7B%22file%22%3A%22{file}%22%7D%\
                                5D";
const SOAP: &str = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:m=\"https://{host}/soap/default?services=catalogProductRepositoryV1\"><s:Body>\
    <m:catalogProductRepositoryV1GetRequest><sku>chair</sku></m:catalogProductRepositoryV1GetRequest></s:Body></s:Envelope>";
const SOAP_OF_STAND_IN: &str = "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
     xmlns:m=\"urn:Magento\"><s:Body><m:catalogProductRepositoryV1Get><sku>chair</sku></m:\
     catalogProductRepositoryV1Get></s:Body></s:Envelope>";

const ROWS: &[Row] = &[
    Row {
        name: "front",
        expected: "200 over https, else led there",
        who: "a visitor",
        steps: &[
            GetWith(
                302,
                "/customer/account/login/",
                "X-Forwarded-Proto: http\r\n",
            ),
            Header("location", "https://"),
            Get(200, "/"),
            Has("</html>"),
            Header("x-longshore-facts", "code=r1"),
            // A job for cron, which is looked at below.
            Sql(
                "INSERT INTO cron_schedule (job_code, status, created_at, scheduled_at) VALUES \
                 ('newsletter_send_all', 'pending', UTC_TIMESTAMP(), UTC_TIMESTAMP())",
            ),
            Get(200, "/"),
        ],
    },
    Row {
        name: "category, with cache tags of more than 1,000 bytes",
        expected: "200 with the product",
        who: "a visitor",
        steps: &[
            Get(200, "/catalog/category/view/id/3/"),
            Has("Chair"),
            Get(200, "/catalog/category/view/id/3/"),
            Has("Chair"),
        ],
    },
    Row {
        name: "product with resized image",
        expected: "200, and get.php makes the picture",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Has("Chair"),
            Take("image", "/media/catalog/product/cache/", "\""),
            Get(200, "/media/catalog/product/cache/{image}"),
            Header("content-type", "image/"),
            Php(
                1,
                "echo is_file('pub/media/catalog/product/cache/{image}') ? 'made' : 'a \
                 placeholder';",
            ),
            Has("made"),
            Get(200, "/media/catalog/product/cache/{image}"),
        ],
    },
    Row {
        name: "search",
        expected: "200 with the product",
        who: "a visitor",
        steps: &[
            Get(200, "/catalogsearch/result/?q=chair"),
            Has("Chair"),
            Get(200, "/catalogsearch/result/?q=nothing-of-this-name"),
            Lacks("Chair"),
        ],
    },
    Row {
        name: "cart",
        expected: "the product is in it, on either pod",
        who: "a visitor",
        steps: &[
            Get(200, PRODUCT),
            Take("form_key", KEY.0, KEY.1),
            Cookie("form_key", "{form_key}"),
            Post(
                302,
                "/checkout/cart/add/product/1/",
                "product=1&qty=2&form_key={form_key}",
            ),
            Get(200, "/checkout/cart/"),
            Has("Chair"),
            Get(200, "/checkout/cart/"),
            Has("Chair"),
        ],
    },
    Row {
        name: "checkout as guest",
        expected: "an order with a number",
        who: "a guest",
        steps: &[
            Json(200, "/rest/V1/guest-carts", "", "{}"),
            Take("cart", "\"", "\""),
            Json(
                200,
                "/rest/V1/guest-carts/{cart}/items",
                "",
                "{\"cartItem\":{\"quote_id\":\"{cart}\",\"sku\":\"chair\",\"qty\":1}}",
            ),
            Json(
                200,
                "/rest/V1/guest-carts/{cart}/shipping-information",
                "",
                "{\"addressInformation\":{\"shipping_address\":{\"email\":\"ion@shop.example\",\"\
                 firstname\":\"Ion\",\"lastname\":\"Pop\",\"street\":[\"Street \
                 1\"],\"city\":\"Cluj\",\"region_id\":288,\"country_id\":\"RO\",\"postcode\":\"\
                 400001\",\"telephone\":\"1\"},\"billing_address\":{\"email\":\"ion@shop.example\"\
                 ,\"firstname\":\"Ion\",\"lastname\":\"Pop\",\"street\":[\"Street \
                 1\"],\"city\":\"Cluj\",\"region_id\":288,\"country_id\":\"RO\",\"postcode\":\"\
                 400001\",\"telephone\":\"1\"},\"shipping_method_code\":\"flatrate\",\"\
                 shipping_carrier_code\":\"flatrate\"}}",
            ),
            Json(
                200,
                "/rest/V1/guest-carts/{cart}/payment-information",
                "",
                "{\"email\":\"ion@shop.example\",\"paymentMethod\":{\"method\":\"checkmo\"}}",
            ),
            Lacks("message"),
        ],
    },
    Row {
        name: "customer login",
        expected: "the account, with the name",
        who: "a customer",
        steps: &[
            Get(200, "/customer/account/login/"),
            Take("form_key", KEY.0, KEY.1),
            Post(
                302,
                "/customer/account/loginPost/",
                "login%5Busername%5D={customer}&login%5Bpassword%5D={customer_password}&\
                 form_key={form_key}",
            ),
            Get(200, "/customer/account/"),
            Has("Ana"),
        ],
    },
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
