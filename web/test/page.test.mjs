// The chat page in headless Chromium, against the real server, which is killed under it.
//
// Needs Chromium (Debian: `apt-get install chromium`; elsewhere name it in CHROMIUM). Without one the tests are skipped,
// under CI=true they fail.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { Server } from "./server.mjs";

const EXECUTABLE = [
  process.env.CHROMIUM,
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((file) => file && existsSync(file));
const WITHIN = 30_000; // milliseconds; a deadline for what takes a few seconds
const reason =
  EXECUTABLE || process.env.CI === "true" ? false : "no Chromium found: install it, or name it in CHROMIUM";

describe("the chat page", { skip: reason }, () => {
  let browser;
  let server;

  before(async () => {
    assert.ok(EXECUTABLE, "CI needs Chromium: apt-get install chromium");
    browser = await chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox"] });
    server = await Server.start();
  });
  after(async () => {
    await browser?.close();
    await server?.end();
  });

  /** A browser profile of its own: storage and locks are shared between its tabs only. */
  const profile = () => browser.newContext();

  /** A tab in which `name` has entered `room`. Whatever the page complains about fails the test. */
  async function tab(context, name, room, complaints = []) {
    const page = await context.newPage();
    page.setDefaultTimeout(WITHIN);
    page.on("pageerror", (error) => complaints.push(`${error}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !message.text().includes("ERR_CONNECTION_REFUSED"))
        complaints.push(message.text());
    });
    await page.goto(`${server.url}#${room}`);
    if ((await page.inputValue("#name")) === "") {
      await page.fill("#name", name);
      await page.press("#name", "Enter");
    }
    await page.waitForSelector("html[data-phase=connected]");
    await page.evaluate(() => (window.notReloaded = true));
    return page;
  }

  async function say(page, text) {
    await page.fill("#text", text);
    await page.press("#text", "Enter");
  }

  const texts = (page) => page.locator("#log li:not([hidden]) .text").allTextContents();

  /** Waits until the log shows `count` messages and nothing is under way, and returns them. */
  async function settled(page, count) {
    const done = (count) =>
      document.querySelectorAll("#log li:not([hidden]) .text").length >= count &&
      document.querySelectorAll("#outbox li").length === 0;
    await page.waitForFunction(done, count);
    return texts(page);
  }

  test("goes on through kill -9 of the server: every message once, in one order on both pages, without a reload", async () => {
    const complaints = [];
    const ada = await tab(await profile(), "ada", "storm", complaints);
    const bob = await tab(await profile(), "bob", "storm", complaints);
    const said = { ada: [], bob: [] };
    const both = async (from, to) => {
      for (let n = from; n <= to; n += 1) {
        for (const [name, page] of [
          ["ada", ada],
          ["bob", bob],
        ]) {
          said[name].push(`${name} ${n}`);
          await say(page, `${name} ${n}`);
        }
      }
    };
    await both(1, 10);
    await server.kill();
    await both(11, 20);
    assert.ok((await ada.locator("#outbox .mark").allTextContents()).includes("sending"));
    await server.revive();
    await both(21, 30);
    await server.kill();
    await server.revive();
    await both(31, 40);
    const [seen, other] = [await settled(ada, 80), await settled(bob, 80)];
    assert.deepEqual(seen, other, "one order");
    for (const name of ["ada", "bob"])
      assert.deepEqual(
        seen.filter((text) => text.startsWith(name)),
        said[name],
        "once each, in order",
      );
    const marks = await ada.locator("#log li:has(.who:text-is('ada')) .mark").allTextContents();
    assert.deepEqual(new Set(marks), new Set(["on disk"]));
    for (const page of [ada, bob]) assert.equal(await page.evaluate(() => window.notReloaded), true);
    assert.deepEqual(complaints, []);
  });

  test("what a tab had not sent when it was closed is sent once by the next one", async () => {
    const context = await profile();
    const page = await tab(context, "ada", "left");
    await say(page, "before");
    await settled(page, 1);
    await server.kill();
    await say(page, "left behind");
    await page.locator("#outbox .mark", { hasText: "sending" }).waitFor();
    await page.close();
    await server.revive();
    const next = await tab(context, "ada", "left");
    assert.deepEqual(await settled(next, 2), ["before", "left behind"]);
  });

  test("two tabs of one profile are two clients, and both go on", async () => {
    const context = await profile();
    const one = await tab(context, "ada", "tabs");
    const two = await tab(context, "ada", "tabs");
    for (let n = 1; n <= 10; n += 1) await Promise.all([say(one, `one ${n}`), say(two, `two ${n}`)]);
    const [seen, other] = [await settled(one, 20), await settled(two, 20)];
    assert.deepEqual(seen, other);
    assert.equal(new Set(seen).size, 20);
  });

  test("two copies of one profile: what was queued before the copy is sent once, what each says afterwards once each", async () => {
    const original = await profile();
    const one = await tab(original, "ada", "clones");
    await say(one, "before");
    await settled(one, 1);
    await server.kill();
    for (const text of ["queued a", "queued b"]) await say(one, text);
    await one.locator("#outbox .mark", { hasText: "sending" }).nth(1).waitFor();
    const copy = await browser.newContext({ storageState: await original.storageState({ indexedDB: true }) });
    await server.revive();
    const two = await tab(copy, "ada", "clones");
    await one.waitForSelector("html[data-phase=connected]");
    await Promise.all([say(one, "mine"), say(two, "mine")]);
    const [seen, other] = [await settled(one, 5), await settled(two, 5)];
    assert.deepEqual(seen, other);
    assert.deepEqual(seen.toSorted(), ["before", "mine", "mine", "queued a", "queued b"]);
  });

  test("a server whose data was replaced by an older copy: the page says what is gone, and shows what is there", async () => {
    const page = await tab(await profile(), "ada", "replaced");
    await say(page, "kept");
    await settled(page, 1);
    await server.kill();
    await server.keepCopy();
    await server.revive();
    for (const text of ["lost 1", "lost 2"]) await say(page, text);
    await settled(page, 3);
    await server.kill();
    await server.putCopyBack();
    await server.revive();
    await page.locator("#log .notice", { hasText: "no longer available" }).waitFor();
    await page.locator("#log .notice", { hasText: "set back" }).waitFor();
    await say(page, "new");
    assert.deepEqual(await settled(page, 2), ["kept", "new"]);
  });

  test("shows the newest messages of a room, older ones on request, and other rooms on demand", async () => {
    const context = await profile();
    const page = await tab(context, "ada", "long");
    const said = Array.from({ length: 70 }, (_, n) => `message ${n}`);
    for (const text of said) await say(page, text);
    await settled(page, 70);
    await page.fill("#room", "elsewhere");
    await page.press("#room", "Enter");
    await say(page, "over here");
    assert.deepEqual(await settled(page, 1), ["over here"]);
    await page.fill("#room", "long");
    await page.press("#room", "Enter");
    assert.deepEqual(await settled(page, 50), said.slice(20));
    await page.click("#older");
    assert.deepEqual(await settled(page, 70), said);
    assert.equal(await page.isVisible("#older"), false);
  });

  /** Says something to everybody, as the admin, over a connection of its own. */
  const announce = (page, text) =>
    page.evaluate(
      ({ text, id }) =>
        new Promise((done) => {
          const socket = new WebSocket(new URL("v1/ws", document.baseURI.replace(/^http/, "ws")), "anchor.v1.json");
          const send = (...frame) => socket.send(JSON.stringify(frame));
          socket.onopen = () => send("hello", null, "root", id, 1, [], []);
          socket.onmessage = ({ data }) => {
            const [kind] = JSON.parse(data);
            if (kind === "welcome") send("publish", 1, 7, 1, "@announcements", [1, null, null, text]);
            if (kind === "ack") done(socket.close());
          };
        }),
      { text, id: randomBytes(16).toString("hex") },
    );

  test("what is announced is shown in every room, once: now, or with the next visit", async () => {
    const [context, complaints] = [await profile(), []];
    const notices = (page) => page.locator("#log .notice").allTextContents();
    const first = await tab(context, "ada", "quiet", complaints);
    await say(first, "here");
    await settled(first, 1);
    await announce(first, "back at <b>noon</b>");
    await first.locator(".notice", { hasText: "noon" }).waitFor();
    assert.deepEqual(await notices(first), ["root to everybody: back at <b>noon</b>"]);
    await first.close();
    const other = await tab(await profile(), "bob", "quiet", complaints);
    await announce(other, "back at one");
    const again = await tab(context, "ada", "another", complaints);
    await again.locator(".notice", { hasText: "one" }).waitFor();
    assert.deepEqual(await notices(again), ["root to everybody: back at one"]);
    assert.deepEqual(complaints, []);
  });

  test("what others write is text, and nothing else", async () => {
    const complaints = [];
    const page = await tab(await profile(), "eve", "hostile", complaints);
    const hostile = `<img src=x onerror="document.title = 'owned'"> </bdi><script>document.title = 'owned'</script>`;
    await say(page, hostile);
    assert.deepEqual(await settled(page, 1), [hostile]);
    assert.equal(await page.title(), "Anchor");
    assert.deepEqual(complaints, []);
  });

  test("a message that is too large is not taken, and stays where it was typed", async () => {
    const page = await tab(await profile(), "ada", "large");
    await say(page, "x".repeat(70_000));
    await page.locator("#problem", { hasText: "65536 bytes" }).waitFor();
    assert.equal((await page.inputValue("#text")).length, 70_000);
    assert.deepEqual(await texts(page), []);
  });
});
