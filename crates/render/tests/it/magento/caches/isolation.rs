//! Shops on one Redis.

use super::*;

/// What both engines' backend does to store an entry: a script whose keys are its tags, as theirs
/// is.
const SAVE: &str = "redis.call('HMSET', ARGV[1]..ARGV[3], 'd', 'data') redis.call('EXPIRE', \
                    ARGV[1]..ARGV[3], 1000) redis.call('SADD', 'zc:tags', unpack(KEYS)) for _, \
                    tag in ipairs(KEYS) do redis.call('SADD', ARGV[2]..tag, ARGV[3]) end return \
                    'saved'";
/// And to clean by a tag.
const CLEAN: &str = "for _, id in ipairs(redis.call('SUNION', ARGV[2]..KEYS[1])) do \
                     redis.call('UNLINK', ARGV[1]..id) end redis.call('UNLINK', ARGV[2]..KEYS[1]) \
                     redis.call('SREM', 'zc:tags', KEYS[1]) return 'cleaned'";

/// A server on which two shops are strangers.
fn strangers() -> Redis {
    let redis = Redis::start("s'3cret");
    for shop in ["acme", "vinyl"] {
        let made = redis.ask(&format!(
            "{}\n",
            acl(
                shop,
                &format!("{shop}_"),
                &Password::hashed(&format!("of {shop}"))
            )
        ));
        assert_eq!(made, "OK\n", "{shop}");
    }
    redis
}

/// What a shop must not do beside another one, the operator and other databases.
const FORBIDDEN: [&str; 54] = [
    "HGET zc:k:vinyl_1_ID d",
    "HGETALL zc:k:vinyl_1_ID",
    "HSET zc:k:vinyl_1_ID d evil",
    "DEL zc:k:vinyl_1_ID",
    "UNLINK zc:ti:vinyl_1_CONFIG",
    "SMEMBERS zc:ti:vinyl_1_CONFIG",
    "SUNION zc:ti:acme_1_T zc:ti:vinyl_1_CONFIG",
    "SMEMBERS zc:tags",
    "SSCAN zc:tags 0",
    "DEL zc:tags",
    "SET zc:tags x",
    "HSET zc:tags a b",
    "EXPIRE zc:tags 1",
    "RENAME zc:k:acme_1_X zc:tags",
    "SUNIONSTORE zc:ti:acme_1_T zc:tags",
    "COPY zc:k:vinyl_1_ID zc:k:acme_1_C",
    "MIGRATE h 1 zc:k:vinyl_1_ID 0 1",
    "DUMP zc:k:vinyl_1_ID",
    "MOVE zc:k:vinyl_1_ID 3",
    "SORT zc:ti:vinyl_1_CONFIG",
    "OBJECT ENCODING zc:k:vinyl_1_ID",
    "HGETALL longshore:vinyl_",
    "HGETALL longshore:acme_b_",
    "HGETALL acme",
    "FLUSHDB",
    "FLUSHALL",
    "KEYS *",
    "RANDOMKEY",
    "SWAPDB 0 1",
    "CONFIG GET maxmemory",
    "INFO",
    "MONITOR",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "ACL LIST",
    "ACL WHOAMI",
    "ACL SETUSER acme ~*",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "FUNCTION LIST",
    "SAVE",
    "SHUTDOWN NOSAVE",
    "REPLICAOF h 1",
    "SUBSCRIBE x",
    "PUBLISH x y",
    "MODULE LIST",
    "LATENCY DOCTOR",
    "SLOWLOG GET",
    "WAIT 0 0",
    "SELECT 2\nHGETALL sess_0123",
    "SELECT 2\nDEL sess_0123",
    "EVAL \"return redis.call('HGETALL', 'zc:k:vinyl_1_ID')\" 0",
    "EVAL \"return redis.call('FLUSHDB')\" 0",
    "EVAL \"return redis.call('HGETALL', KEYS[1])\" 1 zc:k:vinyl_1_ID",
];

