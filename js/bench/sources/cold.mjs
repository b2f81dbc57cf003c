const started = performance.now();
// A new process to its first verdict, with nothing but a URL. Prints the time from its first line on, in milliseconds.
const [url, keyringKey, key, now] = process.argv.slice(2);
const { Verifier, urlSource } = await import("claviger");
const verifier = new Verifier({ keyringKeys: [keyringKey], source: urlSource(url) });
const { verified } = await verifier.verify(key, { now: Number(now) });
console.log(JSON.stringify({ milliseconds: performance.now() - started, verified }));
