"""Makes the corpus of errors: has a real php-fpm run every kind in `kinds/`, in two releases whose paths and lines differ, and writes what
its logs then have to OUT/KIND.LOG.txt, one record of each release.

usage: record.py PHP_FPM OUT [CHROOT]

php-fpm runs as a user without any capability, as in a pod. With CHROOT, PHP_FPM is a program in there, such as PHP 7.4's of Debian 11.
"""

import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
RELEASES = ["0123456789abcdef", "fedcba9876543210"]
USER = 10001
# Which log a kind is in, if it is not PHP's.
LOGS = {"timeout": "php-fpm", "segfault": "php-fpm", "output": "php-fpm", "slow": "slow"}
SHOPS = ["monolog", "monolog-lines", "zend-log", "report-json", "report-serialized"]
POOL = """
[global]
daemonize = no
error_log = {top}/log/php-fpm.log
log_level = warning
log_limit = 16384
pid = {top}/php-fpm.pid
[shop]
listen = {top}/socket
pm = static
pm.max_children = 1
request_terminate_timeout = 4s
request_slowlog_timeout = 1s
slowlog = {top}/log/slow.log
catch_workers_output = yes
decorate_workers_output = no
php_admin_value[error_log] = {top}/log/php.log
php_value[log_errors] = On
php_value[display_errors] = Off
php_value[html_errors] = Off
php_value[error_reporting] = 32767
php_value[date.timezone] = UTC
"""


def record(kind, body):
    return struct.pack("!BBHHBB", 1, kind, 1, len(body), 0, 0) + body


def pair(name, value):
    name, value = name.encode(), value.encode()
    return struct.pack("!II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value


def ask(path, script, log):
    """Has php-fpm run a script, and waits for the end of its answer."""
    params = {"REQUEST_METHOD": "GET", "SCRIPT_FILENAME": script, "SCRIPT_NAME": "/" + os.path.basename(script), "LOG": log, "TOP": os.path.dirname(os.path.dirname(log))}
    params |= {"REQUEST_URI": "/?token=secret", "SERVER_PROTOCOL": "HTTP/1.1"}
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(30)
        stream.connect(path)
        stream.sendall(record(1, struct.pack("!HB5x", 1, 0)) + record(4, b"".join(pair(*it) for it in params.items())) + record(4, b"") + record(5, b""))
        try:
            while stream.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass


def trees(top):
    for number, release in enumerate(RELEASES):
        tree = top / "srv/shop/releases" / release
        tree.mkdir(parents=True)
        for source in [HERE / "shop.php", *(HERE / "kinds").iterdir()]:
            lines = source.read_text().split("\n", 1)
            # Other lines in the next release.
            (tree / source.name).write_text(lines[0] + "\n" * (1 + 7 * number) + lines[1])


def grown(path, before):
    """What is in a log beyond `before`, once it is there and grows no more."""
    start, last = time.monotonic(), None
    while True:
        time.sleep(0.3)
        now = path.read_bytes()[before:] if path.exists() else b""
        if now and now == last:
            return now
        if time.monotonic() - start > 10:
            raise SystemExit(f"{path.name} has nothing of it")
        last = now


def main(php_fpm, out, chroot=""):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    os.chmod(top := tempfile.mkdtemp(dir=(chroot or "") + "/tmp"), 0o755)
    top = pathlib.Path(top)
    inside = str(top).removeprefix(chroot)
    user = ["--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    trees(top)
    for made in ["log", "shop"]:
        (top / made).mkdir()
    if os.getuid() == 0:
        for made in [top, top / "log", top / "shop"]:
            os.chown(made, USER, USER)
    # PHP 8 logs messages whole, and has no such setting.
    more = "php_value[log_errors_max_len] = 0\n" if "7." in php_fpm else ""
    (top / "pool.conf").write_text(POOL.format(top=inside) + more)
    start = [php_fpm, "--nodaemonize", "--fpm-config", f"{inside}/pool.conf"]
    if chroot:
        start = ["chroot", f"--userspec={USER}:{USER}", chroot, *start]
    elif os.getuid() == 0:
        start = ["setpriv", *user, *start]
    fpm = subprocess.Popen(start, stderr=subprocess.DEVNULL)
    try:
        while not (top / "socket").exists():
            time.sleep(0.05)
        for script in sorted((HERE / "kinds").glob("*.php")):
            kind = script.stem
            log = top / "shop" / f"{kind}.log" if kind in SHOPS else top / "log" / f"{LOGS.get(kind, 'php')}.log"
            name = "report" if kind.startswith("report") else "log" if kind in SHOPS else log.stem
            found = []
            for number, release in enumerate(RELEASES):
                if name == "report":
                    log.unlink(missing_ok=True)
                before = log.stat().st_size if log.exists() else 0
                ask(str(top / "socket"), f"{inside}/srv/shop/releases/{release}/{script.name}", str(log).removeprefix(chroot))
                text = grown(log, before).replace(inside.encode(), b"")
                if name == "report":
                    (out / f"{kind}.{number}.report.txt").write_bytes(text)
                found.append(text)
            if name != "report":
                (out / f"{kind}.{name}.txt").write_bytes(b"".join(found))
    finally:
        fpm.terminate()
        fpm.wait()
        shutil.rmtree(top)


main(*sys.argv[1:])
