<?php
if (class_exists(\Magento\Framework\Component\ComponentRegistrar::class)) {
    \Magento\Framework\Component\ComponentRegistrar::register('module', 'Longshore_Probe', __DIR__);
}
