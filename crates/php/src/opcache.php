<?php
// What longshore-agent asks of OPcache. Only FastCGI parameters are looked at, which no visitor of a web server can set.
if (PHP_SAPI !== 'fpm-fcgi' || !isset($_SERVER['LONGSHORE_CALL'])) {
    http_response_code(404);
    exit;
}
header('Content-Type: application/json');
ini_set('display_errors', '0');
$call = json_decode($_SERVER['LONGSHORE_CALL'], true);
$answer = ['enabled' => function_exists('opcache_get_status') && opcache_get_status(false) !== false];
// Also after a fatal error: the caller goes on behind the script that had it.
register_shutdown_function(static function () use (&$answer) {
    echo json_encode($answer, JSON_INVALID_UTF8_SUBSTITUTE);
});
if (!$answer['enabled']) {
    exit;
}
$cached = static function (string $tree): array {
    $scripts = opcache_get_status(true)['scripts'] ?? [];
    return array_filter($scripts, static fn ($path) => strpos($path, $tree . '/') === 0, ARRAY_FILTER_USE_KEY);
};
switch ($call['do']) {
    case 'warm':
        $answer += ['done' => 0, 'compiled' => 0, 'cached' => 0, 'failed' => []];
        $until = microtime(true) + $call['seconds'];
        foreach ($call['scripts'] as $script) {
            if (microtime(true) > $until) {
                break;
            }
            $path = $call['tree'] . '/' . $script;
            $answer['at'] = $script;
            if (opcache_is_script_cached($path)) {
                $answer['cached']++;
            } else {
                try {
                    $compiled = @opcache_compile_file($path);
                } catch (Throwable $error) {
                    $compiled = false;
                }
                $compiled ? $answer['compiled']++ : $answer['failed'][] = $script;
            }
            $answer['done']++;
        }
        unset($answer['at']);
        $status = opcache_get_status(false);
        $answer['full'] = $status['cache_full'];
        $answer['freeBytes'] = $status['memory_usage']['free_memory'];
        break;
    case 'hottest':
        $scripts = $cached($call['tree']);
        uasort($scripts, static fn ($one, $other) => $other['hits'] <=> $one['hits']);
        $paths = array_keys(array_slice($scripts, 0, $call['most'], true));
        $answer['scripts'] = array_map(static fn ($path) => substr($path, strlen($call['tree']) + 1), $paths);
        break;
    case 'forget':
        $answer['forgotten'] = 0;
        foreach (array_keys($cached($call['tree'])) as $path) {
            $answer['forgotten'] += (int) opcache_invalidate($path, true);
        }
        break;
    case 'drop':
        $answer['forgotten'] = 0;
        foreach ($call['scripts'] as $script) {
            $path = $call['tree'] . '/' . $script;
            if (opcache_is_script_cached($path)) {
                $answer['forgotten'] += (int) opcache_invalidate($path, true);
            }
        }
        break;
}
