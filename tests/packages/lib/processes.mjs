// Other programs: each in a group of processes of its own, with a time limit, ended whatever becomes of this one.
import { spawn } from "node:child_process";

const living = new Set();

process.on("exit", () => living.forEach((started) => started.kill()));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

class Started {
  stdout = "";
  stderr = "";

  constructor(command, parameters, { cwd, env = {} }) {
    const { NODE_OPTIONS, NODE_ENV, ...inherited } = process.env;
    this.shown = [command, ...parameters].join(" ");
    this.child = spawn(command, parameters, {
      cwd,
      env: { ...inherited, CI: "1", NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.child.stdout.setEncoding("utf8").on("data", (text) => (this.stdout += text));
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      this.child.on("error", (error) => this.#end(resolve, error.message));
      this.child.on("close", (code, signal) => this.#end(resolve, code === 0 ? null : `ended with ${code ?? signal}`));
    });
    living.add(this);
  }

  #end(resolve, problem) {
    living.delete(this);
    this.problem = problem ?? "ended";
    resolve(problem);
  }

  /** What it printed, for errors. */
  printed() {
    return [this.stderr, this.stdout].map((text) => text.trim()).filter(Boolean).join("\n").slice(-2000);
  }

  /** Asks it to end, and waits until it has. */
  terminate() {
    this.child.kill("SIGTERM");
    return this.ended;
  }

  kill() {
    living.delete(this);
    try {
      process.kill(-this.child.pid, "SIGKILL");
    } catch {
      // It is gone.
    }
  }
}

/** Runs a program to its end: what it printed. */
export async function run(command, parameters, { seconds = 60, ...options } = {}) {
  const started = new Started(command, parameters, options);
  try {
    const problem = await within(seconds, started.ended, started.shown);
    if (problem !== null) throw new Error(`${started.shown}: ${problem}\n${started.printed()}`);
    return { stdout: started.stdout, stderr: started.stderr };
  } finally {
    started.kill();
  }
}

/**
 * Has a server while `use` is at work. `ready` says where it is, once it is there, or `undefined`. `use` gets that, and a
 * function that ends the server as an operating system does: what it answers says what went wrong, or is `null`.
 */
export async function serving(command, parameters, { seconds = 60, ready, ...options }, use) {
  const started = new Started(command, parameters, options);
  try {
    const address = await until(seconds, started.shown, () => {
      if (started.problem !== undefined) throw new Error(`${started.shown}: ${started.problem}\n${started.printed()}`);
      return ready(started);
    });
    return await within(seconds, use(address, () => started.terminate()), started.shown);
  } catch (error) {
    throw new Error(`${error.message}\n${started.printed()}`, { cause: error });
  } finally {
    started.kill();
    await started.ended;
  }
}

/** Rejects when the time is over. */
export function within(seconds, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done after ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks until there is an answer. */
export async function until(seconds, what, ask) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not ready after ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
