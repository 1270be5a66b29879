/* Fills a shop that was just installed: a category, a product with a picture, a customer, and a user of the API. */
require 'app/Mage.php';
umask(0);
Mage::app('admin');
$parent = Mage::getModel('catalog/category')->load(2);
Mage::getModel('catalog/category')->setStoreId(0)->addData([
    'name' => 'Furniture', 'is_active' => 1, 'include_in_menu' => 1, 'is_anchor' => 1, 'display_mode' => 'PRODUCTS', 'path' => $parent->getPath(),
])->setAttributeSetId(3)->save();
$picture = imagecreatetruecolor(600, 400);
is_dir('media/import') || mkdir('media/import', 0777, true);
imagepng($picture, 'media/import/chair.png');
$product = Mage::getModel('catalog/product')->setStoreId(0)->addData([
    'type_id' => 'simple', 'attribute_set_id' => 4, 'sku' => 'chair', 'name' => 'Chair', 'price' => '40.00', 'weight' => 1, 'status' => 1, 'visibility' => 4,
    'tax_class_id' => 0, 'description' => 'A chair', 'short_description' => 'A chair', 'website_ids' => [1], 'category_ids' => [3],
    'stock_data' => ['qty' => 1000, 'is_in_stock' => 1, 'use_config_manage_stock' => 1],
]);
$product->addImageToMediaGallery('media/import/chair.png', ['image', 'small_image', 'thumbnail'], true, false)->save();
Mage::getModel('customer/customer')->setWebsiteId(1)->addData(['email' => '{customer}', 'firstname' => 'Ana', 'lastname' => 'Pop', 'group_id' => 1, 'store_id' => 1])
    ->setForceConfirmed(true)
    ->setPassword('{customer_password}')->save();
$role = Mage::getModel('api/roles')->setName('harness')->setPid(0)->setRoleType('G')->save();
Mage::getModel('api/rules')->setRoleId($role->getId())->setResources(['all'])->saveRel();
$user = Mage::getModel('api/user')->setData([
    'username' => '{api_user}', 'firstname' => 'A', 'lastname' => 'P', 'email' => 'api@shop.example', 'new_api_key' => '{api_key}',
    'api_key_confirmation' => '{api_key}', 'is_active' => 1,
])->save();
$user->setRoleIds([$role->getId()])->setRoleUserId($user->getUserId())->saveRelations();
Mage::getModel('api2/acl_global_rule')->setRoleId(1)->setResourceId('all')->save();
Mage::getModel('api2/acl_filter_attribute')->setUserType('guest')->setResourceId('all')->save();
$setup = new Mage_Core_Model_Resource_Setup('core_setup');
foreach (['system/smtp/disable' => 1, 'admin/security/password_lifetime' => 0, 'catalog/search/search_type' => 1] as $path => $value) {
    $setup->setConfigData($path, $value);
}
foreach (Mage::getSingleton('index/indexer')->getProcessesCollection() as $process) {
    $process->reindexEverything();
}
