//! The rows of Magento 2: its addresses, forms and programs, which the stand-in has, too.

mod operators;
mod visitors;

use super::{Built, Kind};

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
    rows: &[visitors::ROWS, operators::ROWS],
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
