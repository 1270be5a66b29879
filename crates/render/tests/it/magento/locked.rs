//! Values that win over the rows of `core_config_data`, in Magento 1.

use super::{Pod, files, php, printed};
use serde_json::{Value, json};

/// As much of Magento as the class sees, with two websites, three stores, and rows of a database.
const MAGENTO: &str = r#"
class Mage_Core_Model_Config
{
    public $xml;

    public function __construct()
    {
        $this->xml = new SimpleXMLElement('<config><default/><websites/><stores/></config>');
    }

    public function setNode($path, $value)
    {
        $node = $this->xml;
        foreach (explode('/', $path) as $name) {
            $node = isset($node->$name) ? $node->$name : $node->addChild($name);
        }
        $node[0] = $value;
    }

    public function getNode($path)
    {
        return $this->xml->$path;
    }
}
class Mage_Core_Model_Resource_Config
{
    public function loadToXml(Mage_Core_Model_Config $xmlConfig, $condition = null)
    {
        foreach (['base' => 1, 'other' => 2] as $code => $id) {
            $xmlConfig->setNode("websites/$code/system/website/id", $id);
        }
        foreach (['en' => 1, 'de' => 1, 'fr' => 2] as $code => $website) {
            $xmlConfig->setNode("stores/$code/system/website/id", $website);
            $xmlConfig->setNode("stores/$code/web/name", 'of the database');
            $xmlConfig->setNode("stores/$code/web/free", 'of the database');
        }
        $xmlConfig->setNode('default/web/name', 'of the database');
        $xmlConfig->setNode('websites/base/web/name', 'of the database');
        return $this;
    }
}
$config = new Mage_Core_Model_Config();
(new LongshoreConfig())->loadToXml($config);
$value = static function ($scope, $code, $name) use ($config) {
    return (string) ($code === '' ? $config->xml->default : $config->xml->$scope->$code)->web->$name;
};
$names = [];
foreach (['' => 'default', 'base' => 'websites', 'other' => 'websites', 'en' => 'stores', 'de' => 'stores', 'fr' => 'stores'] as $code => $scope) {
    $names[$code] = $value($scope, $code, 'name');
}
echo json_encode([$names, $value('stores', 'de', 'free'), $value('stores', 'gone', 'name'), $config->xml->stores->gone->count()]);
"#;

#[test]
fn a_value_wins_over_the_database_and_a_narrower_one_over_a_wider() {
    let files = files("azure", |shop, _| {
        shop.spec.config.values = [
            ("default/web/name", "it's of \\all"),
            ("websites/base/web/name", "of base"),
            ("stores/de/web/name", "of de"),
            ("stores/gone/web/name", "of no store"),
            ("global/other", "no value of a scope"),
        ]
        .map(|(path, value)| (path.to_owned(), value.to_owned()))
        .into();
    });
    assert!(
        files["local.xml"].contains("<config>LongshoreConfig</config>")
            && !files["local.xml"].contains("<gone>")
    );
    assert!(
        files["local.xml"].contains("<other>no value of a scope</other>")
            && !files["LongshoreConfig.php"].contains("no value of")
    );
    let pod = Pod::new();
    // As Magento's autoloader finds it: by include_path.
    pod.put("etc/php/LongshoreConfig.php", &files["LongshoreConfig.php"]);
    pod.put(
        "ask.php",
        &format!(
            "<?php\nspl_autoload_register(static function ($class) {{ include \"$class.php\"; \
             }});\n{MAGENTO}"
        ),
    );
    let ini = files["shop.ini"]
        .lines()
        .find_map(|line| line.strip_prefix("include_path = "))
        .unwrap();
    let setting = format!("include_path={}", pod.here(ini));
    let read: Value =
        serde_json::from_str(&printed(&php(&["-d", &setting, "ask.php"], &pod.path("")))).unwrap();
    let all = "it's of \\all";
    let names = json!({ "": all, "base": "of base", "other": all, "en": "of base", "de": "of de", "fr": all });
    assert_eq!(read, json!([names, "of the database", "", 0]));
}

#[test]
fn a_shop_without_values_has_no_class_of_ours() {
    let files = files("azure", |shop, _| shop.spec.config.values.clear());
    assert!(
        !files.contains_key("LongshoreConfig.php") && !files["local.xml"].contains("Longshore")
    );
    assert!(!files["shop.ini"].contains("include_path"));
}
