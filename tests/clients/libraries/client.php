<?php
// xmlrpc of PHP: encodes and decodes, HTTP is that of PHP's streams.
function ask(string $url, string $method, ...$params)
{
    $body = xmlrpc_encode_request($method, $params, ['encoding' => 'utf-8', 'escaping' => 'markup']);
    $context = stream_context_create(['http' => ['method' => 'POST', 'header' => "Content-Type: text/xml\r\n", 'content' => $body]]);
    $answer = xmlrpc_decode(file_get_contents($url, false, $context), 'utf-8');
    if (is_array($answer) && xmlrpc_is_fault($answer)) {
        return $answer['faultCode'];
    }
    return is_object($answer) && ($answer->xmlrpc_type ?? '') === 'base64' ? $answer->scalar : $answer;
}

function tell(string $what, string $name, bool $good, $detail): void
{
    echo implode("\t", [$what, $name, $good ? 'ok' : 'bad', substr(json_encode($detail, JSON_INVALID_UTF8_SUBSTITUTE), 0, 200)]), "\n";
}

$url = $argv[2];
$multi = [['methodName' => 'system.methodHelp', 'params' => ['hello']], ['methodName' => 'no.such', 'params' => []]];
$calls = [
    [fn($a) => $a === 0, 'hello', getenv('PEER')],
    [fn($a) => $a === 100, 'query', 'no such file.txt', []],
    [fn($a) => $a === 200, 'fetch', 'x.txt', 'wrong'],
    [fn($a) => isset($a['hits']), 'sixhop.find', ['query' => 'name:*', 'limit' => 5]],
    [fn($a) => $a === -32602 || is_array($a), 'sixhop.more', ['id' => str_repeat('0', 32)]],
    [fn($a) => is_array($a), 'sixhop.summary', (object) ['in_full' => false]],
    [fn($a) => $a === -32602, 'sixhop.introduce', ['url' => 'x']],
    [fn($a) => in_array('query', $a), 'system.listMethods'],
    [fn($a) => $a !== '', 'system.methodHelp', 'query'],
    [fn($a) => count($a) > 0, 'system.methodSignature', 'query'],
    [fn($a) => is_array($a), 'system.getCapabilities'],
    [fn($a) => count($a) === 2 && $a[1]['faultCode'] === -32601, 'system.multicall', $multi],
    [fn($a) => $a === -32601, 'no.such.method'],
];
foreach ($calls as $call) {
    [$check, $method] = $call;
    try {
        $answer = ask($url, $method, ...array_slice($call, 2));
        tell('call', $method === 'no.such.method' ? 'unknown' : $method, $check($answer), $answer);
    } catch (Throwable $error) {
        tell('call', $method, false, $error->getMessage());
    }
}
foreach (file(getenv('CASES'), FILE_IGNORE_NEW_LINES) as $at => $line) {
    [$name, $content] = array_map('hex2bin', array_slice(explode("\t", $line), 0, 2));
    try {
        $answer = ask($url, 'query', $name);
        tell('content', (string) $at, $answer === $content, [$name, $answer]);
    } catch (Throwable $error) {
        tell('content', (string) $at, false, [$name, $error->getMessage()]);
    }
}
