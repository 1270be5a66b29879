<?php
namespace Longshore\Probe\Observer;

use Magento\Framework\Event\Observer;
use Magento\Framework\Event\ObserverInterface;

/** The fault of a bad release. */
class Layout implements ObserverInterface
{
    public function execute(Observer $observer)
    {
        if ('@FAULT@' === 'throws') {
            throw new \RuntimeException('release @RELEASE@ throws in every layout');
        }
    }
}