#[test]
fn a_shop_has_its_own_keys_in_redis_and_none_of_another_shop() {
    let redis = strangers();
    let (save, clean) = (
        |tag: &str, id: &str| format!("EVAL \"{SAVE}\" 1 {tag} zc:k: zc:ti: {id}\n"),
        |tag: &str| format!("EVAL \"{CLEAN}\" 1 {tag} zc:k: zc:ti:\n"),
    );
    let can = format!(
        "SELECT 1\nPING\n{}HGET zc:k:acme_1_ID d\nMULTI\nHSET zc:k:acme_1_X d x\nSADD \
         zc:ti:acme_1_T acme_1_X\nSADD zc:tags acme_1_T\nEXEC\nSMEMBERS zc:ti:acme_1_T\n{}EXISTS \
         zc:k:acme_1_ID\nSCRIPT EXISTS abc\n",
        save("acme_1_CONFIG", "acme_1_ID"),
        clean("acme_1_CONFIG"),
    );
    let said = redis.ask_as("acme", &can);
    assert!(
        !said.contains("NOPERM")
            && !said.contains("ERR")
            && said.contains("saved")
            && said.contains("cleaned"),
        "{said}"
    );

    // The other shop has a cache, and the operator has sessions of trusted shops in another
    // database.
    assert!(
        redis
            .ask_as("vinyl", &save("vinyl_1_CONFIG", "vinyl_1_ID"))
            .contains("saved")
    );
    redis.ask("SELECT 2\nHSET sess_0123 data admin\n");
    for line in FORBIDDEN {
        let said = redis.ask_as("acme", &format!("{line}\n"));
        let last = said.trim_end().rsplit("\n\n").next().unwrap_or_default();
        assert!(
            last.contains("NOPERM")
                || last.contains("ACL failure")
                || last.contains("permissions")
                || last.contains("can't "),
            "{line}: {said}"
        );
    }
    assert_eq!(
        (
            redis.count(0, "zc:k:vinyl_1_ID"),
            redis.count(2, "sess_0123")
        ),
        (1, 1)
    );
    assert_eq!(redis.ask("TYPE zc:tags\n"), "set\n");
    assert!(
        redis
            .ask_as("vinyl", &clean("vinyl_1_CONFIG"))
            .contains("cleaned")
    );
}

/// As both engines' backend asks by the extension `redis`: which calls, in which transactions, by
/// which scripts. Each line says what came of one.
const BACKEND: &str = r#"<?php
[, $port, $user, $save, $clean] = $argv;
$redis = new Redis();
$redis->connect('127.0.0.1', (int) $port);
$redis->auth([$user, "of $user"]);
$redis->select(1);
$p = $user . '_1_';
$try = static function (string $name, callable $call) use ($redis): void {
    $redis->clearLastError();
    try {
        $answer = $call();
        $error = $redis->getLastError();
    } catch (RedisException $exception) {
        $answer = false;
        $error = $exception->getMessage();
        if ($redis->getMode() !== Redis::ATOMIC) {
            $redis->discard();
        }
    }
    $refused = (is_array($answer) && in_array(false, $answer, true)) || $answer === false;
    echo $name, ': ', $error !== null ? explode(' ', $error)[0] : ($refused ? 'false' : 'done'), "\n";
};
$script = static function (string $text, array $keys, array $values) use ($redis): mixed {
    $answer = $redis->evalSha(sha1($text), [...$keys, ...$values], count($keys));
    if ($answer === false && str_starts_with((string) $redis->getLastError(), 'NOSCRIPT')) {
        $redis->clearLastError();
        $answer = $redis->eval($text, [...$keys, ...$values], count($keys));
    }
    return $answer;
};
$remove = static fn (string $id, array $tags): mixed => (static function () use ($redis, $id, $tags) {
    $redis->multi();
    $redis->unlink('zc:k:' . $id);
    foreach ($tags as $tag) {
        $redis->sRem('zc:ti:' . $tag, $id);
    }
    return $redis->exec();
})();
$try('save by script', static fn () => $script($save, [$p . 'CONFIG', $p . 'BLOCK'], ['zc:k:', 'zc:ti:', $p . 'ID']));
$try('save by transaction', static function () use ($redis, $p) {
    $redis->multi(Redis::PIPELINE);
    $redis->hMSet('zc:k:' . $p . 'X', ['d' => 'data', 't' => $p . 'T', 'm' => 1, 'i' => 0]);
    $redis->expire('zc:k:' . $p . 'X', 1000);
    $redis->sAdd('zc:tags', $p . 'T');
    $redis->sAdd('zc:ti:' . $p . 'T', $p . 'X');
    return $redis->exec();
});
$try('load', static fn () => $redis->hGet('zc:k:' . $p . 'X', 'd'));
$try('load many', static function () use ($redis, $p) {
    $redis->multi(Redis::PIPELINE);
    $redis->hGet('zc:k:' . $p . 'X', 'd');
    $redis->hGet('zc:k:' . $p . 'ID', 'd');
    return $redis->exec();
});
$try('ids of any tag', static fn () => $redis->sUnion('zc:ti:' . $p . 'T', 'zc:ti:' . $p . 'CONFIG'));
$try('ids of all tags', static fn () => $redis->sInter('zc:ti:' . $p . 'CONFIG', 'zc:ti:' . $p . 'BLOCK'));
$try('save without tags', static fn () => $redis->hMSet('zc:k:' . $p . 'BARE', ['d' => 'data', 't' => '']));
// A list of no tags, taken apart, is the empty tag.
$try('remove without tags', static fn () => count(array_filter($remove($p . 'BARE', ['']) ?: [], static fn ($done) => $done !== false)) === 2);
$try('it is gone', static fn () => $redis->exists('zc:k:' . $p . 'BARE') === 0);
$try('clean by a tag', static fn () => $script($clean, [$p . 'CONFIG'], ['zc:k:', 'zc:ti:']));
$try('clean by transaction', static function () use ($redis, $p) {
    $redis->multi(Redis::PIPELINE);
    $redis->unlink('zc:k:' . $p . 'X');
    $redis->unlink('zc:ti:' . $p . 'T');
    $redis->sRem('zc:tags', $p . 'T');
    return $redis->exec();
});
$try('garbage', static fn () => $redis->sMembers('zc:tags'));
$try('flush', static fn () => $redis->flushDb());
$try('ids', static fn () => $redis->keys('zc:k:*'));
$try('save after what was refused', static fn () => $script($save, [$p . 'CONFIG'], ['zc:k:', 'zc:ti:', $p . 'KEPT']));
$other = ($user === 'acme' ? 'vinyl' : 'acme') . '_1_';
$try('other: load', static fn () => $redis->hGet('zc:k:' . $other . 'KEPT', 'd'));
$try('other: save', static fn () => $script($save, [$other . 'CONFIG'], ['zc:k:', 'zc:ti:', $other . 'KEPT']));
$try('other: save with a tag of ours', static fn () => $script($save, [$p . 'CONFIG'], ['zc:k:', 'zc:ti:', $other . 'KEPT']));
$try('other: clean', static fn () => $script($clean, [$other . 'CONFIG'], ['zc:k:', 'zc:ti:']));
$try('other: remove', static fn () => $remove($other . 'KEPT', [$other . 'CONFIG']));
$try('other: empty tag', static fn () => $redis->sAdd('zc:ti:', $other . 'KEPT'));
"#;

