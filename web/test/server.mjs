// The real server as a child process: one data directory and one port, through as many lives as a test wants.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** The server's binary: `ANCHOR_SERVER`, or the workspace's own, built first. */
function binary() {
  if (process.env.ANCHOR_SERVER) return process.env.ANCHOR_SERVER;
  execFileSync("cargo", ["build", "--quiet", "-p", "anchor-server"], { cwd: ROOT, stdio: "inherit" });
  return path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, "target"), "debug", "anchor-server");
}

export class Server {
  #binary;
  #data;
  #address = "127.0.0.1:0";
  #process;

  /** A server with an empty data directory, ready to be used. */
  static async start() {
    const server = new Server();
    server.#binary = binary();
    server.#data = await mkdtemp(path.join(tmpdir(), "anchor-page-"));
    await server.revive();
    return server;
  }

  get url() {
    return `http://${this.#address}/`;
  }

  /** `kill -9`. */
  async kill() {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }

  /** Starts it again: same port, same data. */
  async revive() {
    const options = ["--listen", this.#address, "--data", path.join(this.#data, "data"), "--admin", "root"];
    this.#process = spawn(this.#binary, options, { stdio: ["ignore", "pipe", "ignore"] });
    for await (const line of createInterface(this.#process.stdout)) {
      this.#address = line.match(/^anchor-server listening on http:\/\/(.*)$/)[1];
      return;
    }
    throw new Error("the server ended before it was ready");
  }

  /** Keeps a copy of the data of a server that was killed. */
  async keepCopy() {
    await cp(path.join(this.#data, "data"), path.join(this.#data, "copy"), { recursive: true });
  }

  /** Puts that copy in place of the data, as if nothing had happened since: a restore as it should not be done. */
  async putCopyBack() {
    await rm(path.join(this.#data, "data"), { recursive: true });
    await cp(path.join(this.#data, "copy"), path.join(this.#data, "data"), { recursive: true });
  }

  async end() {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill();
    await rm(this.#data, { recursive: true });
  }
}
