<?php
// Part of the stand-in for Magento 2: which page a path is, for visitors, for the admin and for its API.
namespace StandIn\Shop;

use StandIn_Page as Page;

class Front
{
    private $app;
    private $shop;
    private $headers = ['Content-Type' => 'text/html; charset=UTF-8'];
    private $status = 200;
    private $body = '';

    public function __construct(App $app)
    {
        list($this->app, $this->shop) = [$app, $app->shop];
    }

    public function launch()
    {
        $id = 'PC_' . md5(($_SERVER['HTTPS'] ?? '') . ($_SERVER['HTTP_HOST'] ?? '') . $_SERVER['REQUEST_URI']);
        $path = trim(preg_replace('#^/index\.php#', '', strtok($_SERVER['REQUEST_URI'], '?')), '/');
        $page = preg_match('#^(|catalog/category/view/id/\d+)$#', $path) && $_SERVER['REQUEST_METHOD'] === 'GET' ? $this->app->cache('page_cache')->load($id) : false;
        if ($page !== false) {
            list($this->status, $this->headers, $this->body) = json_decode($page, true);
        } else {
            $this->validate();
            $this->dispatch($path);
            if ($this->status === 200 && preg_match('#^(|catalog/category/view/id/\d+)$#', $path)) {
                $this->app->cache('page_cache')->save(json_encode([$this->status, $this->headers, $this->body]), $id, ['FPC']);
            }
        }
        $this->app->dispatch('controller_front_send_response_before', ['response' => $this]);
        http_response_code($this->status);
        foreach ($this->headers as $name => $value) {
            header("$name: $value");
        }
        echo $this->body;
    }

    public function setHeader($name, $value, $replace = false)
    {
        $this->headers[$name] = $value;
        return $this;
    }

    public function setBody($body)
    {
        $this->body = $body;
        return $this;
    }

    /** What Magento's plugins of the front controller do, unless two releases may serve one database. */
    private function validate()
    {
        if (!empty($this->app->deployment['deployment']['blue_green']['enabled'])) {
            return;
        }
        if ($this->shop->run("SELECT flag_data FROM flag WHERE flag_code = 'config_hash'")->fetchColumn() !== $this->app->fingerprint()) {
            throw new \RuntimeException('The configuration file has changed. Run the "app:config:import" or the "setup:upgrade" command to synchronize the configuration.');
        }
        if (!$this->app->current()) {
            throw new \RuntimeException('Please upgrade your database: Run "bin/magento setup:upgrade" from the Magento root directory.');
        }
    }

    private function session($admin)
    {
        $to = $this->app->deployment['session'] ?? [];
        $redis = ($to['save'] ?? '') === 'redis' ? $this->app->redis($to['redis']) : null;
        if (($to['save'] ?? 'files') === 'files') {
            session_save_path($this->app->writable('var/session'));
        }
        $secure = !in_array($_SERVER['HTTPS'] ?? '', ['', 'off'], true);
        \StandIn_Session::start($redis, ($to['save'] ?? '') === 'db' ? $this->shop->db : null, empty($to['redis']['disable_locking']), $admin ? 'admin' : 'PHPSESSID', $secure);
    }

    private function dispatch($path)
    {
        $words = explode('/', $path);
        $base = parse_url((string) $this->app->getValue('web/secure/base_url'));
        $secure = !in_array($_SERVER['HTTPS'] ?? '', ['', 'off'], true);
        if (strtok($_SERVER['HTTP_HOST'] ?? '', ':') !== $base['host'] || ($base['scheme'] === 'https' && !$secure)) {
            return $this->redirect(ltrim($_SERVER['REQUEST_URI'], '/'));
        }
        if ($words[0] === 'rest' || $words[0] === 'soap') {
            $this->headers['Content-Type'] = $words[0] === 'rest' ? 'application/json; charset=utf-8' : 'text/xml';
            list($this->status, $this->body) = (new Api($this->app))->serve($path);
            return null;
        }
        $admin = $words[0] === ($this->app->deployment['backend']['frontName'] ?? 'admin');
        $this->session($admin);
        $this->app->dispatch('layout_load_before', []);
        return $admin ? $this->admin($words) : $this->page($path);
    }

    private function redirect($path)
    {
        list($this->status, $this->headers['Location']) = [302, $this->app->getValue('web/secure/base_url') . $path];
    }

    private function show($title, $body)
    {
        $css = 'static/version1/frontend/StandIn/default/en_US/css/styles-m.css';
        if ($this->app->getValue('dev/css/merge_css_files')) {
            $css = 'static/_cache/merged/' . md5($css) . '.css';
            $this->app->writable('pub/static/_cache/merged');
            is_file(BP . "/pub/$css") || copy(BP . '/pub/static/frontend/StandIn/default/en_US/css/styles-m.css', BP . "/pub/$css");
        }
        // A category of three hundred products has as many tags.
        $tags = array_map(static function ($id) {
            return "cat_p_$id";
        }, range(1, 300));
        $this->headers['X-Magento-Tags'] = implode(',', $tags);
        $base = $this->app->getValue('web/secure/base_url');
        $this->body = Page::html(trim($this->app->getValue('design/head/title_prefix') . " $title"), "<link rel=\"stylesheet\" type=\"text/css\" media=\"all\" href=\"$base$css\" />\n$body");
    }

