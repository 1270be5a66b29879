<?php
// Runs before each script of php-fpm. What a shop may write to, uploads above all, is a link that leads out of the release: no program.
$path = (string) realpath($_SERVER['SCRIPT_FILENAME'] ?? '/');
if (strpos($path, '/srv/shop/releases/') !== 0 && strpos($path, '/srv/shop/agent/') !== 0) {
    http_response_code(403);
    header('Content-Type: text/plain');
    error_log("not run, as it is no file of a release: $path");
    exit("403 Forbidden\n");
}
// The agent hears what PHP says of its own requests: it is an answer, and no error that a visitor met. A directory is no log, so PHP takes
// the answer; this one is within any open_basedir.
if (isset($_SERVER['LONGSHORE_ASKS'])) {
    ini_set('error_log', dirname($path));
}
unset($path);
// In place of what php.ini says, which the pool's setting has replaced.
if (get_cfg_var('auto_prepend_file')) {
    require get_cfg_var('auto_prepend_file');
}
