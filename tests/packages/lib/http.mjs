// HTTP on loopback: asking servers, finding ports, serving folders.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

/** A port that is free now. */
export async function freePort() {
  const server = createServer();
  await listen(server);
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether somebody answers there: the address, or `undefined`. */
export async function answers(url) {
  try {
    await (await fetch(url, { signal: AbortSignal.timeout(2000) })).arrayBuffer();
    return url;
  } catch {
    return undefined;
  }
}

/** The report of a Worker: it is sent the vectors. */
export async function askWorker(url, vectors) {
  const response = await fetch(url, { method: "POST", body: JSON.stringify(vectors) });
  const text = await response.text();
  if (!response.ok) throw new Error(`it answers ${response.status}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}

const types = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** Serves a folder while `use` is at work. */
export async function servingFolder(folder, use) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    try {
      const body = await readFile(join(folder, path.endsWith("/") ? `${path}index.html` : path));
      response.writeHead(200, { "content-type": types[extname(path)] ?? "text/html" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return listening(server, (origin) => use(`${origin}/`));
}

/** Has a server on loopback while `use` is at work. */
export async function listening(server, use) {
  await listen(server);
  try {
    return await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function listen(server) {
  return new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
}
