// A real browser: opens a page and gets its report, which may neither print nor reach beyond this machine.
import { chromium as playwright } from "playwright-core";
import { chromium } from "./tools.mjs";

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

async function inBrowser(use) {
  const browser = await playwright.launch({ executablePath: chromium(), args: flags, timeout: 30_000 });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

export function browserVersion() {
  return inBrowser((browser) => browser.version());
}

/** What the page at `url` puts into `document.title`-like global `report`; and the scripts that it loaded. */
export function reportOfPage(url, printed = () => false) {
  return inBrowser(async (browser) => {
    const page = await browser.newPage();
    const problems = [];
    const requested = [];
    page.on("console", (message) => !printed(message.text()) && problems.push(`the console: ${message.text()}`));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => requested.push(request.url()));
    await page.goto(url, { timeout: 30_000 });
    const done = page.waitForFunction("globalThis.report", null, { timeout: 20_000 }).then((handle) => handle.jsonValue());
    const report = await done.catch((error) => {
      throw new Error(problems.join("; ") || error.message);
    });
    const elsewhere = requested.filter((address) => !address.startsWith(new URL(url).origin) && !address.startsWith("data:"));
    if (elsewhere.length > 0) problems.push(`it asks others: ${elsewhere.join(", ")}`);
    return { ...report, failed: [...report.failed, ...problems], requested };
  });
}
