# xmlrpc of Ruby, as a client and as a peer.
require "xmlrpc/client"
require "xmlrpc/server"

def cases
  File.readlines(ENV["CASES"], chomp: true).map do |line|
    name, content, kind = line.split("\t", -1)
    [[name].pack("H*").force_encoding("UTF-8"), [content].pack("H*"), kind == "text"]
  end
end

def tell(what, name, good, detail)
  puts [what, name, good ? "ok" : "bad", detail.inspect[0, 200]].join("\t")
end

def client(url)
  node = XMLRPC::Client.new2(url)
  node.http_header_extra = { "accept-encoding" => "identity" }
  ask = lambda do |method, *params|
    node.call(method, *params)
  rescue XMLRPC::FaultException => e
    e.faultCode
  end
  multi = [{ "methodName" => "system.methodHelp", "params" => ["hello"] }, { "methodName" => "no.such", "params" => [] }]
  calls = [
    [->(a) { a == 0 }, "hello", ENV["PEER"]],
    [->(a) { a == 100 }, "query", "no such file.txt", []],
    [->(a) { a == 200 }, "fetch", "x.txt", "wrong"],
    [->(a) { a.key?("hits") }, "sixhop.find", { "query" => "name:*", "limit" => 5 }],
    [->(a) { a == -32_602 || a.is_a?(Hash) }, "sixhop.more", { "id" => "0" * 32 }],
    [->(a) { a.is_a?(Hash) }, "sixhop.summary", {}],
    [->(a) { a == -32_602 }, "sixhop.introduce", { "url" => "x" }],
    [->(a) { a.include?("query") }, "system.listMethods"],
    [->(a) { !a.empty? }, "system.methodHelp", "query"],
    [->(a) { !a.empty? }, "system.methodSignature", "query"],
    [->(a) { a.is_a?(Hash) }, "system.getCapabilities"],
    [->(a) { a.size == 2 && a[1]["faultCode"] == -32_601 }, "system.multicall", multi],
    [->(a) { a == -32_601 }, "no.such.method"],
  ]
  calls.each do |check, method, *params|
    answer = ask.call(method, *params)
    tell("call", method == "no.such.method" ? "unknown" : method, check.call(answer), answer)
  rescue StandardError => e
    tell("call", method, false, e)
  end
  cases.each_with_index do |(name, content, _), at|
    answer = ask.call("query", name)
    tell("content", at, answer.to_s.b == content.b, [name, answer])
  rescue StandardError => e
    tell("content", at, false, [name, e])
  end
end

def serve
  server = XMLRPC::Server.new(0, "127.0.0.1", 4, File.open(File::NULL, "w"), false, false)
  files = cases.to_h { |name, content, text| [name, text ? content.force_encoding("UTF-8") : XMLRPC::Base64.new(content)] }
  server.add_handler("hello") { |_url| 0 }
  server.add_handler("query") do |name, *_history|
    raise XMLRPC::FaultException.new(100, "not found") unless files.key?(name)

    files[name]
  end
  $stdout.sync = true
  puts "http://127.0.0.1:#{server.port}/"
  server.serve
end

ARGV[0] == "client" ? client(ARGV[1]) : serve
