// Apps that `join` a room under a name and send a `message` into it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, heard, until } from "./gateway.mjs";

/** An app that joins whenever it is connected, and sends again what nobody has answered. */
class Member {
  messages = [];
  #next = 0;

  constructor(gateway, username, room) {
    this.username = username;
    this.socket = gateway.connect({});
    let serverOffset = 0;
    this.socket.on("connect", () => this.socket.emit("join", { username, room, serverOffset }));
    this.socket.on("message", (message) => {
      this.messages.push(message);
      serverOffset = message.serverOffset;
    });
  }

  async send(text) {
    const clientOffset = `${this.username}.${this.#next++}`;
    for (;;) {
      try {
        return await this.socket.timeout(300).emitWithAck("message", text, clientOffset);
      } catch {
        // Once more.
      }
    }
  }
}

test("a room is read once and in order, through kills in the middle of retries", async (t) => {
  const gateway = await Gateway.start(t);
  const members = ["ada", "bob", "cyd"].map((name) => new Member(gateway, name, "den"));
  const elsewhere = new Member(gateway, "dan", "attic");
  const each = 60;
  const sent = members.map(async (member) => {
    const answers = [];
    for (let n = 0; n < each; n++) {
      await sleep(Math.random() * 60);
      answers.push(await member.send(`${member.username} ${n}`));
    }
    return answers;
  });
  for (let kill = 0; kill < 4; kill++) {
    await sleep(300 + Math.random() * 200);
    await gateway.die();
  }
  const answers = (await Promise.all(sent)).flat();
  assert.ok(answers.every(({ ok }) => ok));
  const total = members.length * each;
  const late = new Member(gateway, "eve", "den");
  for (const member of [...members, late]) await until(() => member.messages.length >= total, "all are told of all");
  await sleep(200);
  for (const { messages } of [...members, late]) {
    assert.deepEqual(messages.map(({ serverOffset }) => serverOffset), answers.map((_, at) => at + 1));
    assert.deepEqual(messages, late.messages);
  }
  for (const { username } of members) {
    const own = late.messages.filter((message) => message.username === username).map(({ text }) => text);
    assert.deepEqual(own, Array.from({ length: each }, (_, n) => `${username} ${n}`));
  }
  assert.deepEqual(elsewhere.messages, []);
});

test("what is sent before joining waits for it, in its order", async (t) => {
  const gateway = await Gateway.start(t);
  const socket = gateway.connect({});
  const messages = heard(socket, "message");
  for (const text of ["one", "two"]) socket.emit("message", text);
  await until(() => socket.connected, "it is connected");
  await sleep(200);
  const joined = await socket.emitWithAck("join", { username: "ada", room: "den" });
  assert.deepEqual([joined.ok, joined.serverOffset], [true, 0]);
  socket.emit("message", { text: "three" });
  await until(() => messages.length === 3, "all three are told");
  assert.deepEqual(messages.map(([{ username, text, room }]) => `${room} ${username} ${text}`), [
    "den ada one",
    "den ada two",
    "den ada three",
  ]);
});

test("nobody is two in one connection, and typing is not told to whoever types", async (t) => {
  const gateway = await Gateway.start(t);
  const [ada, bob] = [gateway.connect({}), gateway.connect({})];
  await ada.emitWithAck("join", { username: "ada", room: "den" });
  await bob.emitWithAck("join", { username: "bob", room: "den" });
  assert.equal((await ada.emitWithAck("join", { username: "eve", room: "den" })).ok, false);
  const [own, others] = [heard(ada, "typing"), heard(bob, "typing")];
  await ada.emitWithAck("typing");
  await until(() => others.length === 1, "bob is told");
  assert.equal(others[0][0].username, "ada");
  assert.deepEqual(own, []);
});

test("whoever says a name that is none is not let in", async (t) => {
  const gateway = await Gateway.start(t);
  const socket = gateway.connect({ auth: { username: " " } });
  const errors = heard(socket, "connect_error");
  const [[error]] = await until(() => errors.length && errors, "it is refused");
  assert.match(error.message, /a name is a text/);
});
