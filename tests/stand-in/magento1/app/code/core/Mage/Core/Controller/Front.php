<?php
// Part of the stand-in for Magento 1: which page a path is, for visitors and for the admin.
class Mage_Core_Controller_Front
{
    private $app;
    private $shop;
    private $parameters = [];

    public function __construct(Mage_Core_Model_App $app)
    {
        list($this->app, $this->shop) = [$app, $app->shop];
    }

    public function dispatch()
    {
        if ($this->redirected()) {
            return;
        }
        $path = trim(strtok($_SERVER['REQUEST_URI'], '?'), '/');
        $path = preg_replace('#^index\.php/?#', '', $path);
        $words = $path === '' ? [] : explode('/', $path);
        foreach (array_chunk(array_slice($words, 3), 2) as $pair) {
            $this->parameters[$pair[0]] = $pair[1] ?? '';
        }
        list($front, $controller, $action) = array_pad(array_slice($words, 0, 3), 3, 'index');
        if ($front === 'api') {
            $this->app->setHeader('Content-Type', 'text/xml');
            (new Mage_Core_Model_Api($this->app))->serve($controller);
            exit;
        }
        $name = "{$controller}_$action";
        if ($front === $this->app->adminPath()) {
            $this->admin($controller, $action);
            return;
        }
        $method = str_replace('_', '', lcfirst(ucwords("{$front}_$name", '_')));
        $method === 'indexIndexIndex' && $method = 'cmsIndexIndex';
        method_exists($this, $method) ? $this->$method() : $this->missing();
    }

    /** To the shop's own address, as `redirect_to_base` and a secure one want it. */
    private function redirected()
    {
        $base = parse_url(Mage::getStoreConfig('web/secure/base_url'));
        $host = strtok($_SERVER['HTTP_HOST'] ?? '', ':');
        $wrong = $host !== $base['host'] || ($base['scheme'] === 'https' && !$this->app->isSecure());
        if (!$wrong || !Mage::getStoreConfig('web/url/redirect_to_base')) {
            return false;
        }
        $this->redirect($_SERVER['REQUEST_URI']);
        return true;
    }

    private function redirect($path)
    {
        $this->app->setHeader('Status', 302)->setHeader('Location', Mage::getStoreConfig('web/secure/base_url') . ltrim($path, '/'));
    }

    private function show($title, $body)
    {
        Mage::dispatchEvent('controller_action_layout_load_before');
        $assets = $this->assets('css', 'skin/frontend/base/default/css/styles.css', 'dev/css/merge_css_files', '<link rel="stylesheet" href="%s"/>')
            . $this->assets('js', 'js/standin/shop.js', 'dev/js/merge_files', '<script src="%s"></script>');
        $this->app->setHeader('Content-Type', 'text/html; charset=UTF-8')->setBody(StandIn_Page::html(trim(Mage::getStoreConfig('design/head/title_prefix') . " $title"), "$assets\n$body"));
    }

    /** Merged ones are written into media, where nginx finds them. */
    private function assets($kind, $file, $switch, $format)
    {
        if (Mage::getStoreConfig($switch)) {
            $merged = "media/$kind/" . md5($file . filemtime(BP . "/$file")) . ".$kind";
            if (!is_file(BP . "/$merged")) {
                is_dir(dirname(BP . "/$merged")) || mkdir(dirname(BP . "/$merged"), 0777, true);
                file_put_contents(BP . "/$merged", file_get_contents(BP . "/$file"));
            }
            $file = $merged;
        }
        return sprintf($format, Mage::getStoreConfig('web/secure/base_url') . $file);
    }

    private function json(array $data)
    {
        $this->app->setHeader('Content-Type', 'application/json')->setBody(json_encode($data));
    }

    private function missing()
    {
        $this->app->setHeader('Status', 404);
        $this->show('404 Not Found 1', 'The page you requested was not found.');
    }

    private function cmsIndexIndex()
    {
        $this->show('Home page', StandIn_Page::products($this->shop->products(), '/catalog/product/view/id/%d/'));
    }

    private function catalogCategoryView()
    {
        $products = StandIn_Page::products($this->shop->products(), '/catalog/product/view/id/%d/');
        $this->parameters['id'] === '3' ? $this->show('Furniture', $products) : $this->missing();
    }

    private function catalogProductView()
    {
        $product = $this->shop->product($this->parameters['id'] ?? 0);
        if (!$product) {
            $this->missing();
            return;
        }
        $image = $product['image'] ? '/media/' . $this->shop->resized($product['image'], 300) : '';
        $form = StandIn_Page::form("/checkout/cart/add/product/{$product['entity_id']}/", ['product' => $product['entity_id'], 'qty' => 1], 'Add to Cart');
        $this->show($product['name'], "<img id=\"image-main\" src=\"$image\"/>{$product['price']} $form");
    }

    private function catalogsearchResultIndex()
    {
        $text = (string) ($_GET['q'] ?? '');
        $this->show("Search results for: '$text'", StandIn_Page::products($this->shop->products($text), '/catalog/product/view/id/%d/'));
    }

    private function checkoutCartAdd()
    {
        $id = (int) ($this->parameters['product'] ?? 0);
        if (StandIn_Page::sent() && $this->shop->product($id)) {
            $_SESSION['cart'][$id] = ($_SESSION['cart'][$id] ?? 0) + (int) ($_POST['qty'] ?? 1);
        }
        $this->redirect('checkout/cart/');
    }

