
        'amqp' => [
            'host' => @SERVER@,
            'port' => @PORT@,
            'user' => $secret('queue-user'),
            'password' => $secret('queue-password'),
            'virtualhost' => @VIRTUAL_HOST@,
            'ssl' => @TLS@,
            'ssl_options' => [@TLS_OPTIONS@],
        ],
