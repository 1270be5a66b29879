<?php
namespace Longshore\Probe\Setup;

use Magento\Framework\Setup\ModuleContextInterface;
use Magento\Framework\Setup\SchemaSetupInterface;
use Magento\Framework\Setup\UpgradeSchemaInterface;

/** A migration that takes as long as a shop's own, so that what happens meanwhile is seen. */
class UpgradeSchema implements UpgradeSchemaInterface
{
    public function upgrade(SchemaSetupInterface $setup, ModuleContextInterface $context)
    {
        $setup->getConnection()->query('CREATE TABLE IF NOT EXISTS longshore_probe (id INT AUTO_INCREMENT PRIMARY KEY)');
        if ($context->getVersion() !== '' && version_compare($context->getVersion(), '2.0.0', '<') && '@VERSION@' === '2.0.0') {
            sleep(3);
            $setup->getConnection()->query('ALTER TABLE longshore_probe ADD COLUMN two INT');
        }
    }
}
