// Libraries of npm, as clients and as peers: `node npm.js client|server LIBRARY URL`.
"use strict";

const fs = require("fs");

const cases = () => fs.readFileSync(process.env.CASES, "ascii").trimEnd().split("\n").map((line) => {
  const [name, content, kind] = line.split("\t");
  return { name: Buffer.from(name, "hex").toString(), content: Buffer.from(content, "hex"), isText: kind === "text" };
});

function tell(what, name, good, detail) {
  console.log([what, name, good ? "ok" : "bad", String(JSON.stringify(detail)).slice(0, 200)].join("\t"));
}

// A function that calls a method and gives its answer, or the code of a fault.
function caller(library, url) {
  if (library === "@foxglove/xmlrpc") {
    const { XmlRpcClient, XmlRpcFault } = require(library);
    const client = new XmlRpcClient(url);
    return (method, ...params) => client.methodCall(method, params).catch((error) => {
      if (error instanceof XmlRpcFault) return error.faultCode;
      throw error;
    });
  }
  const client = require(library).createClient({ url });
  return (method, ...params) => new Promise((done, failed) => client.methodCall(method, params, (error, value) => {
    if (error && error.faultCode !== undefined) done(error.faultCode);
    else if (error) failed(error);
    else done(value);
  }));
}

async function client(library, url) {
  const ask = caller(library, url);
  const isStruct = (a) => typeof a === "object" && a !== null;
  const multi = [{ methodName: "system.methodHelp", params: ["hello"] }, { methodName: "no.such", params: [] }];
  const calls = [
    [(a) => a === 0, "hello", process.env.PEER], [(a) => a === 100, "query", "no such file.txt", []], [(a) => a === 200, "fetch", "x.txt", "wrong"],
    [(a) => Array.isArray(a.hits), "sixhop.find", { query: "name:*", limit: 5 }], [(a) => a === -32602 || isStruct(a), "sixhop.more", { id: "0".repeat(32) }],
    [isStruct, "sixhop.summary", {}], [(a) => a === -32602, "sixhop.introduce", { url: "x" }], [(a) => a.includes("query"), "system.listMethods"],
    [(a) => a.length > 0, "system.methodHelp", "query"], [(a) => a.length > 0, "system.methodSignature", "query"], [isStruct, "system.getCapabilities"],
    [(a) => a.length === 2 && a[1].faultCode === -32601, "system.multicall", multi], [(a) => a === -32601, "no.such.method"],
  ];
  for (const [check, method, ...params] of calls) {
    const name = method === "no.such.method" ? "unknown" : method;
    try {
      const answer = await ask(method, ...params);
      tell("call", name, check(answer), answer);
    } catch (error) {
      tell("call", name, false, error.message);
    }
  }
  for (const [at, { name, content }] of cases().entries()) {
    try {
      const answer = await ask("query", name);
      const bytes = typeof answer === "string" ? Buffer.from(answer) : Buffer.from(answer);
      tell("content", at, bytes.equals(content), [name, answer]);
    } catch (error) {
      tell("content", at, false, [name, error.message]);
    }
  }
}

async function serve(library) {
  const files = new Map(cases().map(({ name, content, isText }) => [name, isText ? content.toString() : content]));
  if (library === "@foxglove/xmlrpc") {
    const { XmlRpcServer, XmlRpcFault } = require(library);
    const { HttpServerNodejs } = require("@foxglove/xmlrpc/nodejs");
    const http = new HttpServerNodejs();
    const server = new XmlRpcServer(http);
    server.setHandler("hello", async () => 0);
    server.setHandler("query", async (method, [name]) => {
      if (!files.has(name)) throw new XmlRpcFault("not found", 100);
      return files.get(name);
    });
    await server.listen(undefined, "127.0.0.1");
    console.log(`http://127.0.0.1:${new URL(server.url()).port}/`);
    return;
  }
  const server = require(library).createServer({ host: "127.0.0.1", port: 0 });
  server.httpServer.on("listening", () => console.log(`http://127.0.0.1:${server.httpServer.address().port}/`));
  server.on("hello", (error, params, done) => done(null, 0));
  server.on("query", (error, [name], done) => (files.has(name) ? done(null, files.get(name)) : done({ faultCode: 100, faultString: "not found" })));
}

const [, , mode, library, url] = process.argv;
(mode === "client" ? client(library, url) : serve(library)).catch((error) => {
  console.error(error);
  process.exit(1);
});
