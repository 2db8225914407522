//! What the code may try: each attack has its own assertion.

use descant::sandbox::{CellExit, SandboxError};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn forged_frames_are_not_believed() {
    let session = session!();
    let forged = "import os, struct\nbody = b'x' * 16 + b'D' + b'{\"cell\": 1, \"status\": \"ok\"}'\n\
        os.write(os.open('/proc/1/fd/1', os.O_WRONLY), struct.pack('>I', len(body)) + body)\nimport time\ntime.sleep(2)";
    let outcome = session
        .sandbox
        .run_python(forged, |_| {}, &CancellationToken::new())
        .await;
    match outcome {
        Err(SandboxError::Kernel(why)) => assert!(why.contains("did not send"), "{why}"),
        // An image whose process 1 cannot be reached.
        Ok(result) => assert_eq!(result.exit, CellExit::Error, "{}", result.output),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(session.ok("1 + 1").await, "2\n");
    // The cell's own standard output is wrapped, whatever bytes it has.
    let printed = session
        .ok("import os\n_ = os.write(1, b'\\x00\\x00\\x00\\x11' + b'x' * 16 + b'D')")
        .await;
    assert!(printed.ends_with("xD"), "{printed:?}");
    // And the process that knows the nonce cannot be looked into.
    let looked = session
        .run("import os\nfor name in ('mem', 'environ', 'fd', 'maps'):\n    path = f'/proc/{os.getppid()}/{name}'\n    try:\n        os.listdir(path) if name == 'fd' else open(path, 'rb').read(1)\n        print(name, 'open')\n    except PermissionError: pass")
        .await;
    assert_eq!(looked.output, "");
}

#[tokio::test]
async fn memory_and_processes_are_limited() {
    let session = session!();
    let result = session
        .run("hog = []\nwhile True: hog.append(bytearray(8 << 20))")
        .await;
    match result.exit {
        CellExit::Died => assert!(result.output.contains("memory"), "{}", result.output),
        CellExit::Error => assert!(result.output.contains("MemoryError"), "{}", result.output),
        other => panic!("{other:?}: {}", result.output),
    }
    let result = session
        .run("import os, time\ncount = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(100)\n            os._exit(0)\n        count += 1\nexcept OSError as error: print(count, error.errno)")
        .await;
    let (count, errno) = result.output.trim().split_once(' ').expect("two numbers");
    assert!(
        errno == "11" && (10..128).contains(&count.parse::<i32>().unwrap()),
        "{}",
        result.output
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
    let filled = session
        .run("for place in ('/tmp', '/mnt/data', '/dev/shm'):\n    try:\n        with open(place + '/big', 'wb') as big:\n            for _ in range(64): big.write(b'x' * (16 << 20))\n        print('filled', place)\n    except OSError as error: print(error.errno)\n    finally: os.remove(place + '/big')")
        .await;
    assert!(!filled.output.contains("filled"), "{}", filled.output);
    assert_eq!(session.ok("1 + 1").await, "2\n");
    let opened = session
        .ok("files = []\ntry:\n    while True: files.append(open('/dev/null'))\nexcept OSError as error: print(error.errno, len(files) < 1024)\nfiles.clear()")
        .await;
    assert_eq!(opened, "24 True\n");
}

#[tokio::test]
async fn nothing_of_the_network_can_be_reached() {
    let session = session!();
    let output = session
        .ok(r#"
import socket
reached = []
def attempt(name, call):
    try:
        call()
        reached.append(name)
    except OSError:
        pass
for host in ("127.0.0.1", "169.254.169.254", "172.17.0.1", "10.0.0.1", "1.1.1.1", "8.8.8.8", "host.docker.internal"):
    for port in (22, 53, 80, 443, 2375):
        attempt((host, port), lambda: socket.create_connection((host, port), 1).close())
for name in ("localhost.localdomain", "example.com", "example.org"):
    attempt(name, lambda: socket.getaddrinfo(name, 80))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53)))
attempt("udp6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("2001:4860:4860::8888", 53)))
attempt("icmp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP).sendto(b"x" * 8, ("8.8.8.8", 0)))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
print(reached, [name for _, name in socket.if_nameindex() if name not in ("lo", "tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0", "bond0", "dummy0")])
print(open("/proc/net/unix").read().count("@"))
"#)
        .await;
    assert_eq!(output, "[] []\n0\n");
}

#[tokio::test]
async fn files_can_be_written_only_where_they_vanish() {
    let session = session!();
    let output = session
        .ok(r#"
import os
def attempt(path):
    try:
        with open(path, "w") as file: file.write("x")
        return True
    except OSError:
        return False
print(os.getcwd(), open("hello.txt").read().strip(), os.listdir("/workspace"))
print([path for path in ("/workspace/hello.txt", "/workspace/new", "/new", "/etc/passwd", "/usr/new", "/root/new", "/var/tmp/new",
    "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/new", "/sys/fs/cgroup/new", "/dev/new", "/run/new") if attempt(path)])
print([path for path in ("/tmp/new", "/mnt/data/new") if attempt(path)])
for path in ("/workspace/hello.txt", "/workspace"):
    for call in (lambda: os.remove(path), lambda: os.chmod(path, 0o777), lambda: os.rename(path, path + "2"), lambda: os.utime(path)):
        try: call(); print("changed", path)
        except OSError: pass
for line in open("/proc/self/mounts"):
    _, place, kind, options, *_ = line.split()
    options = options.split(",")
    if place in ("/", "/workspace") and "ro" not in options: print("writable", line)
    if place in ("/tmp", "/mnt/data") and not {"nosuid", "nodev", "rw"} <= set(options): print("loose", line)
"#)
        .await;
    assert_eq!(
        output,
        "/workspace hello from the repository ['hello.txt']\n[]\n['/tmp/new', '/mnt/data/new']\n"
    );
}

#[tokio::test]
async fn the_code_is_nobody_with_no_rights() {
    let session = session!();
    let output = session
        .ok(r#"
import glob, os
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
print({name: int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")})
print(status["NoNewPrivs"].strip(), status["Seccomp"].strip())
print([path for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock") if os.path.exists(path)])
print(sorted(name for name in os.environ if name not in ("PATH", "HOME", "TMPDIR", "LANG", "TERM", "LC_CTYPE", "MPLBACKEND", "MPLCONFIGDIR")))
print(os.getpid() < 100, len([name for name in os.listdir("/proc") if name.isdigit()]) <= 4)
"#)
        .await;
    assert_eq!(
        output,
        "{'CapInh': 0, 'CapPrm': 0, 'CapEff': 0, 'CapBnd': 0, 'CapAmb': 0}\n1 2\n[]\n[]\nTrue True\n"
    );
    let uid = session
        .ok("print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups() in ([], [os.getgid()]))")
        .await;
    let words: Vec<&str> = uid.split_whitespace().collect();
    assert!(
        words[0] == words[1] && words[0] != "0" && words[2] != "0" && words[3] == "True",
        "{uid}"
    );
}

#[tokio::test]
async fn escapes_are_denied() {
    let session = session!();
    let output = session
        .ok(r#"
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
held = []
def denied(name, result):
    if result >= 0: held.append(name)
call = lambda number, *arguments: libc.syscall(number, *arguments)
denied("mount", libc.mount(b"none", b"/mnt/data", b"tmpfs", 0, None))
denied("remount", libc.mount(None, b"/", None, 32 | 4096, None))
denied("umount", libc.umount2(b"/workspace", 2))
for name, flag in (("user", 0x10000000), ("mnt", 0x20000), ("net", 0x40000000), ("pid", 0x20000000), ("uts", 0x4000000), ("ipc", 0x8000000)):
    denied("unshare " + name, libc.unshare(flag))
denied("setns", libc.setns(os.open("/proc/self/ns/mnt", os.O_RDONLY), 0))
denied("chroot", libc.chroot(b"/tmp"))
denied("setuid", libc.setuid(0))
denied("setgid", libc.setgid(0))
denied("sethostname", libc.sethostname(b"x", 1))
denied("ptrace", libc.ptrace(16, os.getppid(), 0, 0))
denied("reboot", libc.reboot(0))
denied("swapon", libc.swapon(b"/tmp/x", 0))
if platform.machine() == "x86_64":
    for name, number in (("bpf", 321), ("add_key", 248), ("keyctl", 250), ("request_key", 249), ("init_module", 175), ("finit_module", 313),
            ("kexec_load", 246), ("open_by_handle_at", 304), ("perf_event_open", 298), ("pivot_root", 155), ("settimeofday", 164), ("iopl", 172),
            ("ioperm", 173), ("acct", 163), ("quotactl", 179), ("userfaultfd", 323), ("fsopen", 430), ("move_mount", 429),
            ("process_vm_readv", 310), ("kcmp", 312)):
        arguments = {"ioperm": (0x70, 1, 1), "process_vm_readv": (os.getppid(), 0, 0, 0, 0, 1), "kcmp": (1, os.getppid(), 0, 0, 0), "iopl": (3,)}.get(name, (0, 0, 0, 0, 0))
        denied(name, call(number, *arguments))
def opened(name, action):
    try:
        action()
        held.append(name)
    except OSError: pass
opened("mknod", lambda: os.mknod("/tmp/device", 0o60600, os.makedev(8, 0)))
for path in ("/dev/mem", "/dev/kmem", "/dev/sda", "/dev/vda", "/dev/kvm", "/proc/kcore", "/proc/kmem", "/proc/1/mem", f"/proc/{os.getppid()}/environ", "/etc/shadow"):
    opened(path, lambda: open(path, "rb").read(1) or (_ for _ in ()).throw(OSError()))
opened("/proc/1/root", lambda: open("/proc/1/root/etc/machine-owner"))
opened("nice", lambda: os.nice(-5))
opened("oom", lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"))
print(held)
"#)
        .await;
    assert_eq!(output, "[]\n");
}
