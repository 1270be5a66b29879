<?php
// Removes from Redis what releases before have cached: the keys of this shop whose prefix no release on this disk has, KEEP seconds after they were
// first seen so (`clean-caches.php [KEEP]`; a day). A prefix is that of the shop, 16 digits of a release, and 8 of a configuration.
$keep = (int) ($argv[1] ?? 86400);
$prefix = '@PREFIX@';
$root = '@ROOT@';
$secret = '@SECRET@/cache-password';
$end = microtime(true) + 45;

final class Server
{
    private $socket;

    public function __construct(string $address)
    {
        $socket = @stream_socket_client($address, $code, $message, 5);
        if ($socket === false) {
            throw new RuntimeException("$address: $message");
        }
        stream_set_timeout($socket, 10);
        $this->socket = $socket;
    }

    public function ask(string ...$words)
    {
        $request = '*' . count($words) . "\r\n";
        foreach ($words as $word) {
            $request .= '$' . strlen($word) . "\r\n$word\r\n";
        }
        for ($sent = 0; $sent < strlen($request); $sent += $now) {
            $now = fwrite($this->socket, substr($request, $sent));
            if (!$now) {
                throw new RuntimeException('the server takes nothing');
            }
        }
        return $this->answer();
    }

    private function answer()
    {
        $line = fgets($this->socket);
        if ($line === false || substr($line, -2) !== "\r\n") {
            throw new RuntimeException('the server answers nothing');
        }
        $rest = substr($line, 1, -2);
        switch ($line[0]) {
            case '+':
            case ':':
                return $rest;
            case '$':
                return (int) $rest < 0 ? null : substr($this->bytes((int) $rest + 2), 0, -2);
            case '*':
                $all = [];
                for ($left = (int) $rest; $left > 0; --$left) {
                    $all[] = $this->answer();
                }
                return $all;
        }
        throw new RuntimeException("the server says $rest");
    }

    private function bytes(int $count): string
    {
        $all = '';
        while (strlen($all) < $count) {
            $more = fread($this->socket, $count - strlen($all));
            if ($more === false || $more === '') {
                throw new RuntimeException('the server answers nothing');
            }
            $all .= $more;
        }
        return $all;
    }
}

// What is read by the releases that are here: each has its prefix in its configuration.
$live = [];
foreach (array_merge(glob("$root/releases/*/app/etc/env.php") ?: [], glob("$root/releases/*/app/etc/local.xml") ?: []) as $file) {
    preg_match_all("{{$prefix}[0-9a-f]{16}_[0-9a-f]{8}_}", (string) file_get_contents($file), $found);
    $live += array_flip($found[0]);
}
if ($live === []) {
    fwrite(STDERR, "clean-caches: no release here has a prefix in its configuration\n");
    exit(1);
}
// Each begins where the shop's prefix ends: acme_ has no part in what is acme_b_'s.
$of = static function (string $text) use ($prefix): ?string {
    return preg_match("{^(?:zc:k:|zc:ti:)?({$prefix}[0-9a-f]{16}_[0-9a-f]{8}_)}", $text, $found) ? $found[1] : null;
};
$pattern = $prefix . str_repeat('?', 16) . '_' . str_repeat('?', 8) . '_*';

try {
    $server = new Server('@SCHEME@://@HOST@:@PORT@');
    if (is_readable($secret)) {
        // A user of the shop's own, where the server keeps its shops apart.
        $server->ask(...array_filter(['AUTH', '@USER@', rtrim((string) file_get_contents($secret), "\n")], 'strlen'));
    }
    // What is known since the last time, beside the caches: when a prefix was first seen without its release, and how far the databases are looked through.
    $known = "longshore:$prefix";
    $fields = $server->ask('HGETALL', $known);
    $since = [];
    for ($at = 0; $at + 1 < count($fields); $at += 2) {
        $since[$fields[$at]] = $fields[$at + 1];
    }
    $now = time();
    $removed = 0;
    foreach ([@DATABASES@] as $database) {
        $cursor = $since["cursor:$database"] ?? '0';
        if ($cursor === '0' && $now - (int) ($since["done:$database"] ?? 0) < intdiv($keep, 2)) {
            continue;
        }
        $server->ask('SELECT', $database);
        // Names whose release is gone for long enough.
        $old = static function (array $names) use ($of, $live, $keep, $now, &$since): array {
            $old = [];
            foreach ($names as $name) {
                $found = $of($name);
                if ($found !== null && !isset($live[$found])) {
                    $since[$found] = $since[$found] ?? (string) $now;
                    if ($now - (int) $since[$found] >= $keep) {
                        $old[] = $name;
                    }
                }
            }
            return $old;
        };
        do {
            list($cursor, $names) = $server->ask('SCAN', $cursor, 'MATCH', "zc:*:$pattern", 'COUNT', '1000');
            foreach (array_chunk($old($names), 500) as $names) {
                $removed += (int) $server->ask('UNLINK', ...$names);
                // The list of all tags, which shops share, and of which they read nothing.
                $tags = preg_filter('{^zc:ti:}', '', $names);
                if ($tags) {
                    $server->ask('SREM', 'zc:tags', ...array_values($tags));
                }
            }
        } while ($cursor !== '0' && microtime(true) < $end);
        $since["cursor:$database"] = $cursor;
        if ($cursor !== '0') {
            // Goes on from here in an hour.
            break;
        }
        $since["done:$database"] = (string) $now;
    }
    $server->ask('SELECT', '0');
    foreach ($since as $name => $value) {
        // What is live again, and what was not seen for long, is forgotten: it counts from its next time.
        if ($of($name) !== null && (isset($live[$name]) || $now - (int) $value > 3 * $keep + 3600)) {
            $server->ask('HDEL', $known, $name);
        } else {
            $server->ask('HSET', $known, $name, $value);
        }
    }
    $server->ask('EXPIRE', $known, '2592000');
    if ($removed > 0) {
        echo "clean-caches: $removed keys of releases before are gone\n";
    }
} catch (RuntimeException $error) {
    fwrite(STDERR, 'clean-caches: ' . $error->getMessage() . "\n");
    exit(1);
}
