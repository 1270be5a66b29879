<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\Setup;

class SchemaSetup implements SchemaSetupInterface
{
    private $db;

    public function __construct(\PDO $db)
    {
        $this->db = $db;
    }

    public function getConnection()
    {
        return $this;
    }

    public function query($statement)
    {
        return $this->db->query($statement);
    }
}
