// Chromium, and what holds on every page: nothing is asked of another origin, nothing is refused by
// the content security policy, no script fails, nothing overflows, and axe finds nothing serious.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const problems = new Set();

export const sizes = { desk: { width: 1280, height: 800 }, phone: { width: 320, height: 640 } };
export const say = (where, text) => problems.add(`${where}: ${text}`);
export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"],
  });

// A page of its own context, which tells what goes wrong while it shows `origin`, and asks nobody
// else. What a browser says of answers from the paths in `refused` is as it should be.
export const open = async (browser, origin, options, refused = []) => {
  const context = await browser.newContext({ timezoneId: "Europe/Bucharest", ...options });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  const ours = () => page.url().startsWith(`${origin}/`);
  page.on("console", (line) => {
    const expected = refused.some((path) => line.location().url.startsWith(origin + path));
    if (line.type() === "error" && ours() && !expected) say(page.url(), line.text());
  });
  page.on("pageerror", (error) => ours() && say(page.url(), error.message));
  page.on("request", (request) => {
    const asks = !request.isNavigationRequest() && new URL(request.url()).origin !== origin;
    if (ours() && asks) say(page.url(), `asks ${request.url()}`);
  });
  return page;
};

export const fits = async (page, where, size) => {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) say(where, `${wide} px too wide on a ${size}`);
};

// The debugger runs it, which the policy of a page does not forbid.
export const accessible = async (page, where) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document));
  for (const { id, impact, nodes } of found.violations) {
    if (impact === "serious" || impact === "critical") {
      say(where, `axe: ${id} (${impact}): ${nodes[0].html}`);
    }
  }
};

const tell = (...more) => console.error([...problems, ...more].join("\n"));

// What was found so far is told, whatever happens then.
process.on("uncaughtException", (error) => {
  tell(error.stack);
  process.exit(1);
});

// The last line is JSON with what was measured.
export const end = async (browser, measured) => {
  await browser.close();
  console.log(JSON.stringify(measured));
  if (problems.size > 0) {
    tell();
    process.exit(1);
  }
};
