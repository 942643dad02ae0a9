/**
 * The chat page's module: a complete client of `docs/protocol.md` in `anchor.v1.json`, in four parts, top-down.
 *
 * - **Wire**: frames and positions as JSON arrays, and what each code asks of a client.
 * - **Storage** and **Outbox**: what this person sends is on disk, under a seq of its own, before it is sent.
 * - **Client**: one connection after another: hello, resume, publish in order, settle what an older id left, back off.
 * - **View**: the only part that touches the document.
 *
 * Invariants: nothing is sent before it is stored; nothing that may have been appended gets a new seq unless the server
 * says that it was not; an event is shown once, in the order of its room's log; what others wrote enters the document as
 * text only. It is one long file because the server serves one, without a build.
 */

// ---- Wire ----------------------------------------------------------------------------------------------------------

const SUBPROTOCOL = "anchor.v1.json";
const MESSAGE = 1; // the kind of event that somebody said
const START = { epoch: null, offset: 0, chain: "0000000000000000" };

const fromPosition = ([epoch, offset, chain]) => ({ epoch, offset, chain });
const toPosition = ({ epoch, offset, chain }) => [epoch, offset, chain]; // of an event too: the place right after it

// Ranges of a room's log.
const NEWEST = ["newest"];
const before = (position) => ["before", toPosition(position)];
const after = (position) => ["after", toPosition(position)];

function fromEvent([offset, ordinal, chain, ts, user, client, seq, nonce, kind, target, type, body], epoch) {
  return { epoch, offset, ordinal, chain, ts, user, client, seq, nonce, kind, target, type, body };
}

function fromGap([from, to, reason, position, ordinal]) {
  return { from, to, reason, position: position && fromPosition(position), ordinal };
}

// What the protocol's table of codes says that a client does next. Every other code, known or not, is one to retry.
const CLASSES = {
  final: [
    ...["seq_conflict", "seq_forgotten", "seq_skipped", "denied", "room_unknown", "room_exists", "room_archived"],
    ...["room_banned", "not_a_member", "muted", "target_unknown", "name_unknown", "unchanged", "full", "moderated"],
    ...["kind_unsupported", "body_too_large", "unsupported", "invalid", "not_subscribed", "already_subscribed", "too_many_rooms"],
  ],
  renew: ["replaced", "auth"],
  stop: ["malformed", "too_large", "out_of_order", "version", "banned"],
};

/** `final`, `renew`, `stop` or `retry`. */
export function classOf(code) {
  return Object.keys(CLASSES).find((name) => CLASSES[name].includes(code)) ?? "retry";
}

// Refusals that say something about the seq, not about what was published under it.
const NEVER_APPENDED = new Set(["seq_conflict", "seq_skipped"]);
const SIGNS_OF_A_CLONE = new Set(["seq_conflict", "seq_forgotten"]);

/** Random bytes as lower-case hex. */
function randomHex(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Milliseconds before attempt `n` (from 0) to connect: full jitter over 1 s, doubling to 30 s. */
export function backoff(n, random = Math.random) {
  return random() * Math.min(30_000, 1_000 * 2 ** n);
}

/** UTF-8 bytes of a text; what the server's limits count. */
export const byteLength = (text) => new TextEncoder().encode(text).length;

// ---- Storage -------------------------------------------------------------------------------------------------------

const TABLES = { clients: "client_id", outbox: ["client_id", "seq"] };

const promised = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Opens the durable storage. A `step` is one transaction over both tables, and on disk once its promise resolves. */
export async function openStorage(factory = indexedDB, name = "anchor") {
  const opening = factory.open(name, 1);
  opening.onupgradeneeded = () => {
    for (const [table, keyPath] of Object.entries(TABLES)) opening.result.createObjectStore(table, { keyPath });
  };
  const database = await promised(opening);
  database.onversionchange = () => database.close();
  return {
    async step(work) {
      const transaction = database.transaction(Object.keys(TABLES), "readwrite", { durability: "strict" });
      const committed = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error ?? new Error("the browser gave the transaction up"));
      });
      const table = (name) => ({
        get: (key) => promised(transaction.objectStore(name).get(key)),
        all: () => promised(transaction.objectStore(name).getAll()),
        put: (value) => promised(transaction.objectStore(name).put(value)),
        delete: (key) => promised(transaction.objectStore(name).delete(key)),
      });
      const result = await work({ clients: table("clients"), outbox: table("outbox") });
      await committed;
      return result;
    },
  };
}

/** Storage that ends with the page, where the browser has no other: what was not sent then is lost with the tab. */
export function memoryStorage() {
  const table = (keyPath) => {
    const rows = new Map();
    const keyOf = (value) => JSON.stringify([keyPath].flat().map((field) => value[field]));
    return {
      get: async (key) => structuredClone(rows.get(JSON.stringify([key].flat()))),
      all: async () => structuredClone([...rows.values()]),
      put: async (value) => void rows.set(keyOf(value), structuredClone(value)),
      delete: async (key) => void rows.delete(JSON.stringify([key].flat())),
    };
  };
  const tables = { clients: table(TABLES.clients), outbox: table(TABLES.outbox) };
  let last = Promise.resolve();
  return { step: (work) => (last = last.catch(() => {}).then(() => work(tables))) };
}

