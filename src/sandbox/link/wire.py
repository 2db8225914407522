# What Descant's two processes in the container have in common: the supervisor of the kernel, and the shell's agent.
#
# Frames to Descant:   u32 length, 16 bytes nonce, 1 byte type, body     (length counts all after itself)
# Frames from Descant: u32 length, 1 byte type, body
# The nonce is known to these two alone: model-written code could scribble on the pipe, but not forge a frame.
import fcntl
import json
import os
import struct
import time

CHUNK = 256 * 1024


def prctl(*arguments):
    """Without ctypes in the image nothing happens: the code could then look into this process, and with that cheat
    Descant about its own result, no more."""
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(*arguments, *[0] * (5 - len(arguments))) == 0
    except Exception:
        return False


# No process of the same user may trace this one, read its memory or open its descriptors (PR_SET_DUMPABLE).
prctl(4, 0)
filtered = deny_calls()


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def widen(pipe):
    """As far as one may: each fill costs a change of process, and on a busy machine a wait."""
    try:
        fcntl.fcntl(pipe, 1031, 1 << 20)  # F_SETPIPE_SZ
    except OSError:
        pass


def output_pipe():
    """A pipe for what the code prints; the reading end does not block."""
    read, write = os.pipe2(os.O_CLOEXEC)
    widen(read)
    os.set_blocking(read, False)
    return read, write


widen(1)


class Link:
    """The frames to Descant, and those from it as they come in pieces."""

    def __init__(self):
        self.nonce = b""
        self.buffer = bytearray()

    def send(self, kind, body):
        write_all(1, struct.pack(">I", 17 + len(body)) + self.nonce + kind)
        write_all(1, body)

    def send_json(self, kind, value):
        self.send(kind, json.dumps(value).encode())

    def receive(self):
        """The whole frames there are now, each its type and its body; `None` once Descant is gone."""
        data = os.read(0, 1 << 20)
        if not data:
            return None
        self.buffer += data
        frames, start = [], 0
        while len(self.buffer) - start >= 4:
            (length,) = struct.unpack_from(">I", self.buffer, start)
            if len(self.buffer) - start < 4 + length:
                break
            frame = bytes(self.buffer[start + 4 : start + 4 + length])
            frames.append((frame[:1], frame[1:]))
            start += 4 + length
        del self.buffer[:start]
        return frames


def oom_kills():
    """How often the kernel killed for memory in this container; both generations of control groups."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path) as lines:
                for line in lines:
                    name, _, count = line.partition(" ")
                    if name == "oom_kill":
                        return int(count)
        except (OSError, ValueError):
            continue
    return 0


VIEW = b"/workspace"
# Of an overlay: its upper layer, read-only. A copy has none.
UPPER = b"/run/descant/upper"
OVERLAY = os.path.isdir(UPPER)


class Room:
    """The bytes that one call may write below /workspace. Looked at a few times a second, and counted only while the file
    system fills."""

    def __init__(self, limit):
        self.limit = limit
        self.used = self.in_use()
        self.looked = time.monotonic()

    def in_use(self):
        try:
            of = os.statvfs(VIEW)
            return (of.f_blocks - of.f_bfree) * of.f_frsize
        except OSError:
            return 0

    def written(self):
        """Bytes that the view takes by itself; stops counting above the limit."""
        total, todo, device = 0, [UPPER if OVERLAY else VIEW], None
        while todo and total <= self.limit:
            folder = todo.pop()
            try:
                device = os.stat(folder).st_dev if device is None else device
                with os.scandir(folder) as found:
                    for entry in found:
                        try:
                            kept = entry.stat(follow_symlinks=False)
                        except OSError:
                            continue
                        total += kept.st_blocks * 512
                        if entry.is_dir(follow_symlinks=False) and kept.st_dev == device:
                            todo.append(entry.path)
            except OSError:
                pass
        return total

    def is_full(self):
        now = time.monotonic()
        if not self.limit or now - self.looked < 0.2:
            return False
        self.looked = now
        if self.in_use() - self.used < self.limit // 8:
            return False
        self.used = self.in_use()
        return self.written() > self.limit


def probe(path, limit):
    """What a file of the view holds, for Descant to compare: a NUL and the bytes, or the number of the error."""
    try:
        fd = os.open(os.path.join(os.fsdecode(VIEW), path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return b"\0" + os.read(fd, limit)
        finally:
            os.close(fd)
    except OSError as error:
        return bytes([min(error.errno, 255)])
