    'session' => [
        'save' => 'redis',
        'redis' => [
            'host' => @HOST@,
            'port' => @PORT@,
            'password' => $secret('cache-password'),
            'database' => '@DATABASE@',
            'disable_locking' => '1',
        ],
    ],