// ---- Outbox --------------------------------------------------------------------------------------------------------

/**
 * One `client_id`: its record as stored, and its entries that are still to be decided, in rising seq.
 *
 * A record is `{client_id, user, next_seq, acked, tag, retired}`: `acked` the highest seq that was acknowledged, `tag`
 * the name under which events show the client, `retired` once nothing new goes out under it.
 */
class Line {
  entries = [];
  sent = 0; // the highest seq sent in this session

  constructor(record, release) {
    this.record = record;
    this.release = release;
  }

  /** The lowest seq that is stored and undecided; with none, the next one to be used. */
  get waits() {
    return this.entries[0]?.seq ?? this.record.next_seq;
  }

  remove({ seq }) {
    this.entries = this.entries.filter((entry) => entry.seq !== seq);
  }
}

/**
 * Everything that one person has sent from this browser and that is not settled, kept in storage.
 *
 * An entry is `{client_id, seq, nonce, user, room, body, bytes, after, state, reason}`: `after` the newest position of
 * its room that was known when it was queued; `state` is `sending` until decided, then gone, or `refused` or
 * `unconfirmed` until the person decides.
 *
 * Each open tab holds a `client_id` of its own under a Web Lock, so that a duplicated tab takes another one. What a
 * closed tab left behind is taken over by the next tab that connects, and settled under the id it was queued with.
 */
export class Outbox {
  /** The ids to settle before anything of the current one is sent, and then the current one. */
  #lines = [];
  #storage;
  #locks;

  constructor(user, storage, locks) {
    this.user = user;
    this.#storage = storage;
    this.#locks = locks;
  }

  /** Opens the outbox of `user` under an id that no other tab holds. Without locks, under a new one each time. */
  static async open(user, storage, locks = globalThis.navigator?.locks) {
    const outbox = new Outbox(user, storage, locks);
    const clients = locks ? await storage.step(({ clients }) => clients.all()) : [];
    for (const { client_id } of clients.filter((record) => record.user === user && !record.retired)) {
      const line = await outbox.#claim(client_id);
      if (line?.record.retired === false) outbox.#lines.push(line);
      else line?.release();
      if (outbox.current) return outbox;
    }
    await outbox.retire();
    return outbox;
  }

  /** The line whose id new entries get. */
  get current() {
    return this.#lines.at(-1);
  }

  /** The first line of which something was not sent in this session. */
  get sending() {
    return this.#lines.find((line) => line.entries.some(({ seq }) => seq > line.sent)) ?? this.current;
  }

