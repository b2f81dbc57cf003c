// The commands and answers that a README shows: lines that are indented by four blanks, commands after a `$`.
import { readFileSync } from "node:fs";

/** Reads the README of a project. `values` has what is real in the place of what it shows: `[shown, real]`. */
export class Readme {
  #steps = [];
  #values;

  constructor({ path }, values = []) {
    this.#values = values;
    for (const line of readFileSync(path("README.md"), "utf8").split("\n")) {
      const [, shown, command] = /^ {4}((?:\$ (.*))?.*)$/.exec(line) ?? [];
      if (command !== undefined) this.#steps.push({ command, answer: [] });
      else if (shown !== undefined) this.#steps.at(-1).answer.push(shown);
    }
    const [first] = this.#steps;
    const install = "npm install --no-save ../../target/npm/claviger.tgz";
    if (first?.command !== install) throw new Error(`the README does not begin with: ${install}`);
  }

  /** The one command that begins so after its variables: its program, its parameters, and the names of the variables. */
  command(beginning, having = "") {
    const found = this.#steps
      .map(({ command }) => /^((?:\w+=\S+ )*)(.*)$/.exec(command))
      .filter(([whole, , command]) => command.startsWith(beginning) && whole.includes(having));
    if (found.length !== 1) throw new Error(`the README shows ${found.length} commands: ${beginning}`);
    const [[, variables, command]] = found;
    const [program, ...parameters] = this.#real(command).split(" ");
    return { program, parameters, variables: [...variables.matchAll(/(\w+)=/g)].map(([, name]) => name) };
  }

  /** Asks a server what the README asks by curl, and compares the answers. */
  async checkAnswers(server, { except = [] } = {}) {
    let asked = 0;
    for (const { command, answer } of this.#steps.filter(({ command }) => command.startsWith("curl "))) {
      const { key, ...request } = requestOf(command);
      if (except.includes(key)) continue;
      const { status, body } = await server.ask(key, request);
      if (body.trimEnd() !== answer.join("\n")) throw new Error(`the README shows ${answer.join("\n")}\nas the answer to ${command}\nwhich is ${status} ${body}`);
      const expected = JSON.parse(body).status ?? (request.method === "POST" ? 201 : 200);
      if (status !== expected) throw new Error(`${command} gets the status ${status}, and ${body}`);
      asked += 1;
    }
    if (asked < 3) throw new Error(`the README shows ${asked} requests`);
  }

  /** The answer that the README shows to a request with this key. */
  answerTo(key) {
    return this.#steps.find(({ command }) => command.includes(`$${key}"`))?.answer.join("\n");
  }

  #real(text) {
    return this.#values.reduce((said, [shown, real]) => said.replaceAll(shown, real), text);
  }
}

/** The request that a curl makes: the key as it is named. */
function requestOf(command) {
  const request = { method: "GET" };
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain).slice(1);
  while (words.length > 0) {
    const word = words.shift();
    if (word === "-X") request.method = words.shift();
    else if (word === "-H") [, request.key] = /^x-api-key: \$(\w+)$/.exec(words.shift());
    else request.path = new URL(word).pathname;
  }
  return request;
}
