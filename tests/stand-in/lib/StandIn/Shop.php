<?php
// Part of the stand-ins for Magento 1 and 2: a shop of few products on MariaDB, with their pictures in a directory.
class StandIn_Shop
{
    const TABLES = [
        'core_config_data (scope VARCHAR(8), scope_id INT, path VARCHAR(200), value TEXT, PRIMARY KEY (scope, scope_id, path))',
        'core_session (session_id VARCHAR(64) PRIMARY KEY, session_expires INT, session_data MEDIUMTEXT)',
        'catalog_product (entity_id INT AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(64) UNIQUE, name VARCHAR(200), price DECIMAL(10,2), image VARCHAR(200))',
        'catalogsearch_index (product_id INT PRIMARY KEY, data_index TEXT)',
        'account (kind VARCHAR(8), name VARCHAR(100), title VARCHAR(100), hash VARCHAR(100), PRIMARY KEY (kind, name))',
        'sales_order (entity_id INT AUTO_INCREMENT PRIMARY KEY, email VARCHAR(100), total DECIMAL(10,2))',
        'cron_schedule (schedule_id INT AUTO_INCREMENT PRIMARY KEY, job_code VARCHAR(64), status VARCHAR(16), messages TEXT, created_at DATETIME, scheduled_at DATETIME, executed_at DATETIME(3))',
    ];

    public $db;
    private $media;

    public function __construct(PDO $db, $media)
    {
        list($this->db, $this->media) = [$db, $media];
    }

