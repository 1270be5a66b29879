<?php
// A module that the release does not know, or is compiled without, fails each page: this pod does not start, and those before it go on.
$problems = is_file(__DIR__ . '/modules.php') ? require __DIR__ . '/modules.php' : [];
if ($problems !== []) {
    echo implode('; ', $problems), "\n";
    exit(4);
}
// Asks php-fpm's ping page over FastCGI (version 1, role responder, request 1); ends with 0 where it answers.
$socket = @stream_socket_client('unix:///run/shop/php-fpm.sock', $code, $message, 1);
if ($socket === false) {
    exit(1);
}
stream_set_timeout($socket, 1);
$record = static fn (int $type, string $content): string => pack('CCnnCC', 1, $type, 1, strlen($content), 0, 0) . $content;
$parameters = '';
foreach (['SCRIPT_NAME' => '/fpm-ping', 'SCRIPT_FILENAME' => '/fpm-ping', 'REQUEST_METHOD' => 'GET'] as $name => $value) {
    $parameters .= chr(strlen($name)) . chr(strlen($value)) . $name . $value;
}
fwrite($socket, $record(1, pack('nCxxxxx', 1, 0)) . $record(4, $parameters) . $record(4, '') . $record(5, ''));
// PHP 7 has no str_contains.
exit(strpos((string) stream_get_contents($socket, 4096), 'pong') === false ? 1 : 0);
