<?php
// What the kinds of errors are made of: a shop with the classes that Magento generates.
namespace Shop;

class Oops extends \RuntimeException
{
}

class Cart
{
    public function add($number)
    {
        return $this->broken($number);
    }

    protected function broken($number)
    {
        file_get_contents('/nowhere/' . $number);
    }

    public function refuse($number, $password = 'hunter2')
    {
        throw new Oops("No product $number for jane$number@shop.example\nat \"all\"");
    }

    public function wrap($number)
    {
        try {
            $this->refuse($number);
        } catch (Oops $oops) {
            throw new \LogicException("Order $number failed", 3, $oops);
        }
    }
}

namespace Shop\Cart;

class Interceptor extends \Shop\Cart
{
    public function refuse($number, $password = 'hunter2')
    {
        return $this->___callPlugins('refuse', [$number, $password]);
    }

    private function ___callPlugins($method, $arguments)
    {
        $next = function (...$arguments) use ($method) {
            return parent::$method(...$arguments);
        };
        return $next(...$arguments);
    }
}