  /** A new session has been sent nothing yet. */
  startSession() {
    for (const line of this.#lines) line.sent = 0;
  }

  /** Goes on under a new id. What is queued under the old one stays there until it is settled. */
  async retire() {
    const record = { client_id: randomHex(16), user: this.user, next_seq: 1, acked: 0, tag: null, retired: false };
    const release = await this.#lock(record.client_id);
    await this.#storage.step(async ({ clients }) => {
      const old = this.current && (await clients.get(this.current.record.client_id));
      if (old) await clients.put({ ...old, retired: true });
      await clients.put(record);
    });
    if (this.current) this.current.record.retired = true;
    this.#lines.push(new Line(record, release));
  }

  /** Takes over what tabs that are gone left to be sent. */
  async adopt() {
    const entries = await this.#storage.step(({ outbox }) => outbox.all());
    const left = entries.filter((entry) => entry.user === this.user && entry.state === "sending");
    const mine = new Set(this.#lines.map((line) => line.record.client_id));
    for (const client_id of new Set(left.map((entry) => entry.client_id))) {
      const line = mine.has(client_id) ? null : await this.#claim(client_id);
      if (line) this.#lines.unshift(line);
    }
  }

  /** Every stored entry of this person that is in this tab's hands or waits for a decision of theirs. */
  async entries() {
    const stored = await this.#storage.step(({ outbox }) => outbox.all());
    const parked = stored.filter((entry) => entry.user === this.user && entry.state !== "sending");
    return [...this.#lines.flatMap((line) => line.entries), ...parked];
  }

  /** Stores a message under the next seq. Once this resolves it may be sent, and outlives the page. */
  async queue(room, body, after) {
    const line = this.current;
    const entry = await this.#storage.step((tables) => this.#append(tables, line, { room, body, after }));
    this.#queued(line, entry);
    return entry;
  }

  /** Gives an entry that was certainly never appended, or that the person wants sent again, a new seq. */
  async requeue(entry) {
    const line = this.current;
    const fresh = await this.#storage.step(async (tables) => {
      if (!(await tables.outbox.get([entry.client_id, entry.seq]))) return null; // another tab was faster
      await tables.outbox.delete([entry.client_id, entry.seq]);
      return this.#append(tables, line, entry);
    });
    if (fresh) this.#queued(line, fresh);
    await this.#forget(entry);
    return fresh;
  }

  /** The entry is in the log, or the person gave it up. */
  async settle(entry, { acked }) {
    await this.#storage.step(async ({ clients, outbox }) => {
      await outbox.delete([entry.client_id, entry.seq]);
      const record = acked && (await clients.get(entry.client_id));
      if (record && record.acked < entry.seq) await clients.put({ ...record, acked: entry.seq });
    });
    const line = this.#lines.find(({ record }) => record.client_id === entry.client_id);
    if (line && acked) line.record.acked = Math.max(line.record.acked, entry.seq);
    await this.#forget(entry);
  }

  /** The entry waits for the person: `refused` or `unconfirmed`. */
  async park(entry, state, reason) {
    const parked = { ...entry, state, reason };
    await this.#storage.step(({ outbox }) => outbox.put(parked));
    await this.#forget(entry);
    return parked;
  }

  /** Keeps what `welcome` told about the current id. */
  async note(changes) {
    const { record } = this.current;
    Object.assign(record, changes);
    await this.#storage.step(async ({ clients }) => {
      await clients.put({ ...(await clients.get(record.client_id)), ...changes });
    });
  }

  /** Lets other tabs have the ids, at the latest when this resolves. */
  async close() {
    await Promise.all(this.#lines.splice(0).map((line) => line.release()));
  }

  async #append({ clients, outbox }, line, { room, body, after }) {
    const { client_id } = line.record;
    const record = await clients.get(client_id);
    const [nonce] = crypto.getRandomValues(new Uint32Array(1));
    const content = { user: this.user, room, body, bytes: byteLength(body), after };
    const entry = { client_id, seq: record.next_seq, nonce, ...content, state: "sending", reason: null };
    await clients.put({ ...record, next_seq: entry.seq + 1 });
    await outbox.put(entry);
    return entry;
  }

  #queued(line, entry) {
    line.record.next_seq = entry.seq + 1;
    line.entries.push(entry);
  }

  /** Takes a decided entry out of its line, and an older line that is empty out of the way. */
  async #forget(entry) {
    const line = this.#lines.find(({ record }) => record.client_id === entry.client_id);
    line?.remove(entry);
    if (!line || line === this.current || line.entries.length > 0) return;
    this.#lines = this.#lines.filter((other) => other !== line);
    if (line.record.retired) await this.#storage.step(({ clients }) => clients.delete(line.record.client_id));
    line.release();
  }

  /** The line of a stored id, if no other tab holds it. */
  async #claim(client_id) {
    const release = await this.#lock(client_id);
    if (!release) return null;
    const read = async ({ clients, outbox }) => [await clients.get(client_id), await outbox.all()];
    const [record, entries] = await this.#storage.step(read);
    if (!record) return release(), null;
    const line = new Line(record, release);
    const own = (entry) => entry.client_id === client_id && entry.state === "sending";
    line.entries = entries.filter(own).sort((a, b) => a.seq - b.seq);
    return line;
  }

  /** Holds an id against other tabs until the returned function is called; `null` if another tab has it. */
  #lock(client_id) {
    if (!this.#locks) return () => {};
    return new Promise((resolve, reject) => {
      const held = (lock) => {
        if (!lock) return resolve(null);
        return new Promise((free) => resolve(() => (free(), released)));
      };
      const released = this.#locks.request(`anchor ${client_id}`, { ifAvailable: true }, held);
      released.catch(reject);
    });
  }
}

// ---- Client --------------------------------------------------------------------------------------------------------

const OPEN_WITHIN = 10_000; // milliseconds until a connection is open, as the protocol says
const WELCOME_WITHIN = 60_000; // milliseconds from there to `welcome`, likewise: three heartbeats
const HEARTBEATS_MISSED_MAX = 3; // as the server counts them
const PAGE_EVENTS = 200; // of a page when the log is asked for an entry's outcome; the largest that servers give

/**
 * Keeps one session after another alive, and everything in the outbox and in the rooms going through them.
 *
 * ```text
 * connecting ─ hello ─► connected ─ closed, silent, goodbye ─► waiting ─ slot or back-off ─► connecting
 *     └────────── codes of class stop ──────────┴────────────► stopped     (renew: first a new client_id)
 * ```
 *
 * `view` is told of what happens: `state`, `started`, `events`, `gap`, `beat`, `entry`, `acked`, `gone`, `notice`.
 * `dial` opens a socket.
 */
export class Client {
  #outbox;
  #view;
  #dial;
  #rooms = new Map(); // name -> {name, from, position, live}; `live` between an answer that starts events and the end
  #newest = new Map(); // name -> newest position known
  #session = null;
  #failures = 0; // attempts since the last welcome
  #timer = null; // set while waiting
  #requests = 0;
  #closed = false;

  constructor(outbox, view, dial) {
    this.#outbox = outbox;
    this.#view = view;
    this.#dial = dial;
  }

