// The Workers in examples/, in wrangler, with its KV and its rate limiters.
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { bundleIn } from "../lib/bundle.mjs";
import { Asked, checkRing, collecting, expect } from "../lib/edge.mjs";
import { run, serving, until } from "../lib/processes.mjs";
import { Readme } from "../lib/readme.mjs";
import { node, tool, versionOf } from "../lib/tools.mjs";
import { secluded } from "./workers.mjs";

const wrangler = () => tool("wrangler/bin/wrangler.js");
const version = () => versionOf(node, [wrangler(), "--version"]);

/** Runs a command `npx wrangler …` of the README. */
const parametersOf = (readme, command) => [wrangler(), ...readme.command(`npx wrangler ${command}`).parameters.slice(1)];

/** Starts the Worker by the command of its README, on any port. `secrets` are those of `.dev.vars`. */
async function developing(project, readme, secrets, use) {
  const { folder, path, ring } = project;
  const variables = Object.entries({ KEYRING_KEY: ring.keyringKey, ...secrets });
  writeFileSync(path(".dev.vars"), variables.map(([name, value]) => `${name}=${value}\n`).join(""));
  const env = secluded(project);
  const publish = async () => {
    writeFileSync(path("acme.keyring"), ring.bundle());
    await run(node, parametersOf(readme, "kv key put"), { cwd: folder, env });
  };
  const ready = ({ stdout }) => /Ready on (http:\/\/\S+)/.exec(stdout)?.[1];
  const parameters = [...parametersOf(readme, "dev"), "--port=0", "--inspector-port=0"];
  await serving(node, parameters, { cwd: folder, env, seconds: 100, ready }, (url) => use(new Asked(url, ring), publish));
}

/** That it can be deployed: the command of its README takes its configuration, and makes one script of it. */
async function deployable(project, readme) {
  const { folder, path } = project;
  await run(node, [...parametersOf(readme, "deploy"), "--outdir", "out"], { cwd: folder, env: secluded(project) });
  const { entry } = bundleIn(path("out"));
  expect("the entry in its bundle", entry, "esm/entry/workerd.js");
}

/** Asks until the answer is no success: how many were, and what it is. All are asked in one minute, or with the next key. */
async function untilRefused(server, keys, request) {
  const minute = () => Math.floor(Date.now() / 60_000);
  for (const key of keys) {
    const began = minute();
    let good = -1;
    const refused = await until(30, `a limit of ${key}`, async () => {
      good += 1;
      const answer = await server.ask(key, request);
      return answer.status < 300 ? undefined : answer;
    });
    if (minute() === began) return { good, ...refused };
  }
  throw new Error("a minute went by each time");
}

/** A limiter that fails cannot be had from wrangler: the Worker is asked in Node. */
async function failingLimiter({ path, ring }, key) {
  const { default: app } = await import(pathToFileURL(path("worker.js")));
  const failing = { limit: () => Promise.reject(new Error("the limiter fails, as this test wants it")) };
  const env = { KEYRING_KEY: ring.keyringKey, RINGS: { get: async () => ring.bundle() }, REQUESTS_5_PER_60: failing };
  const context = { waitUntil() {}, passThroughOnException() {} };
  const request = new Request("http://localhost/flights", { headers: { "x-api-key": ring.keys[key] } });
  const { error } = console;
  console.error = () => {};
  try {
    return await app.fetch(request, env, context);
  } finally {
    console.error = error;
  }
}

export const workerExamples = [
  {
    example: "worker-kv",
    name: "example-worker-kv",
    runtime: "a Worker, its ring in KV, usage reported",
    version,
    run: async (project) => {
      const readme = new Readme(project);
      await collecting(async (usage, collector) => {
        const secrets = { USAGE_URL: usage, USAGE_TOKEN: collector.token, USAGE_SECONDS: "1" };
        await developing(project, readme, secrets, async (server, publish) => {
          await checkRing(server, publish, readme);
          // It reports with a request, and then at the earliest a second later.
          const all = () => collector.hasAll(server.served) || undefined;
          await until(30, "a report of all uses", async () => {
            await server.ask("HERE_KEY");
            return until(0.5, "a report", all).catch(() => undefined);
          }).catch(() => {});
          collector.check(server.served);
          expect("times that are covered", [...collector.reports.values()].filter(({ from, until }) => from !== until), []);
        });
      });
      await deployable(project, readme);
    },
  },
  {
    example: "hono",
    name: "example-hono",
    runtime: "a Worker with Hono, limits enforced",
    version,
    run: async (project) => {
      const readme = new Readme(project);
      const { ratelimits } = JSON.parse(readFileSync(project.path("wrangler.json"), "utf8"));
      for (const { name, simple } of ratelimits) expect("a binding's name", name.replace(/^[A-Z]+/, ""), `_${simple.limit}_PER_${simple.period}`);
      const path = "/flights";
      await developing(project, readme, {}, (server, publish) => {
        const meanwhile = async () => {
          const { good, status, body, headers } = await untilRefused(server, ["TRIAL_KEY", "OTHER_TRIAL_KEY"], { path });
          expect("good requests of a trial", good, 5);
          expect("the next one", [status, headers.get("retry-after"), headers.get("content-type"), body], [
            429, "60", "application/problem+json", readme.answerTo("TRIAL_KEY"),
          ]);
          const plans = await untilRefused(server, ["PLANNING_KEY", "OTHER_PLANNING_KEY"], { path, method: "POST" });
          expect("the limit of a route", plans.status, 429);
          expect("a limit that a route does not name", (await server.ask("PLANNING_KEY", { path })).status, 200);
          expect("a plan that nobody deployed", (await server.ask("NEW_PLAN_KEY", { path })).status, 503);
        };
        return checkRing(server, publish, readme, { path, except: ["TRIAL_KEY"], meanwhile });
      });
      const failed = await failingLimiter(project, "TRIAL_KEY");
      expect("a limiter that fails", [failed.status, failed.headers.get("retry-after")], [503, "1"]);
      await deployable(project, readme);
    },
  },
];
