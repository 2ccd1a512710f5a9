// Broadcast with ws on Node: `node ws_server.cjs EVENTS BYTES`.
const { WebSocketServer } = require("ws");

const events = Number(process.argv[2]);
const payload = Buffer.alloc(Number(process.argv[3]), "x");
const subscribers = new Set();

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  path: "/ws",
  backlog: 2048,
  perMessageDeflate: false,
});
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => {
  subscribers.add(socket);
  socket.on("close", () => subscribers.delete(socket));
  // Whoever says something starts the broadcast.
  socket.on("message", () => {
    subscribers.delete(socket);
    broadcast(events);
  });
});

function broadcast(left) {
  if (!left) return;
  for (const subscriber of subscribers) subscriber.send(payload);
  setImmediate(broadcast, left - 1);
}
