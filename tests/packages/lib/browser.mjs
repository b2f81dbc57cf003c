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

/** What the page at `url` makes its global `report`, and what it requested. `expected`: what may be on its console. */
export function reportOfPage(url, expected = () => false) {
  return inBrowser(async (browser) => {
    const page = await browser.newPage();
    const requested = [];
    const problem = new Promise((_, reject) => {
      page.on("console", (message) => {
        const { url: where } = message.location();
        if (!expected(message.text())) reject(new Error(`on the console: ${message.text()} (${where})`));
      });
      page.on("pageerror", (error) => reject(error));
      page.on("request", (request) => {
        requested.push(request.url());
        const here = request.url().startsWith(new URL(url).origin) || request.url().startsWith("data:");
        if (!here) reject(new Error(`it asks others: ${request.url()}`));
      });
    });
    const report = async () => {
      await page.goto(url, { timeout: 20_000 });
      return (await page.waitForFunction("globalThis.report", null, { timeout: 20_000 })).jsonValue();
    };
    return { ...(await Promise.race([report(), problem])), requested };
  });
}
