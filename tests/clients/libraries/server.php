<?php
// xmlrpc of PHP as a peer: `php -S 127.0.0.1:PORT server.php`.
$files = [];
foreach (file(getenv('CASES'), FILE_IGNORE_NEW_LINES) as $line) {
    [$name, $content, $kind] = explode("\t", $line);
    $files[hex2bin($name)] = [hex2bin($content), $kind === 'text'];
}
$server = xmlrpc_server_create();
xmlrpc_server_register_method($server, 'hello', fn() => 0);
xmlrpc_server_register_method($server, 'query', function ($method, $params) use ($files) {
    if (!isset($files[$params[0]])) {
        return ['faultCode' => 100, 'faultString' => 'not found'];
    }
    [$content, $isText] = $files[$params[0]];
    if (!$isText) {
        xmlrpc_set_type($content, 'base64');
    }
    return $content;
});
header('Content-Type: text/xml');
echo xmlrpc_server_call_method($server, file_get_contents('php://input'), null, ['encoding' => 'utf-8', 'escaping' => 'markup']);
