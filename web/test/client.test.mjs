// The page's outbox and client without a browser: a scripted server at the other end of a fake socket.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { beforeEach, mock, test } from "node:test";
import { Client, Outbox, backoff, classOf, memoryStorage } from "../../anchor-server/src/page/chat.js";

const EPOCH = "e0e0e0e0e0e0e0e0";
const TAG = "c1c1c1c1c1c1c1c1";
const LIMITS = [65_536, 524_288, 1_048_576, 16_384, 4, 1_000, 200]; // a window of 4, 1,000 bytes in flight
const CHAIN = (offset) => offset.toString(16).padStart(16, "0");

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});

/** Lets everything that waits for storage or for a lock go on. */
async function idle() {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
}

/** Locks of one browser, as `navigator.locks` gives them. */
function locksOfOneBrowser() {
  const held = new Set();
  return {
    async request(name, _options, work) {
      if (held.has(name)) return work(null);
      held.add(name);
      await work({ name });
      held.delete(name);
    },
  };
}

/** A tab: its client, what it sent in each session, and what its view was told. */
async function tab({ storage = memoryStorage(), locks = locksOfOneBrowser(), room = "lobby" } = {}) {
  const sessions = [];
  const told = [];
  const view = new Proxy(
    {},
    {
      get:
        (_, name) =>
        (...details) =>
          void told.push([name, ...details]),
    },
  );
  const dial = () => {
    const socket = {
      sent: [],
      send: (text) => socket.sent.push(JSON.parse(text)),
      close: () => (socket.closed = true),
    };
    sessions.push(socket);
    return socket;
  };
  const outbox = await Outbox.open("ada", storage, locks);
  const client = new Client(outbox, view, dial);
  if (room) client.follow(room, ["last", 50]);
  await client.start();
  const self = {
    client,
    outbox,
    told,
    sessions,
    get socket() {
      return sessions.at(-1);
    },
    /** The server sends frames. */
    async receive(...frames) {
      for (const frame of frames) self.socket.onmessage({ data: JSON.stringify(frame) });
      await idle();
    },
    /** The connection opens, and the server welcomes the client and its room. */
    async welcome({ seq = 0, head = 0 } = {}) {
      self.socket.onopen();
      await self.receive(["welcome", "5".repeat(32), "ada", TAG, seq, 20_000, LIMITS, [], []]);
      const subscribe = self.frames("subscribe").at(-1);
      if (subscribe)
        await self.receive([
          "subscribed",
          subscribe[1],
          subscribe[2],
          [head ? EPOCH : null, head, CHAIN(head)],
          head,
          1,
        ]);
    },
    async lose() {
      self.socket.onclose();
      mock.timers.tick(30_000);
      await idle();
    },
    frames: (type) => self.socket.sent.filter(([kind]) => kind === type),
    seqs: () => self.frames("publish").map(([, seq]) => seq),
    heard: (name) => told.filter(([kind]) => kind === name).map(([, ...details]) => details),
  };
  return self;
}

const ack = (seq, offset = seq) => ["ack", seq, "lobby", EPOCH, offset, CHAIN(offset), offset, 1_000, false, "disk"];
const event = (offset, body, { client = "0".repeat(16), seq = offset, nonce = 7 } = {}) => [
  offset,
  offset,
  CHAIN(offset),
  1_000,
  "bob",
  client,
  seq,
  nonce,
  1,
  null,
  null,
  body,
];
const events = (first, ...bodies) => [
  "events",
  "lobby",
  EPOCH,
  first,
  bodies.map((body, i) => event(first + i, body)),
];

test("an entry is stored first, sent after welcome, and sent again as it was until it is decided", async () => {
  const storage = memoryStorage();
  const one = await tab({ storage });
  await one.client.publish("lobby", "a");
  await one.client.publish("lobby", "b");
  assert.equal((await storage.step(({ outbox }) => outbox.all())).length, 2);
  await one.welcome();
  const [hello] = one.frames("hello");
  assert.deepEqual([hello[2], hello[4]], ["ada", 1], "user and waits");
  assert.deepEqual(
    one.frames("publish").map(([, seq, , waits, room, draft]) => [seq, waits, room, draft]),
    [
      [1, 1, "lobby", [1, null, null, "a"]],
      [2, 1, "lobby", [1, null, null, "b"]],
    ],
  );
  const nonces = one.frames("publish").map(([, , nonce]) => nonce);
  await one.receive(ack(1));
  await one.lose();
  await one.welcome({ seq: 2 });
  assert.equal(one.frames("hello")[0][4], 2, "waits follows what is settled on disk");
  assert.deepEqual(
    one.frames("publish").map(([, seq, nonce]) => [seq, nonce]),
    [[2, nonces[1]]],
  );
  await one.receive(ack(2));
  assert.deepEqual(await storage.step(({ outbox }) => outbox.all()), []);
  await one.lose();
  one.socket.onopen();
  assert.equal(one.frames("hello")[0][4], 3, "an empty outbox waits for the next seq");
});

