#!/usr/bin/env python3
"""Publishes every line of standard input into a room, and prints every message of the room, each once and in order.

The client itself is anchor_client.py; this is a program around it.
"""

import argparse
import asyncio
import sys
import threading

from anchor_client import MESSAGE, Client, Stopped


async def main(options):
    loop, shown, finished = asyncio.get_running_loop(), 0, asyncio.Event()

    def on_event(room, event):
        nonlocal shown
        offset, user, kind, text = event[0], event[4], event[8], "(redacted)" if event[11] is None else event[11]
        if kind == MESSAGE and room != options.room:
            print(f"{user} to everybody: {text}", file=sys.stderr)
        elif kind == MESSAGE and shown != options.count:
            print(offset, user, text, sep="\t", flush=True)
            shown += 1
            if shown == options.count:
                finished.set()

    def on_gap(room, first, last, reason):
        print(f"{first} to {last} of {room} are no longer available ({reason})", file=sys.stderr)

    def publish_input():
        for line in sys.stdin:
            queued = client.publish(options.room, line.rstrip("\n"))
            asyncio.run_coroutine_threadsafe(queued, loop).result().add_done_callback(tell)

    def tell(outcome):
        failure = outcome.exception()
        print(f"failed: {failure}" if failure else f"on disk: {outcome.result()}", file=sys.stderr)

    client = Client(options.server, options.user, options.room, on_event, on_gap)
    threading.Thread(target=publish_input, daemon=True).start()
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(finished.wait())]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    done.pop().result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Publishes standard input into a room, and prints the room.")
    parser.add_argument("--server", default="ws://127.0.0.1:3000", metavar="URL")
    parser.add_argument("--user", default="python")
    parser.add_argument("--room", default="lobby")
    parser.add_argument("--count", type=int, metavar="N", help="end after N printed messages")
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        pass
    except Stopped as reason:
        sys.exit(f"stopped: {reason}")
