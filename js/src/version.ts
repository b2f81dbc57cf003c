/** The version of the package. */

/** The version of this package, of its JavaScript and its WebAssembly. */
export const version: string = PACKAGE_VERSION;

/** Written here when the package is built. */
declare const PACKAGE_VERSION: string;
