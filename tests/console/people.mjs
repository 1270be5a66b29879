// A day of two people in a real browser. Clara, an admin, does everything that a page offers; her
// first errand is timed from the login on, and its clicks are counted. Boris, who may look on, sees
// each page and is offered nothing.
//
//   node people.mjs CONSOLE OUT
//
// The cluster has the shops c000 to c005, of which Releases 42 and 43 are there, and two of
// Magento, mage and put-back. OUT gets screenshots. The last line is JSON with what was measured.
import { mkdirSync } from "node:fs";
import { accessible, end, fits, launch, open, say, sizes } from "./chromium.mjs";

const [base, out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const browser = await launch();
const LONG = 90_000;
// The test signs its certificates itself.
const anywhere = { ignoreHTTPSErrors: true, viewport: sizes.desk };
let clicks = 0;

const path = (page) => new URL(page.url()).pathname;
const picture = (page, name) => page.screenshot({ path: `${out}/${name}.png`, fullPage: true });

// What holds on every page, on a desk and on a phone.
const look = async (page, name) => {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    await fits(page, name, size);
    await picture(page, `${name}-${size}`);
  }
  await page.setViewportSize(sizes.desk);
  await accessible(page, name);
};

const named = (text) => new RegExp(`^\\s*${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s*$`);
const offer = (page, text) =>
  page.locator("a:visible, button:visible").filter({ hasText: named(text) }).first();
const click = async (page, text) => {
  clicks++;
  await offer(page, text).click({ timeout: 20_000 }).catch(async (error) => {
    throw new Error(`${text}: ${error.message}: ${path(page)}: ${await page.textContent("body")}`);
  });
  await page.waitForLoadState("load");
};
// Until the page, which follows by itself what changes, says this.
const says = (page, text) =>
  page
    .waitForFunction((text) => document.body.textContent.includes(text), text, { timeout: LONG })
    .catch(async () => {
      throw new Error(`no ${text}: ${path(page)}: ${await page.textContent("body")}`);
    });
const isAt = (page, expected) => {
  if (path(page) !== expected) say(expected, `a click led to ${path(page)} instead`);
};
const because = (page, why) => page.fill("#why", why);

const logIn = async (name, at, refused) => {
  const page = await open(browser, base, anywhere, refused);
  await page.goto(base + at);
  await page.fill("input[name=login]", name);
  await page.fill("input[name=password]", "any");
  await click(page, "Sign-in");
  await page.waitForURL(`${base}${at}`, { timeout: LONG });
  await says(page, `You are oidc:${name}`);
  return page;
};

// From the login to "c000 runs 43 and I saw it".
const errand = async () => {
  const begin = Date.now();
  clicks = 0;
  const page = await logIn("clara", "/shops");
  await page.locator("#q").pressSequentially("c000");
  await says(page, "1 of ");
  await click(page, "c000");
  const fromShop = clicks;
  await click(page, "Update to 43");
  await look(page, "update");
  await because(page, "new checkout");
  await click(page, "Start");
  isAt(page, "/rollouts/shops-acme-43-c000");
  const toStart = clicks - fromShop;
  await says(page, "1 of 1 shops run it");
  await click(page, "c000");
  await says(page, "43 (shops-acme-43)");
  return { page, milliseconds: Date.now() - begin, clicks, fromShopToStart: toStart };
};

const goesBack = async (page) => {
  await click(page, "shops-acme-43-c000");
  await click(page, "Promote");
  await says(page, "Completed");
  await page.goto(`${base}/shops/c000`);
  clicks = 0;
  await click(page, "Go back to 42");
  await because(page, "prices are wrong");
  await click(page, "Go back");
  const back = clicks;
  await says(page, "Aborted");
  await click(page, "c000");
  await says(page, "42 (shops-acme-42)");
  return back;
};

