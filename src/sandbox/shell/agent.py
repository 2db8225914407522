# Runs beside the supervisor, started by the engine's exec: the bash commands, and Descant's hands in the view of the
# work tree (list, read, write, remove). It alone speaks to Descant over this exec's streams.
#
# Each command is a bash of its own, which begins in the folder and with the exported variables that the one before
# ended with. What a command leaves running ends with it: every descendant is this process's (subreaper).
#
# File names travel as JSON texts with one character a byte, because they may be any bytes.
import errno
import fcntl
import json
import os
import select
import signal
import stat
import subprocess
import time

STATE_LIMIT = 256 * 1024
ENTRIES = 50000  # of one folder, at most
NOFOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC

# The folder and the variables are written to descriptor $2 when the shell ends, also by `exit`.
WRAPPER = r"""
trap 'descant_status=$?; trap - EXIT; set +eux; IFS=$'"'"' \n\t'"'"'
{ printf "%s\0" "$PWD"; for descant_name in $(compgen -e); do
[ "$descant_name" = _ ] || printf "%s=%s\0" "$descant_name" "${!descant_name}"; done; } >&'"$2"' 2>/dev/null
exit $descant_status' EXIT
descant_command=$1
set --
# When memory runs out, the command is to go, not the process that started it.
{ echo 1000 > /proc/self/oom_score_adj; } 2>/dev/null
eval "$descant_command"
"""

prctl(36, 1)  # Orphans of a command become children of this process.


def text(name):
    return name.decode("latin-1")


def raw(name):
    return name.encode("latin-1")


def processes():
    """The parent of every process there is."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as line:
                    fields = line.read().rpartition(b")")[2].split()
                if fields[0] != b"Z":
                    parents[int(name)] = int(fields[1])
            except (OSError, IndexError, ValueError):
                pass
    return parents


def descendants():
    parents = processes()
    ours, found = {os.getpid()}, []
    grown = True
    while grown:
        grown = False
        for pid, parent in parents.items():
            if parent in ours and pid not in ours:
                ours.add(pid)
                found.append(pid)
                grown = True
    return found


def end_descendants():
    """Stopped first, so that what multiplies cannot outrun the kill; `False` when some could not be ended."""
    for how in (signal.SIGSTOP, signal.SIGKILL):
        seen = set()
        for _ in range(100):
            fresh = [pid for pid in descendants() if pid not in seen or how == signal.SIGKILL]
            if not fresh:
                break
            for pid in fresh:
                seen.add(pid)
                try:
                    os.kill(pid, how)
                except OSError:
                    pass
            reap()
            time.sleep(0.001)
    return not descendants()


ended = {}


def reap():
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except OSError:
            return
        if pid == 0:
            return
        ended[pid] = os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else (
            -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        )


class Command:
    def __init__(self, request):
        self.run = request["run"]
        self.room = Room(request["disk"])
        self.full = False
        self.again = None  # when it is interrupted once more
        self.state = b""
        self.oom = oom_kills()
        self.output, output_write = output_pipe()
        self.states, state_write = os.pipe2(os.O_CLOEXEC)
        env = request["env"]
        if env is None:
            env = {name: value for name, value in os.environb.items()}
            env.update({raw(name): raw(value) for name, value in request["set"].items()})
        else:
            env = {raw(name): raw(value) for name, value in env.items()}
        place = raw(request["cwd"])
        self.note = ""
        if not os.path.isdir(place):
            self.note = "the folder %s is gone; the command began in /workspace" % text(place)
            place = VIEW
        # Free of what the command itself may redirect.
        high = fcntl.fcntl(state_write, fcntl.F_DUPFD, 250)
        try:
            self.process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", WRAPPER, "bash", raw(request["command"]), str(high)],
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(high,),
                start_new_session=True,
                cwd=place,
                env=env,
                preexec_fn=interruptible,
            )
        finally:
            for fd in (output_write, state_write, high):
                os.close(fd)
        os.set_blocking(self.states, False)

    def interrupt(self):
        self.again = None
        try:
            os.killpg(self.process.pid, signal.SIGINT)
        except OSError:
            pass

    def read(self, fd, size):
        try:
            return os.read(fd, size)
        except OSError:
            return b""

    def read_state(self):
        data = self.read(self.states, 65536)
        if len(self.state) < STATE_LIMIT:
            self.state += data
        return data

    def last_state(self):
        """The folder and the variables, or nothing when the shell did not get to say them."""
        parts = self.state.split(b"\0")
        if len(parts) < 2 or parts[-1] != b"" or not parts[0].startswith(b"/"):
            return None, None
        pairs = [part.partition(b"=") for part in parts[1:-1]]
        return text(parts[0]), {text(name): text(value) for name, _, value in pairs}


def interruptible():
    """An interrupt is for the command; this process ignores it, which its children would inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def parts_of(path):
    return [part for part in path.split(b"/") if part not in (b"", b".")]


