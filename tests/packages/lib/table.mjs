// The results as a table: for a terminal, and for README.md.
import { readFileSync, writeFileSync } from "node:fs";

const START = "<!-- runtimes: written by cargo xtask packages --write -->";
const END = "<!-- /runtimes -->";

const columns = {
  "runtime or tool": ({ runtime }) => runtime,
  version: ({ version }) => version ?? "",
  entry: ({ entry }) => entry ?? "",
  "golden vectors": ({ passed, total }) => (total === undefined ? "" : `${passed ?? 0} of ${total}`),
  size: ({ size }) => (typeof size === "number" ? `${(size / 1024).toFixed(1)} KiB` : (size ?? "")),
};

const numbers = ["golden vectors", "size"];

const ofExamples = { example: ({ example }) => `examples/${example}`, "what it is": columns["runtime or tool"], version: columns.version };

export function asTextOfExamples(results) {
  return asText(results, ofExamples);
}

export function asText(results, shown = columns) {
  const rows = results.map((result) => [
    ...Object.values(shown).map((column) => column(result)),
    `${(result.milliseconds / 1000).toFixed(1)} s`,
    result.problem === undefined ? "ok" : `FAILED: ${reason(result.problem)}`,
  ]);
  const all = [[...Object.keys(shown), "took", ""], ...rows];
  const widths = all[0].map((_, place) => Math.max(...all.map((row) => row[place].length)));
  return all.map((row) => row.map((cell, place) => cell.padEnd(widths[place])).join("  ").trimEnd()).join("\n");
}

/** A line of what went wrong; all of it was told when it did. */
function reason(problem) {
  const [first, ...more] = problem.split("\n");
  const error = more.find((line) => /error\b.*\S/i.test(line));
  return error === undefined ? first : `${first}: ${error.trim()}`;
}

export function asMarkdown(results) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const head = Object.keys(columns);
  const rows = results.map((result) => {
    const cells = head.map((name) => columns[name](result));
    if (result.problem !== undefined) cells[head.indexOf("golden vectors")] = "**fails**";
    return line(cells.map((cell, place) => (head[place] === "entry" && cell ? `\`${cell}\`` : cell)));
  });
  return [line(head), line(head.map((name) => (numbers.includes(name) ? "--:" : "---"))), ...rows].join("\n");
}

/** Puts the table between its marks. */
export function write(file, results) {
  const text = readFileSync(file, "utf8");
  const [start, end] = [text.indexOf(START), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${file} has no place for the table: ${START} … ${END}`);
  writeFileSync(file, `${text.slice(0, start + START.length)}\n\n${asMarkdown(results)}\n\n${text.slice(end)}`);
}
