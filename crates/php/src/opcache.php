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
// Whether compiling a script without running it, which opcache_compile_file() does, gives what include gives. The one difference is when a class
// at the top level comes into being: include declares one that has nothing to wait for before the first statement runs, and a script that was
// compiled only declares each where it stands. Nobody sees that where nothing runs, and nothing is loaded, before the last of them.
$sameAsIncluded = static function (string $path): bool {
    $size = @filesize($path);
    $source = $size === false || $size > 2 << 20 ? false : @file_get_contents($path);
    if ($source === false) {
        return false;
    }
    if (!preg_match('/\b(class|interface|trait|enum)\b/i', $source)) {
        return true;
    }
    if (!function_exists('token_get_all')) {
        return false;
    }
    $class = [T_CLASS => 1, T_INTERFACE => 1, T_TRAIT => 1];
    $mark = [T_OPEN_TAG => 1, T_CLOSE_TAG => 1, T_FINAL => 1, T_ABSTRACT => 1, ';' => 1];
    // Of PHP 8 only; constant() as PHP 7 shall read this file, too.
    $newer = static fn (string $name) => defined($name) ? constant($name) : -1;
    $class[$newer('T_ENUM')] = $mark[$newer('T_READONLY')] = 1;
    $attribute = $newer('T_ATTRIBUTE');
    $tokens = [];
    foreach (token_get_all($source) as $token) {
        $kind = is_array($token) ? $token[0] : $token;
        if ($kind !== T_WHITESPACE && $kind !== T_COMMENT && $kind !== T_DOC_COMMENT) {
            $tokens[] = $kind === T_STRING ? [$kind, strtolower($token[1])] : [$kind];
        }
    }
    $count = count($tokens);
    $opens = ['{' => 1, T_CURLY_OPEN => 1, T_DOLLAR_OPEN_CURLY_BRACES => 1];
    $at = $blocks = 0;
    // What is at the first of these from here on.
    $next = static function (array $ends) use (&$at, $tokens, $count) {
        while ($at < $count && !isset($ends[$tokens[$at][0]])) {
            $at++;
        }
        return $tokens[$at][0] ?? null;
    };
    // Goes behind the body that begins here, and says whether a class in it uses traits.
    $body = static function () use (&$at, $tokens, $count, $opens): bool {
        $traits = false;
        for ($depth = 0; $at < $count; $at++) {
            $kind = $tokens[$at][0];
            $depth += isset($opens[$kind]) <=> ($kind === '}');
            $traits = $traits || ($kind === T_USE && $depth === 1);
            if ($depth === 0) {
                break;
            }
        }
        $at++;
        return $traits;
    };
    // Declarations that run nothing.
    while ($at < $count) {
        $kind = $tokens[$at][0];
        $following = $tokens[$at + 1][0] ?? null;
        if (isset($mark[$kind])) {
            $at++;
        } elseif ($kind === '}' && $blocks > 0) {
            $blocks--;
            $at++;
        } elseif ($kind === T_NAMESPACE && $following !== T_NS_SEPARATOR) {
            $blocks += $next([';' => 1, '{' => 1, T_CLOSE_TAG => 1]) === '{' ? 1 : 0;
            $at++;
        } elseif ($kind === T_USE) {
            $next([';' => 1, T_CLOSE_TAG => 1]);
        } elseif ($kind === T_DECLARE && ($tokens[$at + 2][1] ?? '') === 'strict_types') {
            $at += 6;
        } elseif ($kind === T_FUNCTION && $following === T_STRING) {
            $next(['{' => 1]);
            $body();
        } elseif ($kind === $attribute) {
            for ($depth = 0; $at < $count; $at++) {
                $depth += ($tokens[$at][0] === '[' || $tokens[$at][0] === $attribute) <=> ($tokens[$at][0] === ']');
                if ($depth === 0) {
                    break;
                }
            }
            $at++;
        } elseif (isset($class[$kind])) {
            $waits = $next(['{' => 1, T_EXTENDS => 1, T_IMPLEMENTS => 1]) !== '{';
            $next(['{' => 1]);
            if ($body() || $waits) {
                break;
            }
        } else {
            break;
        }
    }
    // From here on something runs.
    for (; $at < $count; $at++) {
        $before = $tokens[$at - 1][0] ?? null;
        if (isset($class[$tokens[$at][0]]) && $before !== T_DOUBLE_COLON && $before !== T_NEW) {
            return false;
        }
    }
    return true;
};
switch ($call['do']) {
    case 'warm':
        $answer += ['done' => 0, 'compiled' => 0, 'cached' => 0, 'failed' => [], 'skipped' => 0];
        $until = microtime(true) + $call['seconds'];
        foreach ($call['scripts'] as $script) {
            if (microtime(true) > $until) {
                break;
            }
            $path = $call['tree'] . '/' . $script;
            $answer['at'] = $script;
            if (opcache_is_script_cached($path)) {
                $answer['cached']++;
            } elseif (is_file($path) && !$sameAsIncluded($path)) {
                $answer['skipped']++;
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
