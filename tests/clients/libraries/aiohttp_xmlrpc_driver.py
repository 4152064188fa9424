"""aiohttp-xmlrpc, as a client and as a peer."""
import asyncio
import sys

from aiohttp import web
from aiohttp_xmlrpc import handler
from aiohttp_xmlrpc.client import ServerProxy
from aiohttp_xmlrpc.common import Binary
from aiohttp_xmlrpc.exceptions import XMLRPCError

import common


def call(url):
    loop = asyncio.new_event_loop()
    proxy = []

    async def open_proxy():
        proxy.append(ServerProxy(url, loop=loop))

    loop.run_until_complete(open_proxy())

    def ask(method, *params):
        try:
            return loop.run_until_complete(getattr(proxy[0], method)(*params))
        except XMLRPCError as error:
            raise common.FaultAnswer(error.code) from error

    common.client(ask)
    loop.run_until_complete(proxy[0].close())


class Peer(handler.XMLRPCView):
    def rpc_hello(self, url):
        return 0

    def rpc_query(self, name, history=()):
        text, data = common.files().get(name, (None, None))
        if data is None:
            raise XMLRPCError("not found", code=100)
        return text if text is not None else Binary(data)


async def serve():
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", Peer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("http://127.0.0.1:%d/" % site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    call(sys.argv[2]) if sys.argv[1] == "client" else asyncio.run(serve())
