import { createServer } from 'node:http';
import { parentPort } from 'node:worker_threads';

// Stands for a database that takes a few milliseconds for each row, on a thread of its own so that the time it takes is nobody else's. It tells where it
// listens, and is told when it is to be gone: then its port is closed. `?now` asks it for what it has without the wait.
const ANSWER_AFTER_MS = 5;

const rows = new Map<string, string>();

const server = createServer((request, response) => {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  const key = decodeURIComponent(pathname.slice(1));
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    setTimeout(
      () => {
        if (request.method === 'PUT') rows.set(key, Buffer.concat(chunks).toString());
        response.end(rows.get(key) ?? `the row of ${key}`);
      },
      search === '?now' ? 0 : ANSWER_AFTER_MS,
    );
  });
});
server.listen(0, '127.0.0.1', () => parentPort?.postMessage(server.address()));
parentPort?.once('message', () => {
  server.close(() => parentPort?.close());
  server.closeAllConnections();
});