  /** Connects, and goes on doing so until `close` or a code that forbids it. */
  async start() {
    for (const entry of await this.#outbox.entries()) this.#view.entry(entry);
    this.#connect();
  }

  /** Ends the session. What is not settled stays in storage. */
  async close() {
    this.#closed = true;
    this.#drop();
    clearTimeout(this.#timer);
    await this.#outbox.close();
  }

  /** The network may be back: tries at once if only a back-off was being waited for. */
  nudge() {
    if (this.#timer !== null && this.#failures > 0) this.#connect();
  }

  /** Follows a room `from` somewhere on, as `subscribe` has it. */
  follow(name, from) {
    const room = { name, from, position: null, live: false };
    this.#rooms.set(name, room);
    if (this.#session?.limits) this.#subscribe(room);
  }

  leave(name) {
    if (this.#rooms.delete(name) && this.#session?.limits) this.#request("unsubscribe", [name], () => {});
  }

  /** Stores a message and sends it as soon as that can be. */
  async publish(room, body) {
    const entry = await this.#outbox.queue(room, body, this.#newest.get(room) ?? START);
    this.#view.entry(entry);
    this.#pump();
  }

  /** Sends again what was refused or is unconfirmed, as a new message. */
  async again(entry) {
    const fresh = await this.#outbox.requeue(entry);
    this.#view.gone(entry);
    if (fresh) this.#view.entry(fresh);
    this.#pump();
  }

  async discard(entry) {
    await this.#outbox.settle(entry, { acked: false });
    this.#view.gone(entry);
  }

  /** A page of a room's log: `{events, gap, head, horizon, next}`. Rejects with `{code, message}`. */
  history(name, range, limit) {
    return new Promise((resolve, reject) => {
      if (!this.#session?.limits) return reject({ code: "closed", message: "not connected" });
      this.#request("history", [name, range, limit], (failure, fields) => {
        if (failure) return reject(failure);
        const [, , epoch, , events, head, horizon, gap, next] = fields;
        const page = { gap: gap ? fromGap(gap) : null, head, horizon, next: next ? fromPosition(next) : null };
        resolve({ events: events.map((event) => fromEvent(event, epoch)), ...page });
      });
    });
  }

  // -- the connection

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#view.state("connecting", "Connecting…");
    const socket = this.#dial(SUBPROTOCOL);
    const now = performance.now();
    const life = { heard: now, spoke: now, patience: OPEN_WITHIN, heartbeat: null };
    const sending = { line: null, inFlight: new Map(), lookups: Promise.resolve() };
    const session = { socket, ...life, limits: null, requests: new Map(), ...sending }; // `limits` from welcome on
    this.#session = session;
    const current = (handle) => (event) => this.#session === session && handle(event);
    socket.onopen = current(() => this.#hello());
    socket.onmessage = current(({ data }) => this.#received(data));
    socket.onclose = current(() => this.#lost());
    session.ticker = setInterval(current(() => this.#tick()), 1_000);
  }

  #hello() {
    Object.assign(this.#session, { heard: performance.now(), patience: WELCOME_WITHIN });
    const { record, waits } = this.#outbox.current;
    const rooms = [...this.#rooms.values()].filter((room) => room.position);
    for (const room of rooms) room.live = true;
    const resume = rooms.map(({ name, position }) => [name, toPosition(position)]);
    this.#send("hello", null, this.#outbox.user, record.client_id, waits, [], resume);
  }

  #received(data) {
    this.#session.heard = performance.now();
    let type, fields;
    try {
      [type, ...fields] = JSON.parse(data);
    } catch {
      return this.#lost(); // no frame: a defect of the server
    }
    const handler = {
      welcome: () => this.#welcome(fields),
      ack: () => this.#acked(fields),
      refused: () => this.#refused(fields),
      events: () => this.#events(fields),
      gap: () => this.#gap(fields),
      ended: () => this.#ended(fields),
      beat: () => this.#beat(fields),
      goodbye: () => this.#goodbye(fields),
      error: () => this.#error(fields),
      subscribed: () => this.#answered(fields),
      unsubscribed: () => this.#answered(fields),
      page: () => this.#answered(fields),
    }[type];
    handler?.(); // a type that this version does not know is skipped
    if (this.#session) this.#tick(); // the timers of a hidden page are late, its messages are not
  }

  async #welcome([, , tag, seq, heartbeat, limits]) {
    const session = this.#session;
    const [bodyBytes, , , , window, inFlightBytes] = limits;
    const { acked, next_seq } = this.#outbox.current.record;
    await this.#outbox.note({ tag, acked: Math.min(acked, seq) }); // the tag first: the log is searched for it
    if (this.#session !== session) return;
    if (seq >= next_seq) return this.#renew(); // decided, but never stored here: somebody else uses this id
    await this.#outbox.adopt();
    const entries = await this.#outbox.entries();
    if (this.#session !== session) return;
    for (const entry of entries) this.#view.entry(entry);
    const missing = acked - seq;
    if (missing > 0) {
      this.#view.notice(`The server was set back to an earlier day. Of your latest messages, up to ${missing} are gone.`);
    }
    this.#outbox.startSession();
    session.limits = { bodyBytes, window, inFlightBytes };
    session.heartbeat = heartbeat;
    session.patience = HEARTBEATS_MISSED_MAX * heartbeat;
    this.#failures = 0;
    this.#view.state("connected", "Connected.", session.limits);
    for (const room of this.#rooms.values()) if (!room.live) this.#subscribe(room);
    this.#pump();
  }

  #send(...frame) {
    this.#session.spoke = performance.now();
    this.#session.socket.send(JSON.stringify(frame));
  }

  #request(type, fields, answer) {
    const id = ++this.#requests;
    this.#session.requests.set(id, answer);
    this.#send(type, id, ...fields);
  }

  #answered(fields) {
    const answer = this.#session.requests.get(fields[0]);
    this.#session.requests.delete(fields[0]);
    answer?.(null, fields);
  }

  #error([id, code, message, retryAfter]) {
    const answer = this.#session.requests.get(id);
    this.#session.requests.delete(id);
    if (answer) answer({ code, message, retryAfter });
    else console.warn(`anchor: ${code}: ${message}`);
  }

  #tick() {
    const { heard, spoke, heartbeat, patience } = this.#session;
    const now = performance.now();
    if (now - heard > patience) return this.#lost();
    if (heartbeat && now - spoke >= heartbeat) this.#send("beat");
  }

  /** Leaves the session without a word; what it had not answered is asked again by the next. */
  #drop() {
    const session = this.#session;
    this.#session = null;
    if (!session) return;
    clearInterval(session.ticker);
    session.socket.close();
    for (const room of this.#rooms.values()) room.live = false;
    for (const answer of session.requests.values()) answer({ code: "closed", message: "the connection was lost" });
  }

  #lost() {
    this.#drop();
    this.#wait(backoff(this.#failures++), "Connection lost. Trying again…");
  }

  #wait(milliseconds, text) {
    if (this.#closed) return;
    this.#view.state("waiting", text);
    this.#timer = setTimeout(() => this.#connect(), milliseconds);
  }

  #goodbye([code, message, reconnectAfter]) {
    if (code === "replaced") return this.#renew();
    if (classOf(code) !== "retry") {
      this.#drop();
      return this.#view.state("stopped", `The server ended the connection: ${message} (${code}). Enter to try again.`);
    }
    if (reconnectAfter == null) return this.#lost();
    this.#drop();
    this.#wait(reconnectAfter, `The server said: ${message}. Back in ${Math.ceil(reconnectAfter / 1_000)} s.`);
  }

  /** Another copy of this browser's profile uses the same `client_id`: leaves it to that one. */
  async #renew() {
    this.#drop();
    this.#view.state("waiting", "Another copy of this page uses the same identity. Taking a new one…");
    await this.#outbox.retire();
    this.#lost();
  }

  // -- rooms

  #subscribe(room) {
    this.#request("subscribe", [room.name, room.from], (failure, fields) => {
      if (this.#rooms.get(room.name) !== room || failure?.code === "closed") return;
      if (failure && classOf(failure.code) !== "retry") {
        return this.#view.notice(`The room ${room.name} cannot be opened: ${failure.message} (${failure.code}).`);
      }
      if (failure) {
        const session = this.#session;
        return setTimeout(() => this.#session === session && this.#subscribe(room), failure.retryAfter ?? backoff(0));
      }
      const [, , position, head, horizon] = fields;
      room.position = fromPosition(position);
      room.live = true;
      this.#newest.set(room.name, room.position);
      this.#view.started(room.name, room.position, head, horizon);
    });
  }

  #events([name, epoch, , list]) {
    const room = this.#rooms.get(name);
    if (!room?.live) return; // left, or not yet answered: a stray of an earlier subscription
    const fresh = list.map((event) => fromEvent(event, epoch)).filter((event) => event.offset > room.position.offset);
    if (fresh.length === 0) return;
    if (fresh.some((event, i) => event.offset !== room.position.offset + 1 + i)) return this.#lost(); // resume instead
    this.#view.events(name, fresh);
    this.#moved(room, fresh.at(-1));
  }

  #gap([name, ...fields]) {
    const room = this.#rooms.get(name);
    if (!room?.live) return;
    const gap = fromGap(fields);
    this.#view.gap(name, gap);
    if (gap.position) this.#moved(room, gap.position);
    else this.#rooms.delete(name);
  }

