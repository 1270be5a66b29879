<?php
// Part of the stand-ins for Magento 1 and 2: Redis over a socket, so that PHP needs no extension.
class StandIn_Redis
{
    private $socket;

    public function __construct($host, $port, $password, $database)
    {
        $this->socket = @stream_socket_client("tcp://$host:$port", $code, $message, 3);
        if (!$this->socket) {
            throw new RuntimeException("Redis at $host:$port: $message");
        }
        stream_set_timeout($this->socket, 5);
        if ((string) $password !== '') {
            $this->auth((string) $password);
        }
        $this->select((string) $database);
    }

    public function __call($command, array $arguments)
    {
        $words = array_merge([$command], array_map('strval', $arguments));
        $text = '*' . count($words) . "\r\n";
        foreach ($words as $word) {
            $text .= '$' . strlen($word) . "\r\n$word\r\n";
        }
        for ($rest = $text; $rest !== ''; $rest = substr($rest, $sent)) {
            $sent = fwrite($this->socket, $rest);
            if (!$sent) {
                throw new RuntimeException("Redis took no $command");
            }
        }
        return $this->reply();
    }

    private function reply()
    {
        $line = fgets($this->socket);
        if ($line === false || strlen($line) < 3) {
            throw new RuntimeException('Redis gave no answer');
        }
        list($kind, $rest) = [$line[0], substr($line, 1, -2)];
        if ($kind === '-') {
            throw new RuntimeException("Redis: $rest");
        }
        if ($kind === '*') {
            $all = [];
            for ($left = (int) $rest; $left > 0; $left--) {
                $all[] = $this->reply();
            }
            return $all;
        }
        if ($kind !== '$') {
            return $kind === ':' ? (int) $rest : $rest;
        }
        if ((int) $rest < 0) {
            return null;
        }
        return substr((string) stream_get_contents($this->socket, (int) $rest + 2), 0, -2);
    }
}
