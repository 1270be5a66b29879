// What a real browser says of the console: every page in light and dark, on a desk and on a phone.
//
//   node look.mjs ADDRESS OUT PATH...
//
// ADDRESS is what longshore-console printed, OUT gets the screenshots. Fails if a page overflows, if
// axe finds something serious, if anything is asked of another origin or refused by the content
// security policy, if a key cannot reach what a mouse can, or if an open page does not follow a
// change. The last line is JSON with what was measured.
import { mkdirSync } from "node:fs";
import { accessible, end, fits, launch, open as openAt, say, sizes } from "./chromium.mjs";

const [address, out, ...paths] = process.argv.slice(2);
const base = new URL(address).origin;
mkdirSync(out, { recursive: true });
const browser = await launch();

const open = async (options) => {
  const page = await openAt(browser, base, options);
  await page.goto(address);
  return page;
};

const visit = async (page, path) => {
  const response = await page.goto(base + path, { waitUntil: "load" });
  if (response.status() !== 200) say(path, `status ${response.status()}`);
  return (await response.body()).length;
};

// How each page looks.
const measured = { bytes: {}, keys: {} };
for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries(sizes)) {
    const page = await open({ colorScheme, viewport });
    for (const path of paths) {
      measured.bytes[path] = await visit(page, path);
      await page.waitForTimeout(300);
      await fits(page, path, size);
      const name = path.replace(/^\//, "").replace(/[^a-z0-9-]+/gi, "-") || "start";
      await page.screenshot({ path: `${out}/${name}-${size}-${colorScheme}.png`, fullPage: true });
    }
    await page.context().close();
  }
  const page = await open({ colorScheme, viewport: sizes.desk });
  for (const path of paths) {
    await visit(page, path);
    await accessible(page, `${path}, ${colorScheme}`);
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
  const asked = await other.textContent("#backups");
  if (!/\S/.test(asked)) say("/shops/c004", "it says nothing of backups");
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
  // What a change did not bring is kept.
  const kept = await other.textContent("#backups");
  if (kept !== asked) say("/shops/c004", `after a change it says of backups ${kept}`);
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

await end(browser, measured);
