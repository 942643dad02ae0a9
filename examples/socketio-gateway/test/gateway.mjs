// The real gateway as a child process: one data directory and one port, through as many lives as a test wants; and a wire
// to it that can be cut.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { io } from "socket.io-client";

const ROOT = path.resolve(import.meta.dirname, "../../..");

/** The gateway's binary: `ANCHOR_GATEWAY`, or the workspace's own, built first. */
function binary() {
  if (process.env.ANCHOR_GATEWAY) return process.env.ANCHOR_GATEWAY;
  execFileSync("cargo", ["build", "--quiet", "-p", "anchor-socketio-gateway"], { cwd: ROOT, stdio: "inherit" });
  return path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target"), "debug", "socketio-gateway");
}

export class Gateway {
  #binary;
  #data;
  #address = "127.0.0.1:0";
  #process;
  #sockets = [];

  /** A gateway with an empty data directory, ready to be used; it ends with the test. */
  static async start(test) {
    const gateway = new Gateway();
    gateway.#binary = binary();
    gateway.#data = await mkdtemp(path.join(tmpdir(), "anchor-gateway-"));
    await gateway.revive();
    test.after(() => gateway.end());
    return gateway;
  }

  get url() {
    return `http://${this.#address}`;
  }

  get port() {
    return Number(this.#address.split(":")[1]);
  }

  /** A client as an app makes it, but for the pauses between its attempts. */
  connect(options, url = this.url) {
    const socket = io(url, { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100, ...options });
    this.#sockets.push(socket);
    return socket;
  }

  /** `kill -9`. */
  async kill() {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }

  /** Starts it again: same port, same data. */
  async revive() {
    const options = ["--listen", this.#address, "--data", path.join(this.#data, "data")];
    this.#process = spawn(this.#binary, options, { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface(this.#process.stdout)) {
      this.#address = line.match(/^socketio-gateway listening on http:\/\/(.*)$/)[1];
      return;
    }
    throw new Error("the gateway ended before it was ready");
  }

  /** Dies and comes back. */
  async die() {
    await this.kill();
    await this.revive();
  }

  async end() {
    for (const socket of this.#sockets) socket.close();
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill();
    await rm(this.#data, { recursive: true });
  }
}

/** A wire to a port, on which the answers can be held back and which can be cut. */
export class Wire {
  #server;
  #ends = new Set();
  #held = false;

  static async to(port, test) {
    const wire = new Wire();
    wire.#server = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      for (const end of [client, server]) {
        wire.#ends.add(end);
        end.on("error", () => {});
        end.on("close", () => wire.cut([client, server]));
      }
      client.on("data", (bytes) => server.write(bytes));
      server.on("data", (bytes) => wire.#held || client.write(bytes));
    });
    wire.#server.listen(0, "127.0.0.1");
    await once(wire.#server, "listening");
    test.after(() => {
      wire.#server.close();
      wire.cut();
    });
    return wire;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** From now on nothing that is sent to clients arrives. */
  hold() {
    this.#held = true;
  }

  /** Cuts all connections; what comes anew is whole. */
  cut(ends = [...this.#ends]) {
    if (ends.length === this.#ends.size) this.#held = false;
    for (const end of ends) {
      this.#ends.delete(end);
      end.destroy();
    }
  }
}

/** The first true thing that `look` gives. */
export async function until(look, what, within = 20_000) {
  const late = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > late) throw new Error(`it did not come about within ${within} ms: ${what}`);
    await sleep(5);
  }
}

/** What the socket hears of an event: a list that grows. */
export function heard(socket, event) {
  const all = [];
  socket.on(event, (...said) => all.push(said));
  return all;
}
