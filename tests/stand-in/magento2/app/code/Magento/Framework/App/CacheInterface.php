<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\App;

interface CacheInterface
{
    public function load($id);

    public function save($data, $id, $tags = [], $life = null);
}
