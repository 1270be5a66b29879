/* Fills a shop that was just installed: a category, a product with a picture, and a customer. */
require 'app/bootstrap.php';
umask(0);
$objects = Magento\Framework\App\Bootstrap::create(BP, $_SERVER)->getObjectManager();
$objects->get(Magento\Framework\App\State::class)->setAreaCode('adminhtml');
$objects->configure($objects->get(Magento\Framework\ObjectManager\ConfigLoaderInterface::class)->load('adminhtml'));
$objects->create(Magento\Catalog\Model\Category::class)->setStoreId(0)->addData([
    'name' => 'Furniture', 'is_active' => 1, 'include_in_menu' => 1, 'is_anchor' => 1, 'display_mode' => 'PRODUCTS', 'parent_id' => 2, 'path' => '1/2',
])->save();
is_dir('pub/media/import') || mkdir('pub/media/import', 0777, true);
$picture = imagecreatetruecolor(2400, 1600);
imagepng($picture, 'pub/media/import/chair.png');
$product = $objects->create(Magento\Catalog\Model\Product::class)->setStoreId(0)->addData([
    'type_id' => 'simple', 'attribute_set_id' => 4, 'sku' => 'chair', 'name' => 'Chair', 'url_key' => 'chair', 'price' => '40.00', 'weight' => 1, 'status' => 1,
    'visibility' => 4, 'tax_class_id' => 0, 'description' => 'A chair', 'short_description' => 'A chair', 'website_ids' => [1], 'category_ids' => [3],
    'stock_data' => ['qty' => 1000, 'is_in_stock' => 1, 'use_config_manage_stock' => 1],
    'quantity_and_stock_status' => ['qty' => 1000, 'is_in_stock' => 1],
]);
$product->addImageToMediaGallery(BP . '/pub/media/import/chair.png', ['image', 'small_image', 'thumbnail'], true, false)->save();
$objects->create(Magento\Customer\Model\Customer::class)->setWebsiteId(1)->addData([
    'email' => '{customer}', 'firstname' => 'Ana', 'lastname' => 'Pop', 'group_id' => 1, 'store_id' => 1,
])->setPassword('{customer_password}')->save();
$settings = $objects->get(Magento\Framework\App\Config\Storage\WriterInterface::class);
foreach (['system/smtp/disable' => 1, 'admin/security/password_lifetime' => 0, 'admin/usage/enabled' => 0] as $path => $value) {
    $settings->save($path, $value);
}
foreach ($objects->create(Magento\Indexer\Model\Indexer\Collection::class)->getItems() as $index) {
    $index->reindexAll();
}
