    // Flushing empties a whole database of Redis, and other shops' caches are in the same one. setup:upgrade does that: it is told not to use it.
    'cache' => getenv('SHOP_CACHE') === 'files' ? [] : [
        'frontend' => [
            'default' => [
                'id_prefix' => @PREFIX@ . $release,
                'backend' => 'Magento\\Framework\\Cache\\Backend\\Redis',
                'backend_options' => ['server' => @HOST@, 'port' => @PORT@, 'password' => $secret('cache-password'), 'database' => '0'],
            ],
            'page_cache' => [
                'id_prefix' => @PREFIX@ . $release,
                'backend' => 'Magento\\Framework\\Cache\\Backend\\Redis',
                'backend_options' => ['server' => @HOST@, 'port' => @PORT@, 'password' => $secret('cache-password'), 'database' => '1'],
            ],
        ],
    ],