  /** The user may not read the room any more; all that came before stays. */
  #ended([name, code, message]) {
    if (this.#rooms.delete(name)) this.#view.notice(`The room ${name} has ended for you: ${message} (${code}).`);
  }

  #moved(room, { epoch, offset, chain }) {
    room.position = { epoch, offset, chain };
    this.#newest.set(room.name, room.position);
  }

  #beat([at, lag]) {
    this.#view.beat(at, new Set(lag?.map(([name]) => name)));
  }

  // -- publishing

  /** Sends what may be sent: one line at a time, in rising seq, within the window and the bytes of the server. */
  #pump() {
    const session = this.#session;
    if (!session?.limits) return;
    if (session.inFlight.size === 0) session.line = this.#outbox.sending;
    const { line, inFlight, limits } = session;
    let bytes = [...inFlight.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    for (const entry of line.entries) {
      if (entry.seq <= line.sent) continue;
      bytes += entry.bytes;
      if (entry.seq >= line.waits + limits.window || (inFlight.size > 0 && bytes > limits.inFlightBytes)) break;
      const olderId = line === this.#outbox.current ? null : line.record.client_id;
      const event = [MESSAGE, null, null, entry.body];
      this.#send("publish", entry.seq, entry.nonce, line.waits, entry.room, event, olderId);
      inFlight.set(entry.seq, entry);
      line.sent = entry.seq;
    }
  }

  #take(seq) {
    const entry = this.#session.inFlight.get(seq);
    this.#session.inFlight.delete(seq);
    return entry;
  }

  async #acked([seq, room, epoch, offset, chain, , , , durability]) {
    const entry = this.#take(seq);
    if (!entry) return;
    if (offset > (this.#newest.get(room)?.offset ?? 0)) this.#newest.set(room, { epoch, offset, chain });
    this.#view.acked(entry, { offset, durability, passed: offset <= (this.#rooms.get(room)?.position?.offset ?? 0) });
    await this.#outbox.settle(entry, { acked: true });
    this.#pump();
  }

  async #refused([seq, code, message]) {
    const { line } = this.#session;
    const entry = this.#take(seq);
    if (!entry) return;
    if (line === this.#outbox.current && SIGNS_OF_A_CLONE.has(code)) return this.#renew(); // and settle it from there
    if (code === "seq_forgotten") this.#lookUp(line, entry);
    else if (NEVER_APPENDED.has(code)) await this.again(entry);
    else this.#view.entry(await this.#outbox.park(entry, "refused", `${message} (${code})`));
    this.#pump();
  }

  /** Lets the log decide about an entry whose outcome the server no longer knows; one after the other. */
  #lookUp(line, entry) {
    const session = this.#session;
    const later = (failure) => {
      const again = () => this.#session === session && this.#lookUp(line, entry);
      if (this.#session === session) setTimeout(again, failure.retryAfter ?? 1_000);
    };
    session.lookups = session.lookups.then(() => this.#search(line, entry)).catch(later);
  }

  async #search(line, entry) {
    const unconfirmed = async (reason) => this.#view.entry(await this.#outbox.park(entry, "unconfirmed", reason));
    let from = entry.after;
    let gapped = false;
    for (let head = null; ; ) {
      let page;
      try {
        page = await this.history(entry.room, after(from), PAGE_EVENTS);
      } catch (failure) {
        if (classOf(failure.code) === "retry") throw failure; // "closed" too
        await unconfirmed(failure.message);
        break;
      }
      head ??= page.head; // told after the server had forgotten the seq: the entry is below it, or nowhere
      const own = ({ client, seq, nonce }) => client === line.record.tag && seq === entry.seq && nonce === entry.nonce;
      const found = page.events.find(own);
      gapped ||= page.gap !== null;
      from = page.next;
      if (!found && from && from.offset < head) continue;
      if (found) await this.#found(entry, found);
      else if (gapped) await unconfirmed("a part of the room that may have held it is no longer there");
      else await this.again(entry);
      break;
    }
    this.#pump();
  }

  async #found(entry, { offset }) {
    this.#view.acked(entry, { offset, durability: "disk", passed: true });
    await this.#outbox.settle(entry, { acked: true });
  }
}