    public static function connect($host, $user, $password, $name)
    {
        list($host, $port) = explode(':', "$host:3306");
        $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC];
        return new PDO("mysql:host=$host;port=$port;dbname=$name;charset=utf8mb4", $user, $password, $options);
    }

    public function install(array $values, array $accounts)
    {
        foreach (self::TABLES as $table) {
            $this->db->exec("CREATE TABLE IF NOT EXISTS $table ENGINE=InnoDB");
        }
        foreach ($values as $path => $value) {
            $this->run("REPLACE INTO core_config_data VALUES ('default', 0, ?, ?)", [$path, $value]);
        }
        $accounts[] = ['customer', 'ana@shop.example', 'Ana', 'chairs-and-tables-1'];
        $accounts[] = ['api', 'standin', 'API', 'chairs-and-tables-1'];
        foreach ($accounts as list($kind, $name, $title, $password)) {
            $this->run('REPLACE INTO account VALUES (?, ?, ?, ?)', [$kind, $name, $title, password_hash($password, PASSWORD_BCRYPT)]);
        }
        $this->run("REPLACE INTO catalog_product VALUES (1, 'chair', 'Chair', 40, '/c/h/chair.png')");
        $picture = imagecreatetruecolor(600, 400);
        @mkdir("$this->media/catalog/product/c/h", 0777, true);
        imagepng($picture, "$this->media/catalog/product/c/h/chair.png");
        $this->reindex();
    }

    public function run($statement, array $values = [])
    {
        $prepared = $this->db->prepare($statement);
        $prepared->execute($values);
        return $prepared;
    }

    public function values()
    {
        return $this->run('SELECT path, value FROM core_config_data ORDER BY scope, scope_id')->fetchAll(PDO::FETCH_KEY_PAIR);
    }

    public function product($id)
    {
        return $this->run('SELECT * FROM catalog_product WHERE entity_id = ?', [$id])->fetch();
    }

    public function products($text = '')
    {
        $found = 'SELECT p.* FROM catalog_product p JOIN catalogsearch_index i ON i.product_id = p.entity_id WHERE i.data_index LIKE ?';
        return $this->run("$found ORDER BY entity_id", ["%$text%"])->fetchAll();
    }

    /** The path below media of a picture of this width, which is made when it is first asked for. */
    public function resized($image, $width)
    {
        $path = "catalog/product/cache/$width$image";
        $file = "$this->media/$path";
        if (is_file($file)) {
            return $path;
        }
        $text = @file_get_contents("$this->media/catalog/product$image");
        if ($text === false) {
            return null;
        }
        $picture = imagescale(imagecreatefromstring($text), $width);
        if (!is_dir(dirname($file)) && !@mkdir(dirname($file), 0777, true) && !is_dir(dirname($file))) {
            throw new RuntimeException("$file cannot be written");
        }
        $new = "$file." . getmypid();
        if (!@imagepng($picture, $new) || !rename($new, $file)) {
            throw new RuntimeException("$file cannot be written");
        }
        return $path;
    }

    public function account($kind, $name, $password)
    {
        $found = $this->run('SELECT title, hash FROM account WHERE kind = ? AND name = ?', [$kind, $name])->fetch();
        return $found && password_verify($password, $found['hash']) ? $found['title'] : null;
    }

    public function order($email, array $cart)
    {
        $total = 0;
        foreach ($cart as $id => $quantity) {
            $total += $this->product($id)['price'] * $quantity;
        }
        if (!$total) {
            throw new RuntimeException('the cart is empty');
        }
        $this->run('INSERT INTO sales_order (email, total) VALUES (?, ?)', [$email, $total]);
        return 100000000 + (int) $this->db->lastInsertId();
    }

    /** Takes an upload to where saving the product finds it. */
    public function upload(array $file)
    {
        if (($file['error'] ?? UPLOAD_ERR_NO_FILE) !== UPLOAD_ERR_OK) {
            throw new RuntimeException('the upload failed with ' . ($file['error'] ?? 'no file'));
        }
        $name = '/' . preg_replace('/[^a-z0-9.]/', '_', strtolower($file['name']));
        $to = "$this->media/tmp/catalog/product$name";
        if (!is_dir(dirname($to)) && !@mkdir(dirname($to), 0777, true) && !is_dir(dirname($to)) || !move_uploaded_file($file['tmp_name'], $to)) {
            throw new RuntimeException("$to cannot be written");
        }
        return $name;
    }

    public function save($id, $name, $upload)
    {
        $image = $this->product($id)['image'];
        if ($upload) {
            $upload = '/' . basename($upload);
            $image = "/{$upload[1]}/{$upload[2]}$upload";
            @mkdir(dirname("$this->media/catalog/product$image"), 0777, true);
            if (!rename("$this->media/tmp/catalog/product$upload", "$this->media/catalog/product$image")) {
                throw new RuntimeException("$image cannot be written");
            }
        }
        $this->run('UPDATE catalog_product SET name = ?, image = ? WHERE entity_id = ?', [$name, $image, $id]);
    }

    public function reindex()
    {
        $this->run('REPLACE INTO catalogsearch_index SELECT entity_id, CONCAT(sku, " ", name) FROM catalog_product');
    }

    public function export()
    {
        $lines = "sku,name,price\n";
        foreach ($this->run('SELECT sku, name, price FROM catalog_product ORDER BY entity_id') as $row) {
            $lines .= implode(',', array_values($row)) . "\n";
        }
        return $lines;
    }

    public function import($lines)
    {
        $rows = array_slice(explode("\n", trim($lines)), 1);
        foreach (array_map('str_getcsv', $rows) as list($sku, $name, $price)) {
            $change = 'ON DUPLICATE KEY UPDATE name = VALUES(name), price = VALUES(price)';
            $this->run("INSERT INTO catalog_product (sku, name, price, image) VALUES (?, ?, ?, '') $change", [$sku, $name, $price]);
        }
        $this->reindex();
        return count($rows);
    }

    /** Remembers that a job ran, and does those that were due. */
    public function job($code, $message)
    {
        $this->run("INSERT INTO cron_schedule (job_code, status, messages, executed_at) VALUES (?, 'success', ?, UTC_TIMESTAMP(3))", [$code, $message]);
        $done = "UPDATE cron_schedule SET status = 'success', executed_at = UTC_TIMESTAMP(3)";
        $this->run("$done WHERE status = 'pending' AND scheduled_at <= UTC_TIMESTAMP()");
    }
}
