// The get-started chat, with the very lines of its tutorial in `Chat`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, Wire, until } from "./gateway.mjs";

class Chat {
  counter = 0;
  seen = [];

  constructor(gateway, options = {}, url = undefined) {
    this.socket = gateway.connect({ auth: { serverOffset: 0 }, ackTimeout: 300, retries: 1000, ...options }, url);
    this.socket.on("chat message", (message, serverOffset) => {
      this.seen.push([serverOffset, message]);
      this.socket.auth.serverOffset = serverOffset;
    });
  }

  /** Sends a line, and gives the answer. */
  send(line) {
    const clientOffset = `${this.socket.id}-${this.counter++}`;
    return this.repeat(line, clientOffset);
  }

  repeat(line, clientOffset) {
    return new Promise((resolve, reject) => {
      this.socket.emit("chat message", line, clientOffset, (error, answer) => {
        if (error) reject(error);
        else resolve(answer);
      });
    });
  }

  get texts() {
    return this.seen.map(([, text]) => text);
  }
}

/** The offsets of a room with so many messages. */
const dense = (length) => Array.from({ length }, (_, at) => at + 1);

test("everybody sees every message once, in one order, through kills in the middle of retries", async (t) => {
  const gateway = await Gateway.start(t);
  const ways = [{}, { transports: ["websocket"] }, { transports: ["polling"] }];
  const chats = ways.map((way) => new Chat(gateway, way));
  const quiet = new Chat(gateway, { transports: ["websocket"] });
  const each = 120;
  const sent = chats.map((chat, who) => {
    const lines = Array.from({ length: each }, (_, n) => `${who}: ${n}`);
    return Promise.all(lines.map(async (line) => {
      // Some before it is connected, some in between, as people type.
      await sleep(Math.random() * 4_000);
      return chat.send(line);
    }));
  });
  for (let kill = 0; kill < 6; kill++) {
    await sleep(400 + Math.random() * 300);
    await gateway.die();
  }
  const answers = (await Promise.all(sent)).flat();
  assert.ok(answers.every((answer) => answer.ok), JSON.stringify(answers.find((answer) => !answer.ok)));
  const total = chats.length * each;
  const late = new Chat(gateway);
  for (const chat of [...chats, quiet, late]) await until(() => chat.seen.length >= total, "all are told of all");
  await sleep(200);
  const expected = chats.flatMap((_, who) => Array.from({ length: each }, (_, n) => `${who}: ${n}`)).sort();
  for (const chat of [...chats, quiet, late]) {
    assert.deepEqual(chat.seen.map(([offset]) => offset), dense(total), "once, and in the order of the log");
    assert.deepEqual(chat.seen, late.seen);
    assert.deepEqual([...chat.texts].sort(), expected);
  }
  for (const { serverOffset } of answers) assert.ok(serverOffset >= 1 && serverOffset <= total);
  assert.equal(new Set(answers.map(({ serverOffset }) => serverOffset)).size, total);
});

test("a message whose ack was lost is sent again and stands once", async (t) => {
  const gateway = await Gateway.start(t);
  const wire = await Wire.to(gateway.port, t);
  const [ada, bob] = [new Chat(gateway, {}, wire.url), new Chat(gateway)];
  await ada.send("before");
  wire.hold();
  const answer = ada.send("during");
  await until(() => bob.texts.includes("during"), "the message stands");
  await gateway.kill();
  wire.cut();
  await gateway.revive();
  const { ok, serverOffset, duplicate } = await answer;
  assert.deepEqual({ ok, serverOffset, duplicate }, { ok: true, serverOffset: 2, duplicate: true });
  await ada.send("after");
  for (const chat of [ada, bob]) {
    await until(() => chat.seen.length >= 3, "all three are told");
    assert.deepEqual(chat.seen, [[1, "before"], [2, "during"], [3, "after"]]);
  }
});

test("an offset that another connection of another process repeats is the same message", async (t) => {
  const gateway = await Gateway.start(t);
  const first = new Chat(gateway);
  await until(() => first.socket.connected, "it is connected");
  const { id } = first.socket;
  assert.equal((await first.send("one")).serverOffset, 1);
  assert.equal((await first.send("two")).serverOffset, 2);
  first.socket.close();
  await gateway.die();
  const second = new Chat(gateway);
  for (const [line, offset, at] of [["one", `${id}-0`, 1], ["two", `${id}-1`, 2]]) {
    const answer = await second.repeat(line, offset);
    assert.deepEqual([answer.serverOffset, answer.duplicate], [at, true]);
  }
  const answer = await second.repeat("something else", `${id}-0`);
  assert.deepEqual([answer.ok, answer.error], [false, "seq_conflict"]);
  assert.equal((await second.repeat("three", `${id}-2`)).serverOffset, 3);
  await until(() => second.seen.length === 3, "the log has three");
});