class Folder:
    """A folder beneath a root, opened part by part without following links."""

    def __init__(self, root, path, make=False):
        self.fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | NOFOLLOW)
        for part in parts_of(path):
            if part == b"..":
                raise OSError(errno.EINVAL, "`..` in a path")
            try:
                below = self.below(part, root is VIEW)
            except OSError as error:
                if not make or error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    os.close(self.fd)
                    raise
                if error.errno != errno.ENOENT:
                    os.unlink(part, dir_fd=self.fd)
                os.mkdir(part, 0o755, dir_fd=self.fd)
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | NOFOLLOW, dir_fd=self.fd)
            os.close(self.fd)
            self.fd = below

    def below(self, part, ours):
        """Opens a folder; one that a command has closed to its own user is opened again."""
        try:
            return os.open(part, os.O_RDONLY | os.O_DIRECTORY | NOFOLLOW, dir_fd=self.fd)
        except OSError as error:
            if error.errno != errno.EACCES or not ours:
                raise
            if stat.S_ISDIR(os.lstat(part, dir_fd=self.fd).st_mode):
                os.chmod(part, 0o755, dir_fd=self.fd)
            return os.open(part, os.O_RDONLY | os.O_DIRECTORY | NOFOLLOW, dir_fd=self.fd)

    def __enter__(self):
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


def place_of(path):
    folder, _, name = path.rpartition(b"/")
    if name in (b"", b".", b".."):
        raise OSError(errno.EINVAL, "no file name")
    return folder, name


def kind_of(mode, device):
    if stat.S_ISREG(mode):
        return "f"
    if stat.S_ISDIR(mode):
        return "d"
    if stat.S_ISLNK(mode):
        return "l"
    if stat.S_ISCHR(mode) and device == 0 and OVERLAY:
        return "w"  # a whiteout: the name is removed
    return "o"


def entry_of(name, found):
    # Times may be any: the code can set them. A number of 62 bits is one for every reader.
    numbers = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
    return [text(name), kind_of(found.st_mode, found.st_rdev), stat.S_IMODE(found.st_mode)] + [
        number % (1 << 62) for number in numbers
    ]


def remove(name, folder):
    try:
        os.unlink(name, dir_fd=folder)
        return
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NOFOLLOW, dir_fd=folder)
    try:
        if os.fstat(below).st_mode & 0o700 != 0o700:
            os.fchmod(below, 0o700)
        for inner in os.listdir(below):
            remove(os.fsencode(inner), below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=folder)


