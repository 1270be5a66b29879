<?php
// Leads the release's shared paths to where they are in this pod, and fills secrets into templates. Ends with 1 and a reason where it cannot.
$fail = static function (string $reason): void {
    fwrite(STDERR, "prepare: $reason\n");
    exit(1);
};
$work = json_decode((string) file_get_contents(__DIR__ . '/prepare.json'), true) ?: $fail('prepare.json is not readable');
$place = static function (string $path) use ($work, $fail): string {
    $full = $work['into'] . '/' . $path;
    if (!is_dir(dirname($full)) && !mkdir(dirname($full), 0750, true)) {
        $fail('cannot make ' . dirname($full));
    }
    // A container that starts again finds what it made before.
    if (is_link($full) || is_file($full)) {
        unlink($full);
    }
    return $full;
};
foreach ($work['links'] as $path => $target) {
    symlink($target, $place($path)) || $fail("cannot link $path");
}
foreach ($work['templates'] as $path => $template) {
    $text = file_get_contents($template);
    is_string($text) || $fail("cannot read $template");
    $filled = preg_replace_callback('/@secret:([a-z0-9.-]+)(\?)?@/', static function (array $found) use ($work, $fail): string {
        $file = $work['secrets'] . '/' . $found[1];
        if (!is_readable($file)) {
            return isset($found[2]) ? '' : $fail("the shop's Secret has no key {$found[1]}");
        }
        // Inside CDATA, whose end is the one thing that must not appear.
        return str_replace(']]>', ']]]]><![CDATA[>', rtrim((string) file_get_contents($file), "\n"));
    }, $text);
    file_put_contents($place($path), $filled) === strlen((string) $filled) || $fail("cannot write $path");
}
