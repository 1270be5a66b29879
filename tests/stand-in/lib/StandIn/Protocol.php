<?php
// Part of the stand-ins for Magento 1 and 2: XML-RPC and SOAP, as far as two calls need them.
class StandIn_Protocol
{
    /** Answers `login`, which gives a session, and `call`, which gives a product. */
    public static function xmlrpc($body, callable $answer)
    {
        $call = @simplexml_load_string($body);
        if (!$call) {
            return self::fault('Failed to parse request');
        }
        $words = [];
        foreach ($call->params->param as $param) {
            // A text, or a list of one.
            $value = $param->value->array->data->value ?? $param->value;
            $words[] = trim((string) ($value->string ?? '')) ?: trim((string) $value);
        }
        try {
            $value = $answer((string) $call->methodName, $words);
        } catch (RuntimeException $problem) {
            return self::fault($problem->getMessage());
        }
        return "<?xml version=\"1.0\"?>\n<methodResponse><params><param><value>" . self::value($value) . "</value></param></params></methodResponse>\n";
    }

    private static function value($value)
    {
        if (!is_array($value)) {
            return '<string>' . htmlspecialchars((string) $value, ENT_XML1) . '</string>';
        }
        $members = '';
        foreach ($value as $name => $member) {
            $members .= "<member><name>$name</name><value>" . self::value($member) . '</value></member>';
        }
        return "<struct>$members</struct>";
    }

    private static function fault($text)
    {
        $struct = self::value(['faultCode' => '2', 'faultString' => $text]);
        return "<?xml version=\"1.0\"?>\n<methodResponse><fault><value>$struct</value></fault></methodResponse>\n";
    }

    public static function wsdl($address, array $operations)
    {
        $messages = $ports = $bindings = '';
        foreach ($operations as $name => $parts) {
            $in = '';
            foreach ($parts as $part) {
                $in .= "<part name=\"$part\" type=\"xsd:string\"/>";
            }
            $messages .= "<message name=\"{$name}Request\">$in</message><message name=\"{$name}Response\"><part name=\"{$name}Return\" type=\"xsd:anyType\"/></message>";
            $ports .= "<operation name=\"$name\"><input message=\"typens:{$name}Request\"/><output message=\"typens:{$name}Response\"/></operation>";
            $body = '<soap:body namespace="urn:Magento" use="encoded" encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"/>';
            $bindings .= "<operation name=\"$name\"><soap:operation soapAction=\"urn:Action\"/><input>$body</input><output>$body</output></operation>";
        }
        return '<?xml version="1.0"?>' . "\n" . '<definitions xmlns:typens="urn:Magento" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
            . "xmlns=\"http://schemas.xmlsoap.org/wsdl/\" name=\"Magento\" targetNamespace=\"urn:Magento\">$messages<portType name=\"Port\">$ports</portType>"
            . '<binding name="Binding" type="typens:Port"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>' . $bindings
            . "</binding><service name=\"MagentoService\"><port name=\"Port\" binding=\"typens:Binding\"><soap:address location=\"$address\"/></port></service></definitions>\n";
    }

    /** One request of SOAP, answered by PHP's own server, of which `$wsdl` says what it does: a file, or an address where it asks for it. */
    public static function soap($wsdl, $body, $api)
    {
        $server = new SoapServer($wsdl, ['cache_wsdl' => WSDL_CACHE_NONE]);
        $server->setObject($api);
        ob_start();
        $server->handle($body);
        return (string) ob_get_clean();
    }

    /** The same of a text. */
    public static function soapOf($wsdl, $body, $api)
    {
        $file = tempnam(sys_get_temp_dir(), 'wsdl');
        file_put_contents($file, $wsdl);
        try {
            return self::soap($file, $body, $api);
        } finally {
            unlink($file);
        }
    }
}
