<?php
// Part of the stand-in for Magento 2: what its modules see of the framework.
namespace Magento\Framework\Event;

class Observer
{
    private $data;

    public function __construct(array $data)
    {
        $this->data = $data;
    }

    public function getData($name)
    {
        return $this->data[$name] ?? null;
    }
}