    private function checkoutCartIndex()
    {
        $html = '';
        foreach ($_SESSION['cart'] ?? [] as $id => $quantity) {
            $html .= StandIn_Page::text($this->shop->product($id)['name']) . " x $quantity\n";
        }
        $this->show('Shopping Cart', $html ?: 'You have no items in your shopping cart.');
    }

    private function checkoutOnepageIndex()
    {
        empty($_SESSION['cart']) ? $this->redirect('checkout/cart/') : $this->show('Checkout', StandIn_Page::form('/checkout/onepage/saveOrder/', [], 'Place Order'));
    }

    private function checkoutOnepageSaveMethod()
    {
        $this->json([]);
    }

    private function checkoutOnepageSaveBilling()
    {
        $_SESSION['email'] = $_POST['billing']['email'] ?? '';
        $this->json(['goto_section' => 'shipping_method']);
    }

    private function checkoutOnepageSaveShippingMethod()
    {
        $this->json(['goto_section' => 'payment']);
    }

    private function checkoutOnepageSavePayment()
    {
        $this->json(['goto_section' => 'review']);
    }

    private function checkoutOnepageSaveOrder()
    {
        if (!StandIn_Page::sent()) {
            $this->json(['success' => false, 'redirect' => '/checkout/cart/']);
            return;
        }
        $_SESSION['order'] = $this->shop->order($_SESSION['email'] ?? '', $_SESSION['cart'] ?? []);
        $_SESSION['cart'] = [];
        $this->json(['success' => true, 'error' => false]);
    }

    private function checkoutOnepageSuccess()
    {
        isset($_SESSION['order']) ? $this->show('Your order has been received.', "Your order # is: {$_SESSION['order']}.") : $this->redirect('checkout/cart/');
    }

    private function customerAccountLogin()
    {
        $this->show('Customer Login', StandIn_Page::form('/customer/account/loginPost/', ['login[username]' => '', 'login[password]' => ''], 'Login'));
    }

    private function customerAccountLoginPost()
    {
        if (StandIn_Page::sent()) {
            $_SESSION['customer'] = $this->shop->account('customer', $_POST['login']['username'] ?? '', $_POST['login']['password'] ?? '');
        }
        $this->redirect('customer/account/');
    }

    private function customerAccountIndex()
    {
        isset($_SESSION['customer']) ? $this->show('My Dashboard', 'Hello, ' . StandIn_Page::text($_SESSION['customer']) . '!') : $this->redirect('customer/account/login/');
    }

    private function key($path)
    {
        return md5("{$_SESSION['form_key']}/$path");
    }

    private function address($path, $more = '')
    {
        return $this->app->adminPath() . "/$path/{$more}key/" . $this->key($path) . '/';
    }

    private function admin($controller, $action)
    {
        if (!isset($_SESSION['admin'])) {
            if (StandIn_Page::sent()) {
                $_SESSION['admin'] = $this->shop->account('admin', $_POST['login']['username'] ?? '', $_POST['login']['password'] ?? '');
                $_SESSION['form_key'] = bin2hex(random_bytes(8));
                $this->redirect($this->address('dashboard/index'));
                return;
            }
            $this->show('Log into Magento Admin Page', StandIn_Page::form('/admin/', ['login[username]' => '', 'login[password]' => ''], 'Login'));
            return;
        }
        // Every address of the admin has a key of its session.
        if (($this->parameters['key'] ?? '') !== $this->key("$controller/$action")) {
            $this->redirect($this->address('dashboard/index'));
            return;
        }
        $id = (int) ($this->parameters['id'] ?? 0);
        switch ("$controller/$action") {
            case 'dashboard/index':
                $link = StandIn_Page::text('/' . $this->address('catalog_product/index'));
                $this->show('Dashboard / Magento Admin', "<a href=\"$link\">Manage Products</a>");
                break;
            case 'catalog_product/index':
                $link = StandIn_Page::text('/' . $this->address('catalog_product/edit', 'id/1/'));
                $this->show('Manage Products', "<a href=\"$link\">Chair</a>");
                break;
            case 'catalog_product/edit':
                $form = StandIn_Page::form('/' . $this->address('catalog_product/save', "id/$id/"), ['product[name]' => $this->shop->product($id)['name']], 'Save');
                $upload = json_encode(['target' => '/' . $this->address('catalog_product_gallery/upload')]);
                $this->show('Edit product', "<div id=\"uploader\">$upload</div>$form");
                break;
            case 'catalog_product_gallery/upload':
                StandIn_Page::sent() ? $this->json(['file' => $this->shop->upload($_FILES['image'] ?? []) . '.tmp', 'error' => 0]) : $this->json(['error' => 'form key']);
                break;
            case 'catalog_product/save':
                if (StandIn_Page::sent()) {
                    $images = json_decode($_POST['product']['media_gallery']['images'] ?? '[]', true) ?: [];
                    $new = end($images);
                    $this->shop->save($id, $_POST['product']['name'], $new ? preg_replace('/\.tmp$/', '', $new['file']) : null);
                    $_SESSION['message'] = 'The product has been saved.';
                }
                $this->redirect($this->address('dashboard/index'));
                break;
            default:
                $this->missing();
        }
    }
}
