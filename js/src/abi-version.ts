/** What JavaScript and WebAssembly expect of each other. */

/** The version of the interface between this JavaScript and its WebAssembly. */
export const abiVersion: number = 1;
