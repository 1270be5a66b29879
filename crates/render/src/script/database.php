<?php
// Asks whether the shop's tables are there. Ends with 0 where they are, with 3 and a sentence where the database is empty, otherwise with 1.
// Called in the release's tree.
if (is_file('app/etc/env.php')) {
    $env = require getcwd() . '/app/etc/env.php';
    $connection = $env['db']['connection']['default'];
    list($prefix, $table, $options) = [$env['db']['table_prefix'], 'setup_module', $connection['driver_options'] ?? []];
} else {
    $global = simplexml_load_file('app/etc/local.xml', SimpleXMLElement::class, LIBXML_NOCDATA)->global->resources;
    $connection = array_map('strval', (array) $global->default_setup->connection);
    list($prefix, $table, $options) = [(string) $global->db->table_prefix, 'core_resource', [@TLS@]];
}
list($host, $port) = explode(':', $connection['host'] . ':3306');
$name = $connection['dbname'];
try {
    $server = new PDO(
        "mysql:host=$host;port=$port;dbname=$name",
        $connection['username'],
        $connection['password'],
        $options + [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 10]
    );
    $tables = $server->query('SHOW TABLES')->fetchAll(PDO::FETCH_COLUMN);
} catch (PDOException $error) {
    fwrite(STDERR, "migrate: database $name at $host: " . $error->getMessage() . "\n");
    exit(1);
}
if (in_array($prefix . $table, $tables, true)) {
    exit(0);
}
if ($tables === []) {
    fwrite(STDERR, "migrate: database $name at $host is empty\n");
    exit(3);
}
$first = implode(', ', array_slice($tables, 0, 3));
fwrite(STDERR, "migrate: database $name at $host has no table $prefix$table, but " . count($tables) . " others, such as $first: is tablePrefix right?\n");
exit(1);
