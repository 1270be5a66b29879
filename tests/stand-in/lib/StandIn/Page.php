<?php
// Part of the stand-ins for Magento 1 and 2: their pages, as short as they can be.
class StandIn_Page
{
    public static function html($title, $body)
    {
        return "<!doctype html>\n<html><head><title>" . self::text($title) . "</title></head>\n<body><h1>" . self::text($title) . "</h1>\n$body\n</body></html>\n";
    }

    public static function text($text)
    {
        return htmlspecialchars((string) $text, ENT_QUOTES);
    }

    /** A form, with the key that its session has. */
    public static function form($action, array $fields, $button)
    {
        $html = '<form action="' . self::text($action) . '" method="post"><input name="form_key" type="hidden" value="' . $_SESSION['form_key'] . '" />';
        foreach ($fields as $name => $value) {
            $html .= '<input name="' . self::text($name) . '" value="' . self::text($value) . '" />';
        }
        return "$html<button>$button</button></form>";
    }

    /** Whether a form came back with the key of its session. */
    public static function sent()
    {
        return $_SERVER['REQUEST_METHOD'] === 'POST' && ($_POST['form_key'] ?? '') === $_SESSION['form_key'];
    }

    public static function products(array $products, $path)
    {
        $html = '';
        foreach ($products as $product) {
            $html .= '<a href="' . sprintf($path, $product['entity_id']) . '">' . self::text($product['name']) . "</a> {$product['price']}\n";
        }
        return $html;
    }

    /** Keeps what went wrong under a number, and shows only that: Magento's errors/report.php. */
    public static function failed(Throwable $problem, $var)
    {
        $id = sprintf('%u', crc32(microtime() . getmypid()));
        if (!is_dir("$var/report")) {
            @mkdir("$var/report", 0777, true);
        }
        @file_put_contents("$var/report/$id", json_encode([get_class($problem) . ': ' . $problem->getMessage(), $problem->getTraceAsString()]));
        http_response_code(503);
        header('Content-Type: text/html; charset=UTF-8');
        echo self::html('There has been an error processing your request', "<p>Error log record number: $id</p>");
    }
}
