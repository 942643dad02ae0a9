// Apps that say `message:send`, hear `message:new`, and show who is typing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, heard, until } from "./gateway.mjs";

/** An app with rooms: what it has of each, optimistic sending with ids of its own, and its positions in `auth`. */
class App {
  messages = [];
  #next = 0;

  constructor(gateway, username, rooms) {
    const serverOffset = Object.fromEntries(rooms.map((room) => [room, 0]));
    this.username = username;
    this.socket = gateway.connect({ auth: { username, serverOffset }, ackTimeout: 300, retries: 1000 });
    this.socket.on("message:new", (message) => {
      this.messages.push(message);
      this.socket.auth.serverOffset[message.roomId] = message.serverOffset;
    });
  }

  send(roomId, content, tempId = `temp-${this.username}-${this.#next++}`) {
    return new Promise((resolve, reject) => {
      const told = (error, answer) => (error ? reject(error) : resolve(answer));
      this.socket.emit("message:send", { roomId, content, tempId }, told);
    });
  }

  of(room) {
    return this.messages.filter(({ roomId }) => roomId === room);
  }
}

test("rooms are read once and in order, through kills in the middle of retries", async (t) => {
  const gateway = await Gateway.start(t);
  const rooms = ["den", "attic"];
  const apps = ["ada", "bob", "cyd"].map((name) => new App(gateway, name, rooms));
  const each = 60;
  const sent = apps.map((app) => Promise.all(Array.from({ length: each }, async (_, n) => {
    await sleep(Math.random() * 2_500);
    return app.send(rooms[n % 2], `${app.username} ${n}`);
  })));
  for (let kill = 0; kill < 4; kill++) {
    await sleep(400 + Math.random() * 200);
    await gateway.die();
  }
  const answers = (await Promise.all(sent)).flat();
  assert.ok(answers.every(({ ok }) => ok));
  const total = apps.length * each;
  for (const app of apps) await until(() => app.messages.length >= total, "all are told of all");
  await sleep(200);
  for (const room of rooms) {
    const offsets = Array.from({ length: total / 2 }, (_, at) => at + 1);
    for (const app of apps) {
      assert.deepEqual(app.of(room).map(({ serverOffset }) => serverOffset), offsets);
      assert.deepEqual(app.of(room), apps[0].of(room));
    }
    for (const { senderId, content } of apps[0].of(room)) assert.equal(content.split(" ")[0], senderId);
  }
  assert.equal(new Set(apps[0].messages.map(({ content }) => content)).size, total);
});

test("an id of the app's own is appended once, by whoever of that name and after whichever crash", async (t) => {
  const gateway = await Gateway.start(t);
  const ada = new App(gateway, "ada", ["den"]);
  const first = await ada.send("den", "hello", "temp-1763836157000");
  await gateway.die();
  const again = await ada.send("den", "hello", "temp-1763836157000");
  assert.deepEqual([again.serverOffset, again.duplicate], [first.serverOffset, true]);
  const bob = new App(gateway, "bob", ["den"]);
  assert.equal((await bob.send("den", "hello", "temp-1763836157000")).duplicate, false);
});

test("a room is joined from behind an offset, or from now on, and left", async (t) => {
  const gateway = await Gateway.start(t);
  const writer = new App(gateway, "ada", []);
  for (const n of [1, 2, 3]) await writer.send("den", `${n}`);
  const reader = gateway.connect({ auth: { username: "bob" } });
  const messages = heard(reader, "message:new");
  const joined = await reader.emitWithAck("room:join", { roomId: "den", serverOffset: 1 });
  assert.deepEqual([joined.ok, joined.room, joined.serverOffset], [true, "den", 1]);
  assert.equal((await reader.emitWithAck("room:join", "attic")).serverOffset, 0);
  await writer.send("attic", "live");
  await until(() => messages.length === 3, "two of before, one live");
  assert.deepEqual(messages.map(([{ content }]) => content).sort(), ["2", "3", "live"]);
  await reader.emitWithAck("room:leave", { roomId: "den" });
  await writer.send("den", "unheard");
  await writer.send("attic", "heard");
  await until(() => messages.length === 4, "one more");
  assert.equal(messages[3][0].content, "heard");
  const refused = await reader.emitWithAck("room:join", { roomId: "No Room" });
  assert.deepEqual([refused.ok, refused.error], [false, "invalid"]);
});

test("what can no longer be had is told", async (t) => {
  const gateway = await Gateway.start(t);
  const writer = new App(gateway, "ada", []);
  await writer.send("den", "the only one");
  const reader = gateway.connect({ auth: { serverOffset: { den: 7 } } });
  const [gaps, messages] = [heard(reader, "gap"), heard(reader, "message:new")];
  await until(() => messages.length === 1, "the room is read anew");
  assert.deepEqual(gaps, [[{ room: "den", from: 1, to: 7, reason: "history" }]]);
});

test("typing is told to the others of the room, never to whoever types, and ends by itself", async (t) => {
  const gateway = await Gateway.start(t);
  const [ada, bob] = ["ada", "bob"].map((username) => new App(gateway, username, ["den"]).socket);
  const stranger = new App(gateway, "cyd", ["attic"]).socket;
  const signs = [];
  for (const [who, socket] of Object.entries({ ada, bob, stranger })) {
    for (const event of ["typing:start", "typing:stop"]) {
      socket.on(event, ({ roomId, userId }) => signs.push(`${who}: ${event} ${roomId} ${userId}`));
    }
  }
  const type = (socket, event) => new Promise((resolve) => {
    socket.emit(event, { roomId: "den" }, (_, answer) => resolve(answer));
  });
  await until(() => [ada, bob, stranger].every((socket) => socket.connected), "all are connected");
  // Its answer is behind what it hears from the beginning.
  for (const socket of [ada, bob]) assert.equal((await type(socket, "typing:stop")).ok, true);
  assert.equal((await type(stranger, "typing:start")).ok, false, "it is not in the room");

  for (const event of ["typing:start", "typing:start", "typing:stop", "typing:stop"]) await type(ada, event);
  await until(() => signs.length === 2, "each is told once");
  assert.deepEqual(signs.splice(0), ["bob: typing:start den ada", "bob: typing:stop den ada"]);

  const started = Date.now();
  await type(ada, "typing:start");
  await until(() => signs.length === 2, "it ends by itself");
  assert.ok(Date.now() - started >= 4_900 && Date.now() - started < 8_000);
  assert.deepEqual(signs.splice(0), ["bob: typing:start den ada", "bob: typing:stop den ada"]);

  await type(bob, "typing:start");
  bob.close();
  await until(() => signs.length === 2, "it ends with the connection");
  assert.deepEqual(signs, ["ada: typing:start den bob", "ada: typing:stop den bob"]);
});

test("an app that says nothing of where it stands hears the lobby from now on", async (t) => {
  const gateway = await Gateway.start(t);
  const [ada, bob] = [gateway.connect(), gateway.connect({ auth: { username: "bob" } })];
  const [old, messages] = [heard(ada, "chat message"), heard(ada, "message:new")];
  await until(() => ada.connected && bob.connected, "both are connected");
  await ada.emitWithAck("typing:stop");
  await bob.emitWithAck("message:send", { content: "hello" });
  await until(() => messages.length === 1 && old.length === 1, "it is told");
  assert.deepEqual(old, [["hello", 1]]);
  const [[{ createdAt, ...message }]] = messages;
  assert.deepEqual(message, { id: "lobby:1", roomId: "lobby", serverOffset: 1, senderId: "bob", content: "hello" });
  assert.ok(Math.abs(Date.now() - createdAt) < 60_000);
});
