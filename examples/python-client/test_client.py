"""Kills the server while client.py publishes through it, and checks that the room has every line once and in order."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LINES = [f"line {number}" for number in range(1, 401)]
KILL_AT = {50, 200}  # lines printed when the server is killed
WITHIN = 60  # seconds; a deadline for what takes a few


def server_binary():
    """The server to test: ANCHOR_SERVER, or the workspace's own, built first."""
    if binary := os.environ.get("ANCHOR_SERVER"):
        return binary
    subprocess.run(["cargo", "build", "--quiet", "-p", "anchor-server"], cwd=ROOT, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "anchor-server"


class Server:
    """A server over one directory and one port, which can be killed and started again."""

    def __init__(self, directory):
        self.directory, self.address = directory, "127.0.0.1:0"
        self.start()

    def start(self):
        command = [server_binary(), "--listen", self.address, "--data", f"{self.directory}/data", "--admin", "root"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip().rpartition("http://")[2]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def client(server, user, count, room="lobby", stderr=subprocess.DEVNULL):
    options = ["--server", f"ws://{server.address}", "--user", user, "--count", str(count), "--room", room]
    command = [sys.executable, HERE / "client.py", *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": stderr}
    process = subprocess.Popen(command, text=True, bufsize=1, **pipes)
    deadline = threading.Timer(WITHIN, process.kill)
    deadline.daemon = True
    deadline.start()
    return process


class KillTheServer(unittest.TestCase):
    def test_every_line_once_and_in_order(self):
        server = self.server()
        writer = client(server, "writer", len(LINES))
        threading.Thread(target=self.write, args=[writer], daemon=True).start()
        printed = []
        for line in writer.stdout:
            printed.append(line.rstrip("\n"))
            if len(printed) in KILL_AT:
                server.kill()
                server.start()
        expected = [f"{offset}\twriter\t{line}" for offset, line in enumerate(LINES, start=1)]
        self.assertEqual(printed, expected)
        reader = client(server, "reader", len(LINES))
        self.assertEqual(reader.communicate()[0].splitlines(), expected, "a reader that comes later sees the same")

    def test_what_an_admin_announces_is_told_beside_the_room(self):
        server = self.server()
        listener = client(server, "listener", 2, stderr=subprocess.PIPE)
        self.addCleanup(lambda: listener.communicate())
        self.addCleanup(listener.kill)
        listener.stdin.write("begun\n")
        self.assertIn("on disk: 1", listener.stderr.readline())  # subscribed before that
        client(server, "root", 1, room="@announcements").communicate("back at noon\n")
        self.assertEqual(listener.stderr.readline(), "root to everybody: back at noon\n")

    def server(self):
        """A server over a directory that goes once the server has ended."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        server = Server(directory.name)
        self.addCleanup(server.kill)
        return server

    def write(self, writer):
        """Writes one line after the other, the next once the last was taken; the client holds what is on its way."""
        for line in LINES:
            writer.stdin.write(line + "\n")


if __name__ == "__main__":
    unittest.main()
