//! Scripts in the shapes in which applications declare their classes, and whether warming may
//! compile them.

/// Name, source, and whether it is compiled before anybody includes it.
pub(super) const SHAPES: [(&str, &str, bool); 16] = [
    // OpenMage's app/Mage.php, before PHP 8 hoists its class.
    (
        "Mage.php",
        "<?php\ndefined('DS') or define('DS', '/');\nMage::register('original', 1);\nfinal \
             class Mage\n{\n    public static function register($key, $value) { echo $key, \
             $value; }\n}\n",
        false,
    ),
    (
        "parent-later.php",
        "<?php\nclass Child extends Base {}\nclass Base {}\necho Child::class, \
             get_parent_class('Child');\n",
        false,
    ),
    (
        "parent-earlier.php",
        "<?php\nclass Base2 {}\nclass Child2 extends Base2 {}\necho \
             get_parent_class('Child2');\n",
        true,
    ),
    // Symfony's polyfills.
    (
        "conditional.php",
        "<?php\nif (!class_exists('Stub', false)) {\n    class Stub {}\n}\necho Stub::class;\n",
        false,
    ),
    (
        "returns-early.php",
        "<?php\nnamespace A;\nif (\\class_exists(Twin::class, false)) {\n    echo \
             'declared';\n    return;\n}\nclass Twin {}\n",
        false,
    ),
    (
        "factory.php",
        "<?php\nreturn new Made();\nclass Made {}\n",
        false,
    ),
    (
        "functions.php",
        "<?php\nnamespace A\\B;\n\nuse function strlen;\n\necho greet();\n\nfunction greet() \
             { return 'hello' . strlen('x'); }\n",
        true,
    ),
    (
        "template.php",
        "<p class=\"x\"><?php echo strtoupper('page'); ?></p>\n",
        true,
    ),
    (
        "class.php",
        "<?php\n\ndeclare(strict_types=1);\n\nnamespace A\\C;\n\nuse A\\{One, \
             Two};\n\n#[\\Attribute([1, [2]])]\nfinal class Plain\n{\n    public function show(): \
             string { return \"{$this->name()} \" . new class { public function __toString(): \
             string { return self::class === '' ? '' : 'inner'; } }; }\n    private function \
             name(): string { return Plain::class; }\n}\n\necho (new Plain())->show() === '' ? \
             'no' : 'yes';\n",
        true,
    ),
    (
        "interfaces.php",
        "<?php\ninterface Sized { const LIMIT = 3; }\ntrait Sizes { public function size() { \
             return 3; } }\nclass Parcel implements Sized, Countable { use Sizes; public function \
             count(): int { return $this->size(); } }\necho count(new Parcel());\n",
        true,
    ),
    (
        "waits-first.php",
        "<?php\nclass Waits implements Elsewhere {}\nclass Waited { const X = 1; }\n",
        false,
    ),
    (
        "enum.php",
        "<?php\nenum Suit: string { case Hearts = 'H'; const Wild = self::Hearts; }\necho \
             Suit::Wild->value;\n",
        true,
    ),
    (
        "namespaces.php",
        "<?php\nnamespace One { class First {} function f() { return 1; } }\nnamespace Two { \
             class Second extends \\One\\First {} echo \\One\\f(); }\n",
        true,
    ),
    (
        "namespaces-used.php",
        "<?php\nnamespace One { echo \\Four\\Second::class, \\Four\\Second::X; }\nnamespace \
             Four { class Second { const X = 1; } }\n",
        false,
    ),
    (
        "block.php",
        "<?php\necho Inner::X;\n{\n    class Inner { const X = 1; }\n}\n",
        false,
    ),
    (
        "data.php",
        "<?php\nreturn [A\\C\\Plain::class => ['shared' => true], 'class' => 'trait'];\n",
        true,
    ),
];
