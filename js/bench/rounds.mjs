// How the benchmarks measure: all cases take turns in short rounds, each after calls that are not measured, so that what
// disturbs the machine disturbs all of them; a figure is the median over the rounds.

const ROUNDS = 41;
const ROUND_NS = 5_000_000n;

async function spend(run, runAsync, batch) {
  const started = process.hrtime.bigint();
  let calls = 0;
  let elapsed = 0n;
  while (elapsed < ROUND_NS) {
    if (run) for (let i = 0; i < batch; i++) run();
    else for (let i = 0; i < batch; i++) await runAsync();
    calls += batch;
    elapsed = process.hrtime.bigint() - started;
  }
  return Number(elapsed) / calls;
}

/** Measures `{ name, run | runAsync, batch? }` and prints one JSON line a case, with its ratio to the first one. */
export async function measure(cases) {
  const measured = cases.map((entry) => ({ batch: 64, ...entry, nanoseconds: [] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { run, runAsync, batch, nanoseconds } of measured) {
      await spend(run, runAsync, batch);
      const figure = await spend(run, runAsync, batch);
      // The first rounds are the compiler's.
      if (round >= 5) nanoseconds.push(figure);
    }
  }
  const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
  const base = median(measured[0].nanoseconds);
  for (const { name, nanoseconds } of measured) {
    const value = median(nanoseconds);
    console.log(JSON.stringify({ name, nanoseconds: value, to_first: value / base }));
  }
}

/** A condition that every measured call has to meet. */
export function check(good) {
  if (!good) throw new Error("a key was not judged as it should be");
}