// Each part of a shop is changed, and one of them by the keyboard alone.
const changes = async (page) => {
  const parts = [
    ["State", { "input[value=Maintenance]": true }, null],
    ["Domains", { "#domains": "c003.example primary\nnew.c003.example" }, "new.c003.example"],
    ["Modules", { "#enable": "Acme_Loyalty" }, "+Acme_Loyalty"],
    ["Configuration", { "#values": "default/a/b = 7" }, "1 value"],
    ["Window for releases", { "#times": "22:00-05:00", "#zone": "Europe/Bucharest" }, null],
    ["Scale and campaigns", { "#campaigns": "0 8 27 11 * | Etc/UTC | 48 | 1" }, "1 pods for 48 h"],
  ];
  for (const [part, fields, shown] of parts) {
    await page.goto(`${base}/shops/c003`);
    await click(page, part);
    for (const [field, value] of Object.entries(fields)) {
      if (value === true) await page.check(field);
      else await page.fill(field, value);
    }
    await click(page, "Show the plan");
    await look(page, `plan-${part.split(" ")[0].toLowerCase()}`);
    await because(page, `a test of ${part}`);
    await click(page, "Apply");
    isAt(page, "/shops/c003");
    await says(page, "c003 is changed");
    if (shown) await says(page, shown);
  }

  await page.goto(`${base}/shops/c003/edit/scale`);
  const focus = async (id) => {
    for (let count = 0; count < 40; count++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((id) => document.activeElement.id === id, id)) return;
    }
    throw new Error(`Tab does not reach ${id}`);
  };
  await focus("max");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("5");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#why");
  await focus("why");
  await page.keyboard.type("by the keyboard alone");
  await page.keyboard.press("Enter");
  await says(page, "1 to 5;");
};

const many = async (page) => {
  await page.goto(`${base}/shops`);
  await page.check("input[value=c004]");
  await page.check("input[value=c005]");
  await click(page, "Change the chosen shops");
  await page.fill("#max", "4");
  await click(page, "Show the plan");
  await click(page, "Change it again");
  await page.fill("#max", "6");
  await click(page, "Show the plan");
  await look(page, "plan-many");
  await because(page, "the sale");
  await click(page, "Apply");
  await says(page, "2 of 2 shops are changed");
  await look(page, "work");
  await click(page, "All shops");
  isAt(page, "/shops");
};

const steers = async (page) => {
  await page.check("input[value=c001]");
  await page.check("input[value=c002]");
  await click(page, "Roll a release out to the chosen shops");
  await page.fill("#waves", "100:5m");
  await because(page, "two first");
  await click(page, "Start");
  isAt(page, "/rollouts/shops-acme-43");
  const verbs = [["Pause", "Paused"], ["Resume", "Soaking"], ["Go back", "Aborted"]];
  for (const [verb, phase] of verbs) {
    await because(page, `a test of ${verb}`);
    await click(page, verb);
    await says(page, phase);
  }
  await look(page, "rollout");
};

const makes = async (page) => {
  await page.goto(`${base}/shops`);
  await click(page, "New shop");
  await page.fill("#name", "fresh");
  await page.selectOption("#class", "php-plain");
  await page.fill("#channel", "shops/acme");
  await page.fill("#domains", "fresh.example");
  await says(page, "Nothing speaks against it.");
  await click(page, "Show the plan");
  await look(page, "plan-new");
  await because(page, "a new customer");
  await click(page, "Create the shop");
  isAt(page, "/shops/fresh");

  await page.goto(`${base}/shops`);
  await click(page, "Import a list");
  const row = (name) => `${name},${name}.example,php-plain,shops/acme,Suspended,env,db,nas`;
  const head = "name,domain,class,channel,state,secret,database,media";
  await page.fill("#list", [head, row("list-a"), row("list-b")].join("\n"));
  await says(page, "Nothing speaks against 2 shops.");
  await click(page, "Show the plan");
  await look(page, "plan-import");
  await because(page, "the list");
  await click(page, "Create the shops");
  await says(page, "2 of 2 shops are created");
};

