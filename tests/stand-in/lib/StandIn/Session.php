<?php
// Part of the stand-ins for Magento 1 and 2: sessions in Redis under the keys of Cm_RedisSession, in SQL, or in files.
class StandIn_Session implements SessionHandlerInterface
{
    private $redis;
    private $db;
    private $locks;
    private $locked;

    /**
     * @param StandIn_Redis|null $redis
     * @param PDO|null $db
     */
    public function __construct($redis, $db, $locks)
    {
        list($this->redis, $this->db, $this->locks) = [$redis, $db, $locks];
    }

    public static function start($redis, $db, $locks, $name, $secure)
    {
        if ($redis || $db) {
            session_set_save_handler(new self($redis, $db, $locks), true);
        }
        session_name($name);
        session_set_cookie_params(['path' => '/', 'secure' => $secure, 'httponly' => true]);
        session_start();
        if (!isset($_SESSION['form_key'])) {
            $_SESSION['form_key'] = bin2hex(random_bytes(8));
        }
    }

    public function open($path, $name): bool
    {
        return true;
    }

    #[\ReturnTypeWillChange]
    public function read($id)
    {
        if ($this->redis) {
            $until = microtime(true) + 5;
            while ($this->locks && !$this->redis->set("lock_$id", '1', 'NX', 'EX', '10') && microtime(true) < $until) {
                usleep(5000);
            }
            $this->locked = $this->locks;
            return (string) $this->redis->hget("sess_$id", 'data');
        }
        $found = $this->db->prepare('SELECT session_data FROM core_session WHERE session_id = ?');
        $found->execute([$id]);
        return (string) $found->fetchColumn();
    }

    public function write($id, $data): bool
    {
        if ($this->redis) {
            $this->redis->hset("sess_$id", 'data', $data);
            $this->redis->expire("sess_$id", '3600');
            if ($this->locked) {
                $this->redis->del("lock_$id");
            }
            return true;
        }
        return $this->db->prepare('REPLACE INTO core_session VALUES (?, ?, ?)')->execute([$id, time() + 3600, $data]);
    }

    public function close(): bool
    {
        return true;
    }

    public function destroy($id): bool
    {
        return $this->write($id, '');
    }

    #[\ReturnTypeWillChange]
    public function gc($most)
    {
        return 0;
    }
}
