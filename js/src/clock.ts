/** The runtime's clock, in the unit that Claviger counts in. */

/** Unix seconds. */
export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