const works = async (page) => {
  const verbs = { "Back up now": "backup-", "Clean the caches": "clean-", "Run cron now": "cron-" };
  for (const [verb, job] of Object.entries(verbs)) {
    await page.goto(`${base}/shops/mage`);
    await click(page, verb);
    if (!path(page).startsWith(`/shops/mage/jobs/${job}`)) {
      say(verb, `led to ${path(page)}: ${await page.textContent("main")}`);
    }
    await look(page, `job-${job}`);
  }
  await page.goto(`${base}/shops/put-back`);
  await click(page, "Restore");
  await says(page, "Not now: shop put-back is Active");
  await click(page, "State");
  await page.check("input[value=Maintenance]");
  await click(page, "Show the plan");
  await click(page, "Apply");
  // The scheduler closes it, and its pods end.
  for (let tries = 0; !path(page).includes("/jobs/restore-"); tries++) {
    if (tries > 60) throw new Error(`never restored: ${await page.textContent("main")}`);
    await page.goto(`${base}/shops/put-back/restore`);
    if (await offer(page, "Restore").count()) {
      await page.fill("#confirmed", "put-back");
      await click(page, "Restore");
    }
    await page.waitForTimeout(1000);
  }
};

const halts = async (page, onlooker) => {
  await onlooker.goto(`${base}/shops`);
  await click(page, "Halt");
  await because(page, "checkout fails");
  await click(page, "Halt everything");
  await says(onlooker, "halted by oidc:clara");
  await says(onlooker, ": checkout fails");
  await look(onlooker, "halted");
  // The banner above leads to this page in the same words.
  await page.click("button[value=lift]");
  await says(page, "Rollouts go on.");
};

// Every page, for somebody who may look on.
const looksOn = async (page) => {
  const harmless = ["Show", "Check", "Choose", "As CSV"];
  const pages = [
    "/shops", "/shops/c000", "/shops/c003/edit/state", "/shops/c003/edit/config", "/many?shop=c003",
    "/shops/c003/watched", "/shops/c003/restore", "/shops/c004/move?release=shops-acme-43", "/new",
    "/import", "/releases", "/rollouts", "/rollouts/shops-acme-43-c000",
    "/rollouts/new?release=shops-acme-43", "/fleet", "/audit?q=prices", "/halt",
  ];
  for (const at of pages) {
    const response = await page.goto(base + at);
    if (response.status() !== 200) say(at, `status ${response.status()} for a viewer`);
    const offered = page.locator("main button:visible, main a.button:visible");
    const more = (await offered.allTextContents()).filter((text) => !harmless.includes(text.trim()));
    if (more.length > 0) say(at, `a viewer is offered ${more}`);
  }
  const status = await page.evaluate(async () => {
    const token = document.querySelector("input[name=token]").value;
    const body = new URLSearchParams({ token, do: "halt", why: "x" });
    return (await fetch("/halt", { method: "POST", body })).status;
  });
  if (status !== 403) say("/halt", `a viewer's form is answered with ${status}`);
};

const leaves = async (page) => {
  await page.goto(`${base}/audit?q=prices`);
  await says(page, "prices are wrong");
  const csv = await page.evaluate(async () => (await fetch("/audit.csv?q=prices")).text());
  if (!csv.includes("prices are wrong")) say("/audit.csv", csv);
  await click(page, "Log out");
  await click(page, "Log out here");
  await page.waitForURL(`${base}/logged-out`);
  await look(page, "logged-out");
  await page.goto(`${base}/shops`);
  await page.waitForSelector("input[name=login]");
};

const clara = await errand();
const measured = {
  errandMilliseconds: clara.milliseconds,
  errandClicks: clara.clicks,
  clicksToStart: clara.fromShopToStart,
  clicksBack: await goesBack(clara.page),
};
const boris = await logIn("boris", "/rollouts", ["/halt"]);
await changes(clara.page);
await many(clara.page);
await steers(clara.page);
await makes(clara.page);
await works(clara.page);
await halts(clara.page, boris);
await looksOn(boris);
await leaves(clara.page);

// Who was not let in, and a page that is not there, look like the others.
const stranger = await open(browser, base, anywhere, ["/login/callback"]);
await stranger.goto(`${base}/login/callback?code=a&state=b`);
await says(stranger, "login-refused");
await look(stranger, "login-refused");

if (measured.clicksToStart > 3 || measured.clicksBack > 2) say("clicks", JSON.stringify(measured));
await end(browser, measured);
