// Sees what a module does while it is imported: projects import this before the package.
const noticed = [];
const undo = [];

function watch(owner, label, names) {
  for (const name of names) {
    const real = owner[name];
    if (typeof real !== "function") continue;
    const own = Object.getOwnPropertyDescriptor(owner, name);
    // Some runtimes keep some of them as they are.
    if (own?.configurable === false) continue;
    const note = () => noticed.push(label + name);
    const value = new Proxy(real, {
      apply: (target, self, parameters) => (note(), Reflect.apply(target, self, parameters)),
      construct: (target, parameters) => (note(), Reflect.construct(target, parameters)),
    });
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
    undo.push(() => (own === undefined ? delete owner[name] : Object.defineProperty(owner, name, own)));
  }
}

watch(console, "console.", ["debug", "error", "info", "log", "trace", "warn"]);
watch(globalThis, "", ["fetch", "queueMicrotask", "setInterval", "setTimeout"]);
watch(Math, "Math.", ["random"]);
watch(crypto, "crypto.", ["getRandomValues", "randomUUID"]);
watch(WebAssembly, "WebAssembly.", ["compile", "compileStreaming", "instantiate", "instantiateStreaming", "Module", "Instance"]);

/** What was called since the last time. */
export function takeNoticed() {
  return noticed.splice(0);
}

export function stopWatching() {
  for (const restore of undo.splice(0)) restore();
}