    private function page($path)
    {
        $id = (int) preg_replace('#.*/id/(\d+).*#', '$1', $path);
        switch (preg_replace('#/(id/|product/\d).*#', '', $path)) {
            case '':
            case 'catalog/category/view':
                return $this->show($path === '' ? 'Home Page' : 'Furniture', Page::products($this->shop->products(), '/catalog/product/view/id/%d/'));
            case 'catalog/product/view':
                $product = $this->shop->product($id);
                if ($product) {
                    // As the templates of a real one need it.
                    $this->app->writable('var/view_preprocessed');
                    $image = $product['image'] ? "/media/catalog/product/cache/300{$product['image']}" : '';
                    $form = Page::form("/checkout/cart/add/product/$id/", ['product' => $id, 'qty' => 1], 'Add to Cart');
                    return $this->show($product['name'], "<img class=\"photo image\" src=\"$image\"/>{$product['price']} $form");
                }
                break;
            case 'catalogsearch/result':
                return $this->show("Search results for: '" . ($_GET['q'] ?? '') . "'", Page::products($this->shop->products($_GET['q'] ?? ''), '/catalog/product/view/id/%d/'));
            case 'checkout/cart/add':
                if (Page::sent() && $this->shop->product((int) $_POST['product'])) {
                    $_SESSION['cart'][(int) $_POST['product']] = (int) ($_POST['qty'] ?? 1);
                }
                return $this->redirect('checkout/cart/');
            case 'checkout/cart':
                $html = '';
                foreach ($_SESSION['cart'] ?? [] as $product => $quantity) {
                    $html .= Page::text($this->shop->product($product)['name']) . " x $quantity\n";
                }
                return $this->show('Shopping Cart', $html ?: 'You have no items in your shopping cart.');
            case 'customer/account/login':
                return $this->show('Customer Login', Page::form('/customer/account/loginPost/', ['login[username]' => '', 'login[password]' => ''], 'Sign In'));
            case 'customer/account/loginPost':
                $_SESSION['customer'] = Page::sent() ? $this->shop->account('customer', $_POST['login']['username'] ?? '', $_POST['login']['password'] ?? '') : null;
                return $this->redirect('customer/account/');
            case 'customer/account':
                return isset($_SESSION['customer']) ? $this->show('My Account', Page::text($_SESSION['customer'])) : $this->redirect('customer/account/login/');
        }
        $this->status = 404;
        return $this->show('404 Not Found', 'The page you requested was not found.');
    }

    private function address($path)
    {
        return "/{$this->app->deployment['backend']['frontName']}/{$path}key/" . md5($_SESSION['form_key'] . strtok($path, '/')) . '/';
    }

    private function admin(array $words)
    {
        if (!isset($_SESSION['admin'])) {
            if (!Page::sent()) {
                return $this->show('Magento Admin', Page::form("/$words[0]/", ['login[username]' => '', 'login[password]' => ''], 'Sign in'));
            }
            $_SESSION['admin'] = $this->shop->account('admin', $_POST['login']['username'] ?? '', $_POST['login']['password'] ?? '');
            return $this->redirect(ltrim($this->address('admin/dashboard/'), '/'));
        }
        $path = implode('/', array_slice($words, 1));
        // Every address of the admin has a key of its session.
        if (strpos($path, 'key/' . md5($_SESSION['form_key'] . ($words[1] ?? ''))) === false) {
            return $this->redirect(ltrim($this->address('admin/dashboard/'), '/'));
        }
        $id = (int) preg_replace('#.*/id/(\d+).*#', '$1', $path);
        if (strpos($path, 'admin/dashboard/') === 0) {
            return $this->show('Dashboard', '<a href="' . $this->address('catalog/product/edit/id/1/') . '">Chair</a>');
        }
        if (strpos($path, 'catalog/product/edit/') === 0) {
            $upload = json_encode(['url' => $this->address('catalog/product_gallery/upload/')]);
            return $this->show('Edit product', "<div>$upload</div>" . Page::form($this->address("catalog/product/save/id/$id/"), ['product[name]' => 'Chair'], 'Save'));
        }
        if (strpos($path, 'catalog/product_gallery/upload/') === 0 && Page::sent()) {
            list($this->headers['Content-Type'], $this->body) = ['application/json', json_encode(['file' => $this->shop->upload($_FILES['image'] ?? []) . '.tmp', 'error' => 0])];
            return null;
        }
        if (strpos($path, 'catalog/product/save/') === 0 && Page::sent()) {
            $images = json_decode($_POST['product']['media_gallery']['images'] ?? '[]', true) ?: [];
            $new = end($images);
            $this->shop->save($id, $_POST['product']['name'], $new ? preg_replace('/\.tmp$/', '', $new['file']) : null);
            $this->app->cache('page_cache')->clean(['FPC']);
            return $this->redirect(ltrim($this->address('admin/dashboard/'), '/'));
        }
        $this->status = 404;
        return $this->show('404', '');
    }
}