test("the window counts from waits on, the bytes what is in flight", async () => {
  const one = await tab();
  await one.welcome();
  for (const body of ["1", "2", "3", "4", "5", "6"]) await one.client.publish("lobby", body);
  assert.deepEqual(one.seqs(), [1, 2, 3, 4]);
  await one.receive(ack(2));
  assert.deepEqual(one.seqs(), [1, 2, 3, 4], "seq 1 still holds the window");
  await one.receive(ack(1), ack(3), ack(4), ack(5), ack(6));
  await one.client.publish("lobby", "x".repeat(900));
  await one.client.publish("lobby", "y".repeat(900));
  assert.deepEqual(one.seqs(), [1, 2, 3, 4, 5, 6, 7]);
  await one.receive(ack(7));
  assert.deepEqual(one.seqs().at(-1), 8);
});

test("a refusal is final for its seq and waits for the person, who may send it again as a new one", async () => {
  const one = await tab();
  await one.welcome();
  await one.client.publish("lobby", "no");
  await one.receive(["refused", 1, "denied", "not here"]);
  const parked = one.heard("entry").at(-1)[0];
  assert.deepEqual([parked.state, parked.reason], ["refused", "not here (denied)"]);
  await one.lose();
  await one.welcome({ seq: 1 });
  assert.deepEqual([one.frames("hello")[0][4], one.seqs()], [2, []]);
  await one.client.again(parked);
  await idle();
  assert.deepEqual(one.seqs(), [2]);
});

test("events at or below the cursor are ignored, and every reconnect resumes from the cursor", async () => {
  const one = await tab();
  await one.welcome({ head: 3 });
  await one.receive(events(1, "old", "old", "old", "four"), events(4, "four", "five"));
  assert.deepEqual(
    one.heard("events").map(([, list]) => list.map(({ body }) => body)),
    [["four"], ["five"]],
  );
  await one.lose();
  one.socket.onopen();
  assert.deepEqual(one.frames("hello")[0][6], [["lobby", [EPOCH, 5, CHAIN(5)]]]);
});

test("a hole in the stream is never shown: the client resumes instead", async () => {
  const one = await tab();
  await one.welcome();
  await one.receive(events(2, "two"));
  assert.deepEqual(one.heard("events"), []);
  assert.equal(one.socket.closed, true);
});

test("a gap moves the cursor to its position, back or forth, and ends a deleted room", async () => {
  const one = await tab();
  await one.welcome({ head: 9 });
  await one.receive(["gap", "lobby", 6, 9, "restored", [EPOCH, 5, CHAIN(5)], 5], events(6, "six"));
  assert.deepEqual(one.heard("gap")[0][1].reason, "restored");
  assert.deepEqual(one.heard("events")[0][1][0].offset, 6);
  await one.receive(["gap", "lobby", 1, 6, "deleted", null, 0], events(7, "seven"));
  assert.equal(one.heard("events").length, 1);
});

test("strays of an earlier subscription are dropped until the new one is answered", async () => {
  const one = await tab();
  await one.welcome();
  one.client.leave("lobby");
  one.client.follow("lobby", ["last", 50]);
  await one.receive(events(1, "stray"));
  assert.deepEqual(one.heard("events"), []);
});

test("a clone takes a new id, and settles the old one's entries under their own", async () => {
  const one = await tab();
  await one.client.publish("lobby", "queued");
  const old = one.outbox.current.record.client_id;
  await one.welcome({ seq: 8 }); // seq 8 was decided, but this browser never stored it
  mock.timers.tick(1_000);
  await idle();
  await one.client.publish("lobby", "new");
  await one.welcome();
  const hello = one.frames("hello")[0];
  assert.notEqual(hello[3], old);
  assert.deepEqual(
    one.frames("publish").map(([, seq, , , , [, , , body], id]) => [seq, body, id]),
    [[1, "queued", old]],
  );
  await one.receive(["refused", 1, "seq_conflict", "used for another publish"]);
  assert.deepEqual(
    one
      .frames("publish")
      .slice(1)
      .map(([, seq, , , , [, , , body], id]) => [seq, body, id]),
    [
      [1, "new", null],
      [2, "queued", null],
    ],
    "never appended under the old id: it goes out under the new one",
  );
});