test("what was typed before the first connection is told apart by what it says", async (t) => {
  const gateway = await Gateway.start(t);
  const chats = [new Chat(gateway), new Chat(gateway)];
  assert.equal(chats[0].socket.id, undefined);
  const answers = await Promise.all(["ada's", "bob's"].map((line, who) => chats[who].send(line)));
  assert.deepEqual(answers.map(({ duplicate }) => duplicate), [false, false]);
  assert.equal((await chats[1].repeat("ada's", "undefined-0")).duplicate, true);
});

test("an offset is remembered for 256 messages of its socket; any other form for ever", async (t) => {
  const gateway = await Gateway.start(t);
  const chat = new Chat(gateway, { retries: 0, ackTimeout: 30_000 });
  await until(() => chat.socket.connected, "it is connected");
  const { id } = chat.socket;
  const named = await chat.repeat("by its name", "8a0f6c1e");
  // All at once: they stand in the order in which they were sent.
  const answers = await Promise.all(dense(300).map((n) => chat.send(`line ${n}`)));
  assert.deepEqual(answers.map(({ serverOffset }) => serverOffset), dense(300).map((n) => n + 1));
  const code = async (line, offset) => (await chat.repeat(line, offset)).error;
  assert.equal(await code("line 44", `${id}-43`), "seq_forgotten");
  assert.equal((await chat.repeat("line 45", `${id}-44`)).duplicate, true);
  assert.equal((await chat.repeat("line 300", `${id}-299`)).duplicate, true);
  assert.equal((await chat.repeat("by its name", "8a0f6c1e")).serverOffset, named.serverOffset);
  assert.equal((await chat.repeat("passing some over", `${id}-310`)).ok, true);
  assert.equal(await code("passed over", `${id}-305`), "seq_skipped");
  await until(() => chat.seen.length === 302, "nothing stands twice");
});

test("the first steps of the tutorial, without offsets and acks", async (t) => {
  const gateway = await Gateway.start(t);
  const [ada, bob] = [gateway.connect(), gateway.connect()];
  const seen = [];
  for (const socket of [ada, bob]) socket.on("chat message", (message) => seen.push(message));
  await until(() => ada.connected && bob.connected, "both are connected");
  await sleep(100);
  ada.emit("chat message", "hello");
  await until(() => seen.length === 2, "both are told");
  assert.deepEqual(seen, ["hello", "hello"]);
});

test("who falls behind is answered nevertheless, and gets all of it", async (t) => {
  const gateway = await Gateway.start(t);
  const ada = new Chat(gateway, { retries: 0, ackTimeout: 30_000, transports: ["websocket"] });
  await until(() => ada.socket.connected, "it is connected");
  const long = "x".repeat(1_000);
  await Promise.all(dense(2_000).map((n) => ada.send(`${n} ${long}`)));
  const late = new Chat(gateway);
  const answer = await late.send("the last");
  assert.equal(answer.serverOffset, 2_001);
  await until(() => late.seen.length >= 2_001, "it has caught up");
  assert.deepEqual(late.seen.map(([offset]) => offset), dense(2_001));
});

test("who changes from polling to WebSocket amid a long history is not stuck in between", async (t) => {
  const gateway = await Gateway.start(t);
  const ada = new Chat(gateway, { retries: 0, ackTimeout: 30_000, transports: ["websocket"] });
  await until(() => ada.socket.connected, "it is connected");
  await Promise.all(dense(400).map((n) => ada.send(`${n}`)));
  for (let round = 0; round < 5; round++) {
    const late = Array.from({ length: 8 }, () => new Chat(gateway));
    const events = 400 + 200 * round;
    for (const chat of late) {
      // Where it is stuck, socketioxide gives it up after 10 s.
      await until(() => chat.seen.length >= events, "it has caught up", 8_000);
      assert.deepEqual(chat.seen.map(([offset]) => offset), dense(events));
      assert.equal(chat.socket.io.engine.transport.name, "websocket");
      chat.socket.close();
    }
    // All of it sent with the connection, and answered with it.
    const hasty = new Chat(gateway, { retries: 0, ackTimeout: 8_000, auth: {} });
    const answers = await Promise.all(dense(200).map((n) => hasty.send(`hasty ${round} ${n}`)));
    assert.ok(answers.every(({ ok }) => ok));
    hasty.socket.close();
  }
});

test("the longest message goes through every transport, and a longer one is refused", async (t) => {
  const gateway = await Gateway.start(t);
  const chats = [["websocket"], ["polling"]].map((transports) => new Chat(gateway, { transports, ackTimeout: 5_000 }));
  const longest = ["\u0001", "\u0002"].map((control) => control.repeat(65_536));
  for (const [who, chat] of chats.entries()) {
    assert.equal((await chat.send(longest[who])).ok, true);
    assert.equal((await chat.send(`${longest[who]}!`)).error, "invalid");
  }
  for (const chat of chats) {
    await until(() => chat.seen.length === 2, "both are told");
    assert.deepEqual(chat.texts, longest);
  }
});
