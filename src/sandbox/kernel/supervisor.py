# The container's main process: it alone speaks to Descant, and keeps the Python kernel (kernel.py) as its child.
#
# Model-written code runs in the child, so it can neither read this process's memory (not dumpable) nor hold its
# descriptors; what it prints arrives here through a pipe and is wrapped before it goes on. When standard input ends,
# Descant is gone: this process leaves, and with it the container.
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys

PIPE = 1 << 20


def confinement():
    """What the kernel says of this process: how far the engine did what it was asked."""
    status = {}
    with open("/proc/self/status") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            status[name] = value.strip()
    try:
        up = [name for _, name in socket.if_nameindex() if interface_is_up(name) and name != "lo"]
    except OSError:
        up = []
    return {
        "capabilities": int(status.get("CapBnd", "0"), 16) | int(status.get("CapEff", "0"), 16),
        "no_new_privileges": status.get("NoNewPrivs") == "1",
        "seccomp": status.get("Seccomp") == "2",
        "read_only": os.statvfs("/").f_flag & os.ST_RDONLY != 0,
        "interfaces": up,
        "unlimited": unlimited(),
    }


# What is limited, and the files that say so: of the first generation of control groups, and of the second.
LIMITS = [
    ("memory", "memory/memory.limit_in_bytes", "memory.max"),
    ("process", "pids/pids.max", "pids.max"),
    ("CPU", "cpu/cpu.cfs_quota_us", "cpu.max"),
]


def unlimited():
    """What is without the limit that was asked for: an engine may say that it has them and set none. What the kernel does
    not tell is left out."""
    groups, found = "/sys/fs/cgroup/", []
    for name, first, second in LIMITS:
        path = groups + (second if os.path.exists(groups + "cgroup.controllers") else first)
        if not os.path.isdir(os.path.dirname(path)):
            continue
        try:
            with open(path) as said:
                value = said.read().split()[0]
            if value in ("max", "-1") or int(value) >= 1 << 60:
                found.append(name)
        except FileNotFoundError:
            found.append(name)  # The root of all groups has no limits.
        except (OSError, ValueError, IndexError):
            continue
    return found


def interface_is_up(name):
    try:
        with open("/sys/class/net/%s/flags" % name) as flags:
            return int(flags.read(), 16) & 1 == 1
    except (OSError, ValueError):
        return True


def is_zombie(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rpartition(")")[2].split()[0] in "ZX"


class Kernel:
    def __init__(self, source):
        code_read, self.code = os.pipe()
        self.result, result_write = os.pipe()
        self.output, output_write = output_pipe()
        self.answer = b""
        self.kills = oom_kills()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", source, str(code_read), str(result_write)],
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(code_read, result_write),
                # A group of its own, so that an interrupt reaches what the code started, and not us.
                start_new_session=True,
                cwd="/",
                env={
                    "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
                    "HOME": "/mnt/data",
                    "TMPDIR": "/tmp",
                    "LANG": "C.UTF-8",
                    "TERM": "dumb",
                    "MPLBACKEND": "module://descant_figures",
                    "MPLCONFIGDIR": "/tmp/matplotlib",
                },
            )
        finally:
            for fd in (code_read, result_write, output_write):
                os.close(fd)

    def interrupt(self):
        try:
            os.killpg(self.process.pid, signal.SIGINT)
        except OSError:
            pass

    def end_children(self):
        """Kills what an interrupted cell leaves running, which would take the time of the next. The kernel stays."""
        for _ in range(50):
            found = False
            for name in os.listdir("/proc"):
                try:
                    pid = int(name)
                    if pid != self.process.pid and os.getsid(pid) == self.process.pid:
                        # First they stop, so that none makes another while the rest are looked for.
                        os.kill(pid, signal.SIGSTOP)
                        os.kill(pid, signal.SIGKILL)
                        found = found or not is_zombie(pid)
                except (OSError, ValueError):
                    continue
            if not found:
                return

    def read_output(self):
        try:
            return os.read(self.output, CHUNK)
        except OSError:
            return b""

    def close(self):
        """Ends the kernel and every process it left, and says how it ended."""
        code = self.process.poll()
        for _ in range(20):
            try:
                os.kill(-1, signal.SIGKILL)  # All but this process and process 1.
            except OSError:
                break
        waited = self.process.wait()
        for fd in (self.code, self.result, self.output):
            os.close(fd)
        return {
            "status": waited if code is None else code,
            "memory": oom_kills() > self.kills,
        }


