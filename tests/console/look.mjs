// What a real browser says of the console: every page in light and dark, on a desk and on a phone.
//
//   node look.mjs ADDRESS OUT PATH...
//
// ADDRESS is what longshore-console printed, OUT gets the screenshots. Fails if a page overflows, if
// axe finds something serious, if anything is asked of another origin or refused by the content
// security policy, if a key cannot reach what a mouse can, or if an open page does not follow a
// change. The last line is JSON with what was measured.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [address, out, ...paths] = process.argv.slice(2);
const base = new URL(address).origin;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const problems = [];
const say = (path, text) => problems.push(`${path}: ${text}`);
mkdirSync(out, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

// A page of its own context, which tells what goes wrong in it.
const open = async (options) => {
  const context = await browser.newContext({ timezoneId: "Europe/Bucharest", ...options });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.on("console", (line) => {
    if (line.type() === "error") say(page.url(), line.text());
  });
  page.on("pageerror", (error) => say(page.url(), error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== base) say(page.url(), `asks ${request.url()}`);
  });
  await page.goto(address);
  return page;
};

const visit = async (page, path) => {
  const response = await page.goto(base + path, { waitUntil: "load" });
  if (response.status() !== 200) say(path, `status ${response.status()}`);
  return (await response.body()).length;
};

// What was found so far is told, whatever happens then.
process.on("uncaughtException", (error) => {
  console.error([...new Set(problems), error.stack].join("\n"));
  process.exit(1);
});

// How each page looks.
const sizes = { desk: { width: 1280, height: 800 }, phone: { width: 320, height: 640 } };
const measured = { bytes: {}, keys: {} };
for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries(sizes)) {
    const page = await open({ colorScheme, viewport });
    for (const path of paths) {
      measured.bytes[path] = await visit(page, path);
      await page.waitForTimeout(300);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) say(path, `${wide} px too wide on a ${size}`);
      const name = path.replace(/^\//, "").replace(/[^a-z0-9-]+/gi, "-") || "start";
      await page.screenshot({ path: `${out}/${name}-${size}-${colorScheme}.png`, fullPage: true });
    }
    await page.context().close();
  }
  // Its script would not run under the page's policy.
  const page = await open({ colorScheme, viewport: sizes.desk, bypassCSP: true });
  for (const path of paths) {
    await visit(page, path);
    await page.addScriptTag({ content: axe });
    const found = await page.evaluate(() => axe.run(document));
    for (const { id, impact, nodes } of found.violations) {
      if (impact === "serious" || impact === "critical") {
        say(path, `axe, ${colorScheme}: ${id} (${impact}): ${nodes[0].html}`);
      }
    }
  }
  await page.context().close();
}

// Everything that a mouse can click, the Tab key reaches.
{
  const page = await open({ viewport: sizes.desk });
  for (const path of paths) {
    await visit(page, path);
    const all = await page.evaluate(() => {
      const found = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")];
      const groups = new Set();
      return found.filter((one) => {
        // The arrow keys go through a group of radio buttons.
        if (one.type !== "radio") return true;
        const first = !groups.has(one.name);
        groups.add(one.name);
        return first;
      }).length;
    });
    const reached = new Set();
    await page.evaluate(() => document.body.focus());
    for (let count = 0; count < all + 5; count++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const one = document.activeElement;
        if (one === document.body) return null;
        return [...document.querySelectorAll("*")].indexOf(one);
      });
      if (at !== null) reached.add(at);
    }
    measured.keys[path] = [reached.size, all];
    if (reached.size < all) say(path, `Tab reaches ${reached.size} of ${all}`);
  }
  await page.context().close();
}

// A word in the search, and the rows.
{
  const page = await open({ viewport: sizes.desk });
  await visit(page, "/shops");
  const begin = Date.now();
  await page.locator("#q").pressSequentially("c01");
  await page.waitForFunction(() => document.querySelector("#found p").textContent.startsWith("10 of"));
  measured.searchMilliseconds = Date.now() - begin;
  const zone = await page.evaluate(() => new Date().getTimezoneOffset());
  if (zone !== -120 && zone !== -180) say("/shops", `the test's own zone is off by ${zone}`);

  // A person changes a shop, and another one's page follows.
  const other = await open({ viewport: sizes.desk });
  await visit(other, "/shops/c004");
  await other.waitForTimeout(1000);
  await visit(page, "/shops/c004/edit/scale");
  await page.fill("#max", "9");
  await page.click("button[value=plan]");
  await page.waitForSelector("#why", { timeout: 10000 })
    .catch(async () => say("the plan", await page.textContent("main")));
  await page.fill("#why", "a test of the open page", { timeout: 1000 });
  const changed = Date.now();
  await page.click("button[value=apply]");
  await other.waitForFunction(() => /\d to 9;/.test(document.body.textContent), null, { timeout: 15000 })
    .catch(() => say("/shops/c004", "an open page does not follow a change"));
  measured.liveMilliseconds = Date.now() - changed;
  await page.context().close();
  await other.context().close();
}

// A new shop is checked while a person types, and a list once its file is chosen.
{
  const page = await open({ viewport: sizes.desk });
  const says = (path, text) => page.waitForFunction(
    (text) => document.querySelector("#checks").textContent.includes(text), text, { timeout: 10000 },
  ).catch(async () => say(path, `no ${text}: ${await page.textContent("#checks")}`));
  await visit(page, "/new");
  await page.selectOption("#class", "php-plain");
  const begin = Date.now();
  await page.locator("#name").pressSequentially("c004");
  await says("/new", "shop c004 is there already");
  measured.checkMilliseconds = Date.now() - begin;
  await page.fill("#name", "fresh");
  await page.fill("#domains", "c004.example");
  await says("/new", "host c004.example belongs to shop c004");
  await page.fill("#domains", "fresh.example");
  await says("/new", "Nothing speaks against it.");
  const focus = await page.evaluate(() => document.activeElement.id);
  if (focus !== "domains") say("/new", `the check takes the focus to ${focus}`);

  await visit(page, "/import");
  const list = "name,domain,class,channel\nfresh,fresh.example,php-plain,shops/acme\nc004,x.example,php-plain,shops/acme\n";
  await page.setInputFiles("#file", { name: "a.csv", mimeType: "text/csv", buffer: Buffer.from(list) });
  await says("/import", "line:3: c004: shop c004 is there already");
  await page.context().close();
}

await browser.close();
console.log(JSON.stringify(measured));
if (problems.length > 0) {
  console.error([...new Set(problems)].join("\n"));
  process.exit(1);
}
