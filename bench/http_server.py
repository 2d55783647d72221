"""What probes of many pods ask: an HTTP server on all of 127.0.0.0/8, in a process of its own."""

import asyncio
import multiprocessing
import socket

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


async def answer(reader, writer, served):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        served.value += 1
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def serve(listening, served):
    server = await asyncio.start_server(lambda reader, writer: answer(reader, writer, served), sock=listening)
    await server.serve_forever()


class HttpServer:
    def __enter__(self):
        listening = socket.create_server(("0.0.0.0", 0), backlog=1024)
        self.port = listening.getsockname()[1]
        self.count = multiprocessing.Value("q", 0)
        self.process = multiprocessing.get_context("fork").Process(
            target=lambda: asyncio.run(serve(listening, self.count)), daemon=True)
        self.process.start()
        listening.close()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def served(self):
        return self.count.value

    def probe_of(self, pod):
        """Each pod has an address of its own, as on a node; the fake runtime's cannot be reached."""
        return {"httpGet": {"host": f"127.0.{1 + pod // 250}.{1 + pod % 250}", "port": self.port, "path": "/healthz"}}