class Supervisor:
    def __init__(self, link, source):
        self.link = link
        self.source = source
        self.room = Room(0)
        self.interrupted = 0  # The cell that was interrupted last.
        self.cell = 0  # The number of the running cell, 0 between cells.
        self.kernel = Kernel(source)

    def drain(self):
        # What the pipe can hold, no more: a process left behind may go on writing for ever.
        taken = 0
        while taken < PIPE:
            data = self.kernel.read_output()
            if not data:
                return
            taken += len(data)
            self.link.send(b"O", data)

    def replace_kernel(self, disk=False):
        if self.cell:
            self.drain()
        ended = self.kernel.close()
        ended["disk"] = disk
        ended["cell"] = self.cell
        self.cell = 0
        self.kernel = Kernel(self.source)
        self.link.send_json(b"K", ended)

    def command(self, kind, body):
        if kind == b"R":
            request = json.loads(body)
            self.cell = request["cell"]
            self.room = Room(request["disk"])
            try:
                write_all(self.kernel.code, struct.pack(">I", len(body)) + body)
            except OSError:
                self.replace_kernel()
        elif kind == b"I":
            if self.cell == json.loads(body)["cell"]:
                self.interrupted = self.cell
                self.kernel.interrupt()
        elif kind == b"K":
            if self.cell == json.loads(body)["cell"]:
                self.replace_kernel()
        elif kind == b"P":
            request = json.loads(body)
            self.link.send(b"P", probe(request["path"], request["limit"]))

    def answered(self):
        """The kernel said something on its result pipe; anything but a well-formed answer ends it."""
        data = os.read(self.kernel.result, 4096)
        self.kernel.answer += data
        if not data or len(self.kernel.answer) > 4096:
            self.replace_kernel()
            return
        while b"\n" in self.kernel.answer:
            line, _, self.kernel.answer = self.kernel.answer.partition(b"\n")
            try:
                answer = json.loads(line)
                cell, status = int(answer["cell"]), str(answer["status"])
            except (ValueError, KeyError, TypeError):
                self.replace_kernel()
                return
            if cell == self.cell and cell and status in ("ok", "error", "interrupted"):
                if self.interrupted == cell:
                    self.kernel.end_children()
                self.drain()
                self.cell = 0
                self.link.send_json(b"D", {"cell": cell, "status": status})

    def loop(self):
        while True:
            watched = [0, self.kernel.result]
            # Between cells nobody reads what is printed: a background thread then waits, it is not lost.
            if self.cell:
                watched.append(self.kernel.output)
            ready, _, _ = select.select(watched, [], [], 0.2 if self.cell and self.room.limit else None)
            if self.cell and self.room.is_full():
                self.replace_kernel(disk=True)
                continue
            # Only one source a round: each may replace the kernel, and its descriptors with it.
            if 0 in ready:
                frames = self.link.receive()
                if frames is None:
                    os._exit(0)
                for kind, body in frames:
                    self.command(kind, body)
            elif self.kernel.result in ready:
                self.answered()
            elif self.kernel.output in ready:
                data = self.kernel.read_output()
                if data:
                    self.link.send(b"O", data)
                elif self.kernel.process.poll() is not None:
                    self.replace_kernel()
                else:
                    # Both ends of the output were closed by the code; the result pipe still tells its end.
                    select.select([0, self.kernel.result], [], [], 0.05)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = Link()
    frames = []
    while not frames:
        frames = link.receive()
        if frames is None:
            os._exit(0)
    ((_, hello),) = frames
    link.nonce = hello[:16]
    supervisor = Supervisor(link, hello[16:].decode())
    link.send_json(b"H", {"python": "%d.%d.%d" % sys.version_info[:3], "filtered": filtered, **confinement()})
    supervisor.loop()


main()