#[test]
fn both_engines_backend_works_for_a_separate_shop_by_the_extension_and_reaches_no_other() {
    let redis = strangers();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("backend.php"), BACKEND).unwrap();
    for shop in ["vinyl", "acme"] {
        let lines = printed(&php(
            &["backend.php", &redis.port.to_string(), shop, SAVE, CLEAN],
            directory.path(),
        ));
        let expected = [
            ("save by script", "done"),
            ("save by transaction", "done"),
            ("load", "done"),
            ("load many", "done"),
            ("ids of any tag", "done"),
            ("ids of all tags", "done"),
            ("save without tags", "done"),
            ("remove without tags", "done"),
            ("it is gone", "done"),
            ("clean by a tag", "done"),
            ("clean by transaction", "done"),
            // What docs/shops.md says that a shop cannot do.
            ("garbage", "NOPERM"),
            ("flush", "NOPERM"),
            ("ids", "NOPERM"),
            ("save after what was refused", "done"),
            ("other: load", "NOPERM"),
            ("other: save", "NOPERM"),
            // Within the script.
            ("other: save with a tag of ours", "ERR"),
            ("other: clean", "NOPERM"),
            ("other: remove", "NOPERM"),
            ("other: empty tag", "NOPERM"),
        ];
        let found: Vec<_> = lines
            .lines()
            .filter_map(|line| line.rsplit_once(": "))
            .collect();
        assert_eq!(found, expected, "{shop}: {lines}");
    }
    assert_eq!(
        redis.ask("SELECT 1\nEXISTS zc:k:vinyl_1_KEPT\nEXISTS zc:k:acme_1_KEPT\n"),
        "OK\n1\n1\n"
    );
}

#[test]
fn the_files_of_a_separate_shop_name_its_user_and_its_caches_are_cleaned_by_it() {
    let redis = strangers();
    for (platform, shop, name) in [("aws", "acme", "env.php"), ("azure", "vinyl", "local.xml")] {
        let files = files(platform, |it, class| {
            it.spec.services.cache.as_mut().unwrap().sessions = None;
            let cache = &mut class.spec.backends.caches[0];
            cache.tenants = Tenants::Separate;
            (cache.host, cache.port) = ("127.0.0.1".into(), redis.port.into());
        });
        let pod = Pod::new();
        pod.put("etc/secret/cache-password", &format!("of {shop}\n"));
        pod.put("clean-caches.php", &files["clean-caches.php"]);
        pod.configure(name, &files[name]);
        let user = if name == "env.php" {
            format!("'username' => '{shop}', 'password' => $secret('cache-password')")
        } else {
            format!("<username>{shop}</username>")
        };
        let count = files[name].matches(&user).count();
        assert_eq!(
            count,
            if name == "env.php" { 2 } else { 1 },
            "{}",
            files[name]
        );
        let old = format!("{shop}_{GONE}_01234567_");
        cached(&redis, 0, &old);
        cached(&redis, 0, &format!("other_{GONE}_01234567_"));
        assert_eq!(
            printed(&php(&["clean-caches.php", "0"], &pod.path(""))),
            "clean-caches: 2 keys of releases before are gone\n"
        );
        assert_eq!(
            (
                redis.count(0, &format!("zc:k:{old}CONFIG_GLOBAL")),
                redis.count(0, &format!("zc:k:other_{GONE}_01234567_CONFIG_GLOBAL"))
            ),
            (0, 1)
        );
        let tags = redis.ask("SMEMBERS zc:tags\n");
        assert!(!tags.contains(&old) && tags.contains("other_"), "{tags}");
    }
}
