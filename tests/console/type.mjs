// How long a person in front of Chromium waits for rows after a key, in milliseconds, as a list.
//
//   node type.mjs ADDRESS TEXT
//
// ADDRESS is what longshore-console printed. TEXT is typed into the search, one key after another,
// each after the rows of the one before it came; then it is deleted again, five times.
import { launch } from "./chromium.mjs";

const [address, text] = process.argv.slice(2);
const browser = await launch();
const page = await (await browser.newContext()).newPage();
await page.goto(address);
await page.waitForSelector("#q");
const typed = [];
const press = async (key) => {
  // Rows are swapped in as a new element.
  await page.evaluate(() => { document.querySelector("#found").dataset.old = ""; });
  const begin = Date.now();
  await page.keyboard.press(key);
  await page.waitForFunction(() => !("old" in document.querySelector("#found").dataset), null, { polling: "raf", timeout: 10000 });
  typed.push(Date.now() - begin);
};
await page.focus("#q");
for (let round = 0; round < 5; round++) {
  for (const key of text) await press(key);
  for (const _ of text) await press("Backspace");
}
await browser.close();
console.log(JSON.stringify(typed));
