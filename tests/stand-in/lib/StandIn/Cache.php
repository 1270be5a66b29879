<?php
// Part of the stand-ins for Magento 1 and 2: a cache whose keys are those of Cm_Cache_Backend_Redis, or files where there is no Redis.
class StandIn_Cache
{
    private $redis;
    private $directory;
    private $prefix;

    /** @param StandIn_Redis|null $redis */
    public function __construct($redis, $directory, $prefix)
    {
        list($this->redis, $this->directory, $this->prefix) = [$redis, $directory, $prefix];
    }

    public function load($id)
    {
        $id = $this->prefix . strtoupper($id);
        if ($this->redis) {
            return $this->redis->hget("zc:k:$id", 'd') ?? false;
        }
        return @file_get_contents("$this->directory/mage---$id");
    }

    public function save($data, $id, array $tags)
    {
        $id = $this->prefix . strtoupper($id);
        if (!$this->redis) {
            if (!is_dir($this->directory) && !@mkdir($this->directory, 0777, true)) {
                throw new RuntimeException("cache_dir \"$this->directory\" is not writable");
            }
            $new = tempnam($this->directory, 'new');
            file_put_contents($new, $data);
            return rename($new, "$this->directory/mage---$id");
        }
        $tags = array_map(function ($tag) {
            return $this->prefix . strtoupper($tag);
        }, $tags);
        // Without an end, as configuration is kept.
        $this->redis->hmset("zc:k:$id", 'd', $data, 't', implode(',', $tags), 'm', (string) time(), 'i', '1');
        foreach ($tags as $tag) {
            $this->redis->sadd('zc:tags', $tag);
            $this->redis->sadd("zc:ti:$tag", $id);
        }
        return true;
    }

    public function clean(array $tags)
    {
        if (!$this->redis) {
            array_map('unlink', glob("$this->directory/mage---*") ?: []);
            return;
        }
        foreach ($tags as $tag) {
            $tag = $this->prefix . strtoupper($tag);
            foreach ($this->redis->smembers("zc:ti:$tag") as $id) {
                $this->redis->del("zc:k:$id");
            }
            $this->redis->del("zc:ti:$tag");
            $this->redis->srem('zc:tags', $tag);
        }
    }
}
