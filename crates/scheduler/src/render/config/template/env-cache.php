    'session' => [
        'save' => 'redis',
        'redis' => [
            'host' => @HOST@,
            'port' => @PORT@,
            'password' => $secret('cache-password'),
            'database' => '2',
            'disable_locking' => '1',
        ],
    ],
    'cache' => [
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