// ---- View ----------------------------------------------------------------------------------------------------------

const FIRST_MESSAGES = 50; // shown when a room is entered, and added by "Older messages"
const SHOWN_MAX = 2_000; // chosen: what a browser lays out without a pause; the oldest leave first

const ANNOUNCEMENTS = "@announcements"; // the room of what admins say to everybody

const DURABILITY = { memory: "in memory only", disk: "on disk", replicated: "on disk of several machines" };
const GAPS = {
  trimmed: "the server keeps only newer ones",
  restored: "the server was restored from a backup that does not have them",
  history: "this room's log was replaced by another one",
  deleted: "the room was deleted",
  hidden: "they are for those who were members then",
};

const keyOf = ({ seq, nonce }) => `${seq}/${nonce}`;

/** Shows one room, and what this person has under way. Everything that others wrote passes through `textContent`. */
class View {
  #document;
  #room = null;
  #shown = []; // {event, element} in rising offset
  #underWay = new Map(); // key -> {entry, element, mark, acked}
  #unmarked = new Map(); // key -> mark of an own event that was seen before its ack
  #bodyBytesMax = Infinity;

  constructor(document) {
    this.#document = document;
  }

  /** Lets the person act through `client`. */
  client = null;

  // -- what the client tells

  state(phase, text, limits) {
    const state = this.#id("state");
    state.textContent = text;
    state.classList.toggle("bad", phase === "stopped" || phase === "waiting");
    if (phase !== "connected") this.#id("fresh").textContent = "";
    if (limits) this.#bodyBytesMax = limits.bodyBytes;
    this.#document.documentElement.dataset.phase = phase;
  }

