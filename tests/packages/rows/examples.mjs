// The servers in examples/: started and asked as their READMEs say, with a ring that is missing, published and changed.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Asked, Ring, checkRing, collecting, expect, publishing } from "../lib/edge.mjs";
import { run, serving, until } from "../lib/processes.mjs";
import { Readme } from "../lib/readme.mjs";
import { bun, deno, node, packageVersion, versionOf } from "../lib/tools.mjs";
import { workerExamples } from "./example-workers.mjs";

/** A server prints its address as its first line. */
const printedAddress = ({ stdout }) => /^(http:\/\/127\.0\.0\.1:\d+)\n/.exec(stdout)?.[1];

/** It keeps its files in the project, and asks nobody whether there is a newer one. */
const quietDeno = ({ path }) => ({ DENO_NO_UPDATE_CHECK: "1", DENO_DIR: path(".deno") });

/** Publishes a ring in a folder. A later one has to be taken without anybody asking: then its epoch is noted beside it. */
async function publishIn(folder, ring) {
  const epoch = () => (existsSync(join(folder, "root.epoch")) ? readFileSync(join(folder, "root.epoch"), "utf8") : undefined);
  const [first, before] = [!existsSync(join(folder, "root")), epoch()];
  ring.writeTo(folder);
  if (!first) await until(10, "an epoch that is remembered", () => epoch() !== before || undefined);
}

/** Starts a server by the command of its README, which sets these variables; then it ends by itself. */
async function started({ folder, path, ring }, program, { parameters, variables }, given, check) {
  const env = { KEYRING_KEY: ring.keyringKey, ...given };
  expect("the variables of the command", variables, Object.keys(env));
  const also = { PORT: "0", USAGE_SECONDS: "1", ...quietDeno({ path }) };
  const options = { cwd: folder, env: { ...env, ...also }, seconds: 100, ready: printedAddress };
  await serving(program, parameters, options, async (url, end) => {
    await check(new Asked(url, ring));
    expect("its end", await end(), null);
  });
}

const servers = [
  {
    example: "deno",
    name: "example-deno",
    runtime: "a server in Deno, its ring from a URL and a folder",
    version: () => versionOf(deno()),
    run: async (project) => {
      await publishing(async (url, publish) => {
        const { origin, host } = new URL(url);
        const readme = new Readme(project, [["https://keys.example", origin], ["keys.example", host], [":8000", ":0"]]);
        const check = (server) => checkRing(server, publish, readme);
        await started(project, deno(), readme.command("deno run ", "RING=https:"), { RING: url }, check);
      });
      const folder = project.path("ring");
      project.ring = new Ring(project);
      project.ring.writeTo(folder);
      const readme = new Readme(project, [["/srv/keyring", folder], [":8000", ":0"]]);
      const check = async (server) => {
        await server.becomes("200", "KEY");
        server.ring.revoke("KEY");
        await publishIn(folder, server.ring);
        await server.becomes("403 revoked", "KEY");
      };
      await run(deno(), ["check", "main.ts"], { cwd: project.folder, env: quietDeno(project) });
      await started(project, deno(), readme.command("deno run ", "RING=/srv"), { RING: folder }, check);
    },
  },
  {
    example: "bun",
    name: "example-bun",
    runtime: "a server in Bun, its ring from a folder",
    version: () => versionOf(bun()),
    run: async (project) => {
      const folder = project.path("ring");
      const readme = new Readme(project, [["/srv/keyring", folder]]);
      const check = (server) => checkRing(server, (ring) => publishIn(folder, ring), readme);
      await started(project, bun(), readme.command("bun "), { RING: folder }, check);
    },
  },
  {
    example: "express",
    name: "example-express",
    runtime: "a server with Express, its ring from a URL, usage reported",
    version: () => packageVersion("express"),
    run: async (project) => {
      const readme = new Readme(project);
      await publishing((url, publish) =>
        collecting(async (usage, collector) => {
          let served;
          const check = async (server) => {
            ({ served } = server);
            await checkRing(server, publish, readme, { path: "/flights" });
            await until(10, "the first report", () => collector.refused);
            // Told only when it ends.
            await server.ask("PLANNING_KEY", { path: "/flights" });
          };
          const given = { RING: url, USAGE_URL: usage, USAGE_TOKEN: collector.token };
          await started(project, node, readme.command("node "), given, check);
          collector.check(served);
        }),
      );
    },
  },
];

export const exampleRows = [...servers, ...workerExamples].map(({ run, ...row }) => ({
  ...row,
  quick: true,
  vectors: false,
  run: async (project) => (await run({ ...project, ring: new Ring(project) })) ?? {},
}));
