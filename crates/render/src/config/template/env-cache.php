
        // The release that this code is of, and a hash of the rest of this file: nobody reads what another release, or another configuration, cached.
        'frontend' => [
            'default' => [
                'id_prefix' => @PREFIX@,
                'backend' => 'Magento\\Framework\\Cache\\Backend\\Redis',
                'backend_options' => ['server' => @SERVER@, 'port' => @PORT@, @USER@'password' => $secret('cache-password'), 'database' => '0'],
            ],
            'page_cache' => [
                'id_prefix' => @PREFIX@,
                'backend' => 'Magento\\Framework\\Cache\\Backend\\Redis',
                'backend_options' => ['server' => @SERVER@, 'port' => @PORT@, @USER@'password' => $secret('cache-password'), 'database' => '1'],
            ],
        ],