  started(room, position, head, horizon) {
    if (room === ANNOUNCEMENTS) remembered("announcements", JSON.stringify(position));
    if (room === this.#room) this.#id("older").hidden = position.offset < Math.max(horizon, 1);
  }

  events(room, events) {
    if (room === ANNOUNCEMENTS) this.#announced(events);
    if (room !== this.#room) return;
    this.#stickToEnd(() => {
      const added = events.map((event) => this.#item(event));
      this.#shown.push(...added);
      this.#id("log").append(...added.map(({ element }) => element));
      this.#trim();
    });
    this.#passed(events.at(-1).offset);
  }

  gap(room, { from, to, reason }) {
    if (room !== this.#room) return;
    const dropped = ["trimmed", "hidden"].includes(reason) ? () => false : ({ event }) => reason !== "restored" || event.offset >= from;
    for (const item of this.#shown.filter(dropped)) item.element.remove();
    this.#shown = this.#shown.filter((item) => !dropped(item));
    if (this.#shown.length === 0) this.#id("older").hidden = true; // all that there is follows
    this.notice(`Some messages are no longer available (${from}–${to}): ${GAPS[reason] ?? reason}.`);
    this.#passed(to);
  }

  beat(at, lagging) {
    const time = new Date(at).toLocaleTimeString();
    this.#id("fresh").textContent = lagging.has(this.#room) ? "Catching up…" : `Up to date at ${time}.`;
  }

  entry(entry) {
    const known = this.#underWay.get(keyOf(entry));
    if (known?.acked) return;
    const parts = known ?? { element: this.#make("li"), mark: this.#make("span", "mark") };
    const failed = entry.state !== "sending";
    const where = entry.room === this.#room ? "" : ` in ${entry.room}`;
    parts.entry = entry;
    const state = { sending: "sending", refused: `failed: ${entry.reason}`, unconfirmed: `unconfirmed: ${entry.reason}` };
    parts.mark.textContent = state[entry.state] + where;
    parts.element.classList.toggle("failed", failed);
    parts.element.replaceChildren(this.#who(entry.user), " ", parts.mark, this.#text(entry.body));
    if (failed) {
      const again = this.#button("Send again", () => this.client.again(entry));
      parts.element.append(again, " ", this.#button("Discard", () => this.client.discard(entry)));
    }
    this.#underWay.set(keyOf(entry), parts);
    if (!known) this.#stickToEnd(() => this.#id("outbox").append(parts.element), true);
  }

  acked(entry, { offset, durability, passed }) {
    const text = DURABILITY[durability] ?? DURABILITY.memory;
    const unmarked = this.#unmarked.get(keyOf(entry));
    if (unmarked) unmarked.textContent = text;
    this.#unmarked.delete(keyOf(entry));
    const parts = this.#underWay.get(keyOf(entry));
    if (!parts) return;
    if (passed || entry.room !== this.#room) return this.gone(entry);
    parts.acked = offset; // its event follows, and takes its place
    parts.mark.textContent = text;
  }

  gone(entry) {
    this.#underWay.get(keyOf(entry))?.element.remove();
    this.#underWay.delete(keyOf(entry));
  }

  notice(text) {
    const element = this.#make("li", "notice");
    element.textContent = text;
    this.#stickToEnd(() => this.#id("log").append(element));
  }

  #announced(events) {
    for (const { kind, user, body } of events) {
      if (kind === MESSAGE && typeof body === "string") this.notice(`${user} to everybody: ${body}`);
    }
    const { epoch, offset, chain } = events.at(-1);
    remembered("announcements", JSON.stringify({ epoch, offset, chain }));
  }

  // -- what the person does

  /** Empties the page for a room that is being entered. */
  clear(room) {
    this.#room = room;
    this.#shown = [];
    this.#unmarked.clear();
    this.#id("log").replaceChildren();
    this.#id("older").hidden = true;
    for (const { entry, acked } of [...this.#underWay.values()]) acked ? this.gone(entry) : this.entry(entry);
    for (const field of ["text", "send"]) this.#id(field).disabled = false;
  }

  /** Forgets what one person had under way, for another. */
  forget() {
    for (const { entry } of [...this.#underWay.values()]) this.gone(entry);
  }

  /** What is wrong with a text that is to be sent; empty if nothing is. */
  problemWith(text) {
    const [bytes, max] = [byteLength(text), this.#bodyBytesMax];
    return bytes > max ? `A message may have ${max} bytes; this one has ${bytes}.` : "";
  }

  problem(text) {
    this.#id("problem").textContent = text;
    this.#id("problem").hidden = text === "";
  }

  async older() {
    const [button, log, scroll] = [this.#id("older"), this.#id("log"), this.#id("scroll")];
    const room = this.#room;
    button.disabled = true;
    log.ariaBusy = "true"; // old messages are no news
    try {
      const first = this.#shown[0]?.event;
      const { events, gap, next } = await this.client.history(room, first ? before(first) : NEWEST, FIRST_MESSAGES);
      if (room !== this.#room || first !== this.#shown[0]?.event) return; // the room moved on meanwhile
      const added = events.map((event) => this.#item(event));
      const height = scroll.scrollHeight;
      this.#shown.unshift(...added);
      log.prepend(...added.map(({ element }) => element));
      scroll.scrollTop += scroll.scrollHeight - height;
      button.hidden = !next;
      if (gap) this.notice(`Some older messages are no longer available (${gap.from}–${gap.to}): ${GAPS[gap.reason]}.`);
    } catch (failure) {
      this.problem(`Older messages cannot be had now: ${failure.message}.`);
    } finally {
      button.disabled = false;
      log.ariaBusy = "false";
    }
  }

  // -- pieces

  #id(id) {
    return this.#document.getElementById(id);
  }

  #make(tag, className = "") {
    return Object.assign(this.#document.createElement(tag), { className });
  }

  #button(text, act) {
    const button = Object.assign(this.#make("button"), { type: "button", textContent: text });
    button.onclick = act;
    return button;
  }

  /** A name; isolated, so that its direction of writing cannot reorder what stands around it. */
  #who(user) {
    return Object.assign(this.#make("bdi", "who"), { textContent: user });
  }

  #text(body) {
    return Object.assign(this.#make("bdi", "text"), { textContent: body, dir: "auto" });
  }

  /** An event as a line of the log. One of a kind that this page does not know only keeps its place. */
  #item(event) {
    const element = this.#make("li");
    const time = Object.assign(this.#make("time"), { textContent: new Date(event.ts).toLocaleTimeString() });
    time.dateTime = new Date(event.ts).toISOString();
    const mark = this.#make("span", "mark");
    const opaque = event.body === null ? "(taken away)" : `(a body of type ${event.type})`;
    const text = typeof event.body === "string" ? event.body : opaque;
    element.append(this.#who(event.user), " ", time, " ", mark, this.#text(text));
    element.hidden = event.kind !== MESSAGE;
    const own = this.#underWay.get(keyOf(event));
    if (own?.entry.user === event.user) {
      if (own.acked) mark.textContent = own.mark.textContent;
      else this.#unmarked.set(keyOf(event), mark);
      this.gone(event);
    }
    return { event, element };
  }

  /** The room was followed up to `offset`: what was acknowledged up to there is in the log, or announced as gone. */
  #passed(offset) {
    for (const { entry, acked } of [...this.#underWay.values()]) {
      if (acked <= offset && entry.room === this.#room) this.gone(entry);
    }
  }

  #trim() {
    const surplus = this.#shown.splice(0, Math.max(0, this.#shown.length - SHOWN_MAX));
    for (const { element } of surplus) element.remove();
    if (surplus.length > 0) this.#id("older").hidden = false;
  }

  /** Changes the conversation; somebody who reads its end stays at the end. */
  #stickToEnd(change, always = false) {
    const scroll = this.#id("scroll");
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
    change();
    if (atEnd || always) scroll.scrollTop = scroll.scrollHeight;
  }
}

// ---- The page ------------------------------------------------------------------------------------------------------

/** Keeps a value for the next visit, or tells the one that was kept; a browser that forbids it remembers nothing. */
function remembered(key, value) {
  try {
    return value === undefined ? localStorage.getItem(`anchor ${key}`) : localStorage.setItem(`anchor ${key}`, value);
  } catch {
    return null;
  }
}

/** What the protocol forbids in a name, and would end the session for; empty if nothing. */
function problemWithName(name) {
  if (name === "" || byteLength(name) > 64) return "A name has 1 to 64 bytes.";
  const hidden = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
  return hidden.test(name) ? "A name has no invisible characters that control lines or the direction of writing." : "";
}

/** Joins view, outbox and client in `document`. The room stands in the address, the name is remembered. */
async function run(document) {
  const ids = ["enter", "name", "room", "compose", "text"];
  const [enter, name, room, compose, text] = ids.map((id) => document.getElementById(id));
  const view = new View(document);
  const storage = await openStorage().catch((failure) => {
    view.problem(`This browser stores nothing for this page (${failure.message}): close it only when all is sent.`);
    return memoryStorage();
  });
  const url = new URL("v1/ws", document.baseURI.replace(/^http/, "ws"));
  let here = { user: null, room: null };

  /** Follows the form: another room over the same connection, or another person over a new one. */
  async function go() {
    const next = { user: name.value.trim(), room: room.value };
    view.problem(problemWithName(next.user));
    if (problemWithName(next.user) !== "") return;
    const stays = next.user === here.user && document.documentElement.dataset.phase !== "stopped";
    const left = here;
    here = next;
    remembered("name", next.user);
    history.replaceState(null, "", `#${next.room}`);
    view.clear(next.room);
    if (stays) view.client.leave(left.room);
    else {
      await view.client?.close();
      view.forget();
      view.client = new Client(await Outbox.open(next.user, storage), view, (protocol) => new WebSocket(url, protocol));
    }
    view.client.follow(next.room, ["last", FIRST_MESSAGES]);
    if (!stays) {
      const heard = remembered("announcements");
      view.client.follow(ANNOUNCEMENTS, heard ? after(JSON.parse(heard)) : ["now"]);
      await view.client.start();
    }
    text.focus();
  }

  let going = Promise.resolve(); // one after the other, however fast somebody enters
  enter.onsubmit = (event) => {
    event.preventDefault();
    going = going.then(go, go);
  };
  compose.onsubmit = async (event) => {
    event.preventDefault();
    const body = text.value.trim().toWellFormed(); // half a surrogate pair is no text, and would end the session
    view.problem(view.problemWith(body));
    if (body === "" || view.problemWith(body) !== "") return;
    text.value = "";
    try {
      await view.client.publish(here.room, body);
    } catch (failure) {
      text.value = `${body}\n${text.value}`.trim();
      view.problem(`The message could not be stored, and was not sent: ${failure.message}.`);
    }
  };
  text.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    compose.requestSubmit();
  };
  document.getElementById("older").onclick = () => view.older();
  addEventListener("online", () => view.client?.nudge());
  addEventListener("unhandledrejection", ({ reason }) => view.problem(`This page failed: ${reason?.message ?? reason}.`));

  name.value = remembered("name") ?? "";
  if (location.hash.length > 1) room.value = decodeURIComponent(location.hash.slice(1));
  if (name.value !== "" && enter.checkValidity()) await go();
}

if (globalThis.document) run(document);
