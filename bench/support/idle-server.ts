import { createServer, type AddressInfo } from 'node:net';

// Answers whatever it is asked and does nothing else: what a pause of it is, is the machine's.
const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('data', () => socket.write('+PONG\r\n'));
  socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
