// How many bytes a Worker takes: its heap, and the buffers and WebAssembly that hang from it, as its inspector says.
const [port] = process.argv.slice(2);
const [{ webSocketDebuggerUrl }] = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
const socket = new WebSocket(webSocketDebuggerUrl);
const answered = new Promise((resolve, reject) => {
  socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: "Runtime.getHeapUsage" }));
  socket.onmessage = ({ data }) => resolve(JSON.parse(data).result);
  socket.onerror = () => reject(new Error("the inspector does not answer"));
});
const { usedSize, embedderHeapUsedSize, backingStorageSize } = await answered;
console.log(JSON.stringify({ heap: usedSize + embedderHeapUsedSize, buffers: backingStorageSize }));
socket.close();
