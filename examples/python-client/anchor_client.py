"""A small client of Anchor in Python, written from docs/protocol.md alone.

It publishes, and follows one room and what is announced to everybody: every message once and in order, going on where it
was when the server was killed and is back.

Its outbox is in memory, so it takes a new client_id at every start, and what it had not sent ends with it. To outlive a
crash of its own, a client stores client_id, seq and outbox on disk *before* it sends.
"""

import asyncio
import json
import random
import secrets

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

MESSAGE = 1  # the kind of event that somebody said
ANNOUNCEMENTS = "@announcements"  # what admins say to everybody
# Codes after which this client does not come back: the classes final and stop, and renew, for which it has nothing new.
ENDS = set(
    """seq_conflict seq_forgotten seq_skipped denied room_unknown room_exists room_archived room_banned not_a_member muted
    target_unknown unchanged full moderated kind_unsupported body_too_large unsupported invalid not_subscribed
    already_subscribed too_many_rooms replaced auth malformed too_large out_of_order version banned""".split()
)
HEARTBEATS_MISSED_MAX = 3  # as the server counts them
WELCOME_WITHIN = 60  # seconds after hello: three heartbeats
QUEUED_MAX = 256  # publishes that wait here; how many may be on their way comes with welcome


class Stopped(Exception):
    """The server does not want this client back."""


class Client:
    """Publishes, and follows a room and the announcements, through as many connections as it takes."""

    def __init__(self, server, user, room, on_event, on_gap):
        self.url, self.user, self.room = f"{server}/v1/ws", user, room
        self.begins = {ANNOUNCEMENTS: ["now"], room: ["start"]}  # room -> from where, as long as there is no position
        self.on_event, self.on_gap = on_event, on_gap
        self.client_id = secrets.token_hex(16)
        self.next_seq = 1
        self.outbox = {}  # seq -> (nonce, room, text, outcome), in rising seq, until decided
        self.positions = {}  # room -> that of the last event taken, from the answer to the subscription on
        self.work = asyncio.Event()  # there is something to send
        self.places = asyncio.Semaphore(QUEUED_MAX)

    async def publish(self, room, text):
        """Queues a message, and returns a future of its offset, which may come many connections later."""
        await self.places.acquire()
        outcome = asyncio.get_running_loop().create_future()
        self.outbox[self.next_seq] = (secrets.randbits(32), room, text, outcome)
        self.next_seq += 1
        self.work.set()
        return outcome

    async def run(self):
        """Keeps a session alive until the server ends it for good."""
        self.failures = 0
        while True:
            try:
                wait = await self.session()
            except (OSError, WebSocketException):  # a TimeoutError is an OSError
                wait = None
            if wait is None:  # no slot was given: full jitter over one second, doubling to thirty
                wait = random.uniform(0, min(30, 2**self.failures))
                self.failures += 1
            await asyncio.sleep(wait)

    async def session(self):
        """One connection, from hello to its end; returns the seconds after which the server expects the client back."""
        options = {"subprotocols": ["anchor.v1.json"], "compression": None, "ping_interval": None, "proxy": None}
        async with connect(self.url, **options) as socket:
            resume = list(self.positions.items())
            await send(socket, "hello", None, self.user, self.client_id, self.waits(), [], resume)
            silence, sender = WELCOME_WITHIN, None
            try:
                while True:
                    async with asyncio.timeout(silence):
                        received = await socket.recv()
                    match json.loads(received):
                        case ["welcome", _, _, _, _, heartbeat_ms, limits, *_]:
                            self.failures, silence = 0, HEARTBEATS_MISSED_MAX * heartbeat_ms / 1000
                            sender = asyncio.create_task(self.send_all(socket, heartbeat_ms / 1000, limits))
                        case ["goodbye", code, message, *_] if code in ENDS:
                            raise Stopped(f"{message} ({code})")
                        case ["goodbye", _, _, int(back_in_ms), *_]:
                            return back_in_ms / 1000
                        case ["goodbye", *_]:
                            return None
                        case frame:
                            self.take(frame)
            finally:
                if sender:
                    sender.cancel()
                    await asyncio.gather(sender, return_exceptions=True)  # a lost connection is known here already

    def waits(self):
        """The lowest seq that is not decided; with none, the next to be used."""
        return next(iter(self.outbox), self.next_seq)

    async def send_all(self, socket, heartbeat, limits):
        """Subscribes if there was nothing to resume; sends the outbox in order, within the window; beats when idle."""
        _, _, _, _, window, in_flight_bytes, *_ = limits
        for number, (room, begin) in enumerate(self.begins.items(), start=1):
            if room not in self.positions:
                await send(socket, "subscribe", number, room, begin)
        sent = 0
        while True:
            self.work.clear()
            waiting_bytes = 0
            for seq, (nonce, room, text, _) in list(self.outbox.items()):
                waiting_bytes += len(text.encode())
                if seq >= self.waits() + window or waiting_bytes > in_flight_bytes:
                    break
                if seq > sent:
                    await send(socket, "publish", seq, nonce, self.waits(), room, [MESSAGE, None, None, text])
                    sent = seq
            try:
                async with asyncio.timeout(heartbeat):
                    await self.work.wait()
            except TimeoutError:
                await send(socket, "beat")

    def take(self, frame):
        """Takes a frame that neither opens nor ends a session; one of an unknown type is passed over."""
        match frame:
            case ["subscribed", _, room, position, *_]:
                self.positions[room] = position
            case ["events", room, epoch, _, events]:
                for event in events:
                    offset, chain = event[0], event[2]
                    if offset > self.positions[room][1] + 1:
                        raise ConnectionError("a hole in the room's events")  # come back, and resume
                    if offset > self.positions[room][1]:  # below: frames are the same for all readers
                        self.positions[room] = [epoch, offset, chain]
                        self.on_event(room, event)
            case ["gap", _, _, _, "deleted", *_]:
                raise Stopped("the room was deleted")
            case ["ended", _, code, message, *_]:  # the user may not read the room any further
                raise Stopped(f"{message} ({code})")
            case ["gap", room, first, last, reason, position, *_]:
                self.positions[room] = position
                self.on_gap(room, first, last, reason)
            case ["ack", seq, _, _, offset, *_] if seq in self.outbox:
                self.decided(seq).set_result(offset)
            case ["refused", seq, code, message, *_] if seq in self.outbox:
                self.decided(seq).set_exception(ValueError(f"{message} ({code})"))
            case ["error", _, code, message, *_]:  # to subscribe, all that this client asks
                raise (Stopped if code in ENDS else ConnectionError)(f"{message} ({code})")

    def decided(self, seq):
        self.places.release()
        self.work.set()  # waits may have risen
        return self.outbox.pop(seq)[-1]


async def send(socket, *frame):
    await socket.send(json.dumps(frame))
