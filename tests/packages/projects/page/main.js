import { checkInPage } from "./check.mjs";
import * as claviger from "claviger";

const vectors = async () => (await fetch("./vectors.json")).json();
checkInPage(claviger, vectors).then((report) => {
  globalThis.report = report;
});