for (const [what, page, outcome] of [
  [
    "finds it",
    (nonce) => [EPOCH, 1, [event(1, "x"), event(2, "queued", { client: TAG, seq: 1, nonce })], 2, 1, null, null],
    "acked",
  ],
  ["does not have it", () => [EPOCH, 1, [event(1, "x"), event(2, "y")], 2, 1, null, null], "again"],
  [
    "has a gap",
    () => [null, 0, [], 9, 9, [1, 8, "trimmed", [EPOCH, 8, CHAIN(8)], 8], [EPOCH, 8, CHAIN(8)]],
    "unconfirmed",
  ],
]) {
  test(`the log decides about a forgotten seq: it ${what}`, async () => {
    const one = await tab();
    await one.welcome();
    await one.client.publish("lobby", "queued");
    const [, , nonce] = one.frames("publish")[0];
    await one.receive(["refused", 1, "seq_forgotten", "below the floor"]);
    mock.timers.tick(1_000);
    await idle();
    await one.welcome();
    await one.receive(["refused", 1, "seq_forgotten", "below the floor"]);
    const [, id, room, range] = one.frames("history")[0];
    assert.deepEqual([room, range], ["lobby", ["after", [null, 0, CHAIN(0)]]]);
    await one.receive(["page", id, "lobby", ...page(nonce)]);
    const more = one.frames("history")[1]; // behind a gap the search goes on
    if (more) await one.receive(["page", more[1], "lobby", EPOCH, 9, [event(9, "x")], 9, 9, null, null]);
    const publishes = one.frames("publish").slice(1);
    assert.equal(publishes.length, outcome === "again" ? 1 : 0);
    assert.equal(one.heard("acked").length, outcome === "acked" ? 1 : 0);
    assert.equal(one.heard("entry").at(-1)[0].state, outcome === "unconfirmed" ? "unconfirmed" : "sending");
  });
}

test("a clone finds its own events in the log although it never got to work under that id", async () => {
  const one = await tab();
  await one.client.publish("lobby", "queued");
  const [{ nonce }] = await one.outbox.entries();
  await one.welcome({ seq: 8 });
  mock.timers.tick(1_000);
  await idle();
  await one.welcome();
  await one.receive(["refused", 1, "seq_forgotten", "below the floor"]);
  const [, id] = one.frames("history")[0];
  const own = event(1, "queued", { client: TAG, seq: 1, nonce });
  await one.receive(["page", id, "lobby", EPOCH, 1, [own], 1, 1, null, null]);
  assert.deepEqual([one.frames("publish").length, one.heard("acked").length], [1, 1]);
});

test("replaced: goes on under another id; stop: does not come back; a slot: comes back in it", async () => {
  const one = await tab();
  await one.welcome();
  const old = one.frames("hello")[0][3];
  await one.receive(["goodbye", "replaced", "another session", null]);
  mock.timers.tick(1_000);
  await idle();
  await one.welcome();
  assert.notEqual(one.frames("hello")[0][3], old);
  await one.receive(["goodbye", "shutdown", "restarting", 7_000]);
  mock.timers.tick(6_999);
  assert.equal(one.sessions.length, 2);
  mock.timers.tick(1);
  assert.equal(one.sessions.length, 3);
  await one.welcome();
  await one.receive(["goodbye", "banned", "no", null]);
  mock.timers.tick(600_000);
  assert.equal(one.sessions.length, 3);
  assert.equal(one.heard("state").at(-1)[0], "stopped");
});

test("each tab of a browser has its own id; what a closed tab left is settled by the next to connect", async () => {
  const [storage, locks] = [memoryStorage(), locksOfOneBrowser()];
  const one = await tab({ storage, locks });
  const two = await tab({ storage, locks });
  const [first, second] = [one, two].map(({ outbox }) => outbox.current.record.client_id);
  assert.notEqual(first, second);
  await two.client.publish("lobby", "left");
  await one.welcome();
  assert.deepEqual(one.seqs(), [], "a live tab's entries are its own");
  await two.client.close();
  await one.lose();
  await one.welcome();
  assert.deepEqual(
    one.frames("publish").map(([, , , , , [, , , body], id]) => [body, id]),
    [["left", second]],
  );
  await one.receive(ack(1));
  const three = await tab({ storage, locks });
  assert.equal(three.outbox.current.record.client_id, second, "a free id is used again");
});

test("a server that was set back is told to the person", async () => {
  const one = await tab();
  await one.welcome();
  await one.client.publish("lobby", "a");
  await one.receive(ack(1));
  await one.lose();
  await one.welcome({ seq: 0 });
  assert.equal(one.heard("notice").length, 1);
});

test("a room that may not be read any more is left, with what came before it", async () => {
  const self = await tab();
  await self.welcome({ head: 1 });
  await self.receive(events(2, "before"), ["ended", "lobby", "not_a_member", "no member"]);
  assert.equal(self.heard("events").length, 1);
  assert.match(self.heard("notice")[0][0], /no member \(not_a_member\)/);
  await self.lose();
  self.socket.onopen();
  assert.deepEqual(self.frames("hello").at(-1).at(-1), [], "it is not resumed");
});

test("codes have the classes of docs/protocol.md; an unknown one is worth another try", async () => {
  const page = await readFile(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const table = [...page.matchAll(/^\| `(\w+)` \| (final|retry|renew|stop) \|/gm)];
  assert.ok(table.length > 20);
  for (const [, code, name] of table) assert.equal(classOf(code), name, code);
  assert.equal(classOf("of_tomorrow"), "retry");
});

test("back-off is full jitter over 1 s, doubling to 30 s", () => {
  assert.deepEqual(
    [0, 1, 4, 5, 50].map((n) => backoff(n, () => 1)),
    [1_000, 2_000, 16_000, 30_000, 30_000],
  );
  assert.equal(
    backoff(50, () => 0),
    0,
  );
});