class Agent(Link):
    def __init__(self):
        super().__init__()
        self.command = None
        self.put = None
        self.wake, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def fail(self, error):
        self.send_json(b"A", {"error": getattr(error, "strerror", None) or str(error)})

    # Requests.

    def hello(self, body):
        self.nonce = body[:16]
        able = "no bash in the image"
        for folder in os.environ.get("PATH", "").split(":"):
            if folder and os.access(folder + "/bash", os.X_OK):
                able = ""
        self.send_json(b"H", {"problem": able})

    def start(self, request):
        try:
            self.command = Command(request)
        except Exception as error:
            said = ("the command did not start: %s\n" % error).encode()
            self.send(b"O", said)
            self.send_json(b"E", {"run": request["run"], "status": 126, "cwd": None, "env": None, "notes": []})
            return
        if self.command.note:
            self.send(b"O", ("[%s]\n" % self.command.note).encode("utf-8", "replace"))

    def list(self, request):
        root = UPPER if request["upper"] and OVERLAY else VIEW
        for path in request["folders"]:
            entries, names, problem = [], None, None
            try:
                if root is UPPER:
                    with Folder(VIEW, raw(path)) as folder:
                        names = [text(os.fsencode(name)) for name in os.listdir(folder)]
                with Folder(root, raw(path)) as folder:
                    for name in os.listdir(folder):
                        if len(entries) == ENTRIES:
                            problem = "more than %d entries" % ENTRIES
                            break
                        try:
                            found = os.lstat(name, dir_fd=folder)
                        except OSError:
                            continue
                        entries.append(entry_of(os.fsencode(name), found))
            except OSError as error:
                problem = error.strerror
            while len(entries) > 4000:
                self.send_json(b"L", {"folder": path, "entries": entries[:4000], "names": None, "problem": None})
                del entries[:4000]
            self.send_json(b"L", {"folder": path, "entries": entries, "names": names, "problem": problem})
        self.send_json(b"A", {})

    def get(self, request):
        folder, name = place_of(raw(request["path"]))
        with Folder(VIEW, folder) as at:
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NOFOLLOW, dir_fd=at)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "not a file")
            left = request["limit"]
            if found.st_size > left:
                raise OSError(errno.EFBIG, "too large")
            while True:
                data = os.read(fd, min(CHUNK, left + 1))
                if not data:
                    break
                left -= len(data)
                if left < 0:
                    raise OSError(errno.EFBIG, "too large")
                self.send(b"G", data)
            self.send_json(b"A", {"entry": entry_of(name, found)})
        finally:
            os.close(fd)

    def write(self, body):
        """`put` began a file; its bytes follow, the last frame of them is empty."""
        path, mode, fd, temporary, problem = self.put
        if body:
            if problem is None:
                try:
                    write_all(fd, body)
                except OSError as error:
                    self.put = (path, mode, fd, temporary, error)
            return
        self.put = None
        folder, name = place_of(path)
        try:
            if problem is not None:
                raise problem
            os.fchmod(fd, mode)
            with Folder(VIEW, folder, make=True) as at:
                try:
                    os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
                except OSError as error:
                    if error.errno not in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                        raise
                    remove(name, at)
                    os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
                self.send_json(b"A", {"entry": entry_of(name, os.lstat(name, dir_fd=at))})
        except OSError as error:
            self.discard(folder, temporary)
            self.fail(error)
        finally:
            if fd is not None:
                os.close(fd)

    def discard(self, folder, temporary):
        try:
            with Folder(VIEW, folder) as at:
                os.unlink(temporary, dir_fd=at)
        except (OSError, TypeError):
            pass

    def begin_put(self, request):
        path = raw(request["path"])
        fd = temporary = problem = None
        try:
            folder, _ = place_of(path)
            temporary = b".descant-%s" % os.urandom(8).hex().encode()
            with Folder(VIEW, folder, make=True) as at:
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW, 0o600, dir_fd=at)
        except OSError as error:
            problem = error
        self.put = (path, request["mode"], fd, temporary, problem)

    def link(self, request):
        folder, name = place_of(raw(request["path"]))
        with Folder(VIEW, folder, make=True) as at:
            remove(name, at)
            os.symlink(raw(request["to"]), name, dir_fd=at)
            self.send_json(b"A", {"entry": entry_of(name, os.lstat(name, dir_fd=at))})

    def remove(self, request):
        folder, name = place_of(raw(request["path"]))
        try:
            with Folder(VIEW, folder) as at:
                remove(name, at)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        self.send_json(b"A", {})

    def handle(self, kind, body):
        if kind == b"N":
            self.hello(body)
        elif kind == b"D":
            self.write(body)
        elif kind == b"R":
            self.start(json.loads(body))
        elif kind in (b"I", b"K"):
            self.signal(kind, json.loads(body)["run"])
        else:
            request = json.loads(body)
            try:
                {b"L": self.list, b"G": self.get, b"P": self.begin_put, b"S": self.link, b"X": self.remove}[kind](request)
            except (OSError, ValueError) as error:
                self.fail(error)

    def signal(self, kind, run):
        command = self.command
        if command is None or command.run != run:
            return
        if kind == b"K":
            end_descendants()
            return
        command.interrupt()
        # Once more: a shell that was just starting a program may miss the first.
        command.again = time.monotonic() + 0.8

    # The running command.

    def finish(self):
        command, self.command = self.command, None
        command.process.returncode = ended.pop(command.process.pid)
        notes = []
        left = [pid for pid in descendants()]
        if left and not end_descendants():
            notes.append("a process that the command left behind could not be ended")
        elif left:
            notes.append("what the command left running was ended with it")
        reap()
        # Nobody writes any more: what the pipes hold is all there is.
        while command.read_state():
            pass
        while True:
            data = command.read(command.output, CHUNK)
            if not data:
                break
            self.send(b"O", data)
        os.close(command.output)
        os.close(command.states)
        if command.full:
            notes.append("stopped: what it wrote below /workspace needs more than the %d MiB there are" % (command.room.limit >> 20))
        if oom_kills() > command.oom:
            notes.append("out of memory: a process of the command was killed")
        cwd, env = command.last_state()
        self.send_json(b"E", {"run": command.run, "status": command.process.returncode, "cwd": cwd, "env": env,
                              "notes": notes})

    def take(self):
        frames = self.receive()
        if frames is None:
            end_descendants()
            os._exit(0)
        for kind, body in frames:
            self.handle(kind, body)

    def loop(self):
        while True:
            command = self.command
            watched = [0, self.wake]
            if command:
                watched += [command.output, command.states]
            ready, _, _ = select.select(watched, [], [], 0.2 if command else None)
            if self.wake in ready:
                os.read(self.wake, 4096)
            reap()
            if command and command.process.pid in ended:
                self.finish()
                continue
            if 0 in ready:
                self.take()
                continue
            if command is None:
                ended.clear()
                continue
            if command.states in ready and not command.read_state():
                time.sleep(0.01)  # closed by the command, which may go on
            if command.output in ready:
                data = command.read(command.output, CHUNK)
                if data:
                    self.send(b"O", data)
                else:
                    time.sleep(0.01)
            if command.again and time.monotonic() > command.again:
                command.interrupt()
            if not command.full and command.room.is_full():
                command.full = True
                end_descendants()


Agent().loop()
