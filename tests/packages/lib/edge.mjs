// What stands around the servers of the examples: a ring that changes, who asks them, and who takes their reports of usage.
import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { listening } from "./http.mjs";
import { until } from "./processes.mjs";

/** A ring with the keys that the READMEs name. It is fresh for so short a time that verifiers look every second. */
export class Ring {
  keys = {};
  #ids = {};
  #ring;

  constructor({ path }) {
    const { TestRing } = createRequire(path("package.json"))("claviger/testing");
    this.#ring = new TestRing({ freshFor: 4 });
    const of = (owner, ...permissions) => ({ tenant: "tenant-7", owner, permissions });
    const view = of("flight_sync", "flights:view");
    const trial = [{ name: "requests", max: 5, perSeconds: 60 }];
    const planning = { ...of("planning", "flights:*"), limits: [{ name: "plans", max: 2, perSeconds: 60 }] };
    this.add("KEY", view);
    this.add("CREW_KEY", of("crew_app", "crews:*"));
    for (const name of ["PLANNING_KEY", "OTHER_PLANNING_KEY"]) this.add(name, planning);
    for (const name of ["TRIAL_KEY", "OTHER_TRIAL_KEY"]) this.add(name, { ...view, limits: trial });
    this.add("NEW_PLAN_KEY", { ...view, limits: [...trial, { name: "exports", max: 1, perSeconds: 60 }] });
    this.add("HERE_KEY", { ...view, networks: ["127.0.0.0/8", "::1/128"] });
    this.add("ELSEWHERE_KEY", { ...view, networks: ["198.51.100.0/24"] });
  }

  get keyringKey() {
    return this.#ring.keyringKey;
  }

  add(name, terms) {
    const { key, keyId } = this.#ring.addKey(terms);
    this.keys[name] = key;
    this.#ids[name] = keyId;
  }

  id(name) {
    return this.#ids[name];
  }

  revoke(name) {
    this.#ring.changeKey(this.#ids[name], { revoked: true });
  }

  bundle() {
    return this.#ring.bundle();
  }

  /** Puts the ring as it is into a folder. */
  writeTo(folder) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "root.new"), this.bundle());
    renameSync(join(folder, "root.new"), join(folder, "root"));
  }
}

/** A server, asked with the keys of a ring. It notes how often which of them was good. */
export class Asked {
  /** Ids and counts. */
  served = {};

  constructor(url, ring) {
    this.url = url;
    this.ring = ring;
  }

  /** What it answers to a key of this name. */
  async ask(key, { path = "/", method = "GET" } = {}) {
    const presented = this.ring.keys[key];
    if (key !== undefined && presented === undefined) throw new Error(`there is no ${key}`);
    const headers = key === undefined ? {} : { "x-api-key": presented };
    const response = await fetch(new URL(path, this.url), { method, headers, signal: AbortSignal.timeout(15_000) });
    const body = await response.text();
    if (response.ok) {
      const id = this.ring.id(key);
      this.served[id] = (this.served[id] ?? 0) + 1;
    }
    return { status: response.status, body, headers: response.headers };
  }

  /** Asks until the answer is this status, with the code of a denial behind it. */
  becomes(expected, key, request) {
    let said;
    const asked = until(30, `${expected} for ${key}`, async () => {
      const { status, body } = await this.ask(key, request);
      said = status < 300 ? String(status) : `${status} ${JSON.parse(body).code}`;
      return said === expected || undefined;
    });
    return asked.catch((error) => {
      throw new Error(`${error.message}: ${said}`);
    });
  }
}

/** That something is as it should be. */
export function expect(what, said, expected) {
  const [is, should] = [said, expected].map((value) => JSON.stringify(value));
  if (is !== should) throw new Error(`${what}: ${is} instead of ${should}`);
}

/** What every server does with a ring: while it is missing, when it is there, and when a key is revoked. */
export async function checkRing(server, publish, readme, { path = "/", except, meanwhile = () => {} } = {}) {
  const { status, headers } = await server.ask("KEY", { path });
  expect("without a ring", [status, headers.get("retry-after")], [503, "1"]);
  await publish(server.ring);
  await server.becomes("200", "KEY", { path });
  await readme.checkAnswers(server, { except });
  await server.becomes("200", "HERE_KEY", { path });
  await server.becomes("403 ip_not_allowed", "ELSEWHERE_KEY", { path });
  await meanwhile();
  server.ring.revoke("KEY");
  await publish(server.ring);
  await server.becomes("403 revoked", "KEY", { path });
}

/**
 * Serves what was published last while `use` is at work: a URL, and a function that publishes a ring. A later one has to be
 * fetched without anybody asking the server for something.
 */
export async function publishing(use) {
  let bundle;
  let etag;
  let fetched;
  const server = createServer((request, response) => {
    if (bundle === undefined || request.url !== "/edge/root") return response.writeHead(404).end();
    if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();
    response.writeHead(200, { etag }).end(bundle);
    fetched = etag;
  });
  const publish = async (ring) => {
    bundle = ring.bundle();
    etag = `"${createHash("sha256").update(bundle).digest("hex")}"`;
    if (fetched !== undefined) await until(10, "the ring is fetched again", () => fetched === etag || undefined);
  };
  return listening(server, (origin) => use(`${origin}/edge/root`, publish));
}

/** Takes reports of usage while `use` is at work. The first one that comes is not acknowledged. */
export async function collecting(use) {
  const token = randomUUID();
  const collector = { token, reports: new Map(), problems: [], refused: undefined };
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request.setEncoding("utf8")) body += piece;
    const id = request.headers["idempotency-key"];
    if (request.headers.authorization !== `Bearer ${token}`) collector.problems.push("a report without its token");
    if (!/^[0-9a-f]{16}$/.test(id)) collector.problems.push(`a report with the id ${id}`);
    if (collector.refused === undefined) {
      collector.refused = { id, body };
      return response.writeHead(503).end();
    }
    if (id === collector.refused.id && body !== collector.refused.body) collector.problems.push("another batch under the same id");
    collector.reports.set(id, JSON.parse(body));
    response.writeHead(204).end();
  });
  /** How often keys were used by what was taken. */
  const counts = () => {
    const sums = {};
    for (const { uses } of collector.reports.values()) {
      for (const { keyId, count } of uses) sums[keyId] = (sums[keyId] ?? 0) + count;
    }
    return sums;
  };
  const inOrder = (counts) => JSON.stringify(Object.entries(counts).sort());
  /** Whether all uses have arrived that there were. */
  collector.hasAll = (served) => inOrder(counts()) === inOrder(served);
  collector.check = (served) => {
    if (!collector.hasAll(served)) throw new Error(`uses arrived: ${inOrder(counts())} instead of ${inOrder(served)}`);
    if (collector.problems.length > 0) throw new Error(collector.problems.join("\n"));
    if (!collector.reports.has(collector.refused?.id)) throw new Error("what was not acknowledged was not sent again");
  };
  return listening(server, (origin) => use(`${origin}/usage`, collector));
}
