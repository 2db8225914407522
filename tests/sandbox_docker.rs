//! The sandbox against a real container engine (`scripts/docker-for-tests.sh` provides one).
//!
//! Without an engine each test says that it is not run; where CI=true or DESCANT_REQUIRE_DOCKER=1 it fails instead.
//! DESCANT_TEST_IMAGE names another image with python3; DESCANT_KILLS says how often Descant is killed in a cell.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]
#![cfg(unix)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use descant::sandbox::{CellExit, CellResult, EngineLocator, Sandbox, SandboxConfig, SandboxError};
use tokio_util::sync::CancellationToken;

const OWNER: &str = "dev.descant.owner";

fn config(workspace: &Path) -> SandboxConfig {
    let image = std::env::var("DESCANT_TEST_IMAGE")
        .unwrap_or_else(|_| "descant-test-python:latest".to_owned());
    SandboxConfig {
        image,
        memory: 256 << 20,
        ..SandboxConfig::new(workspace.to_owned(), EngineLocator::from_env())
    }
}

/// A repository that the container's user can read, whoever runs the tests.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(
        folder.path().join("hello.txt"),
        "hello from the repository\n",
    )
    .unwrap();
    folder
}

struct Session {
    sandbox: Arc<Sandbox>,
    _repository: tempfile::TempDir,
}

impl Session {
    async fn start(change: impl FnOnce(&mut SandboxConfig)) -> Option<Self> {
        let repository = repository();
        let mut config = config(repository.path());
        change(&mut config);
        let sandbox = Arc::new(engine(Sandbox::start(config).await)?);
        Some(Self {
            sandbox,
            _repository: repository,
        })
    }

    async fn run(&self, code: &str) -> CellResult {
        let mut streamed = String::new();
        let result = self
            .sandbox
            .run_python(
                code,
                |text| streamed.push_str(text),
                &CancellationToken::new(),
            )
            .await
            .unwrap();
        assert_eq!(streamed, result.output, "the stream and the result differ");
        result
    }

    /// What the cell printed; it must have ended well.
    async fn ok(&self, code: &str) -> String {
        let result = self.run(code).await;
        assert_eq!(result.exit, CellExit::Ok, "{}", result.output);
        result.output
    }
}

/// `None`, and a line that says so, where there is no engine and none is required.
fn engine<T>(started: Result<T, SandboxError>) -> Option<T> {
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true")
        || std::env::var("DESCANT_REQUIRE_DOCKER").is_ok_and(|set| set == "1");
    match started {
        Ok(started) => Some(started),
        Err(SandboxError::NoEngine { reason, .. }) if !required => {
            eprintln!("not run: no container engine ({reason})");
            None
        }
        Err(SandboxError::NoImage { image, .. }) if !required => {
            eprintln!(
                "not run: no container engine with the image {image}; scripts/docker-for-tests.sh makes it"
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

macro_rules! session {
    ($($change:expr)?) => {
        match Session::start({ #[allow(unused)] let change = |_: &mut SandboxConfig| {}; $(let change = $change;)? change }).await {
            Some(session) => session,
            None => return,
        }
    };
}

#[tokio::test]
async fn cells_compute_keep_their_state_and_show_their_last_value() {
    let session = session!();
    assert_eq!(session.ok("print(1234 * 77)").await, "95018\n");
    assert_eq!(
        session.ok("x = 20\ndef double(n):\n    return 2 * n").await,
        ""
    );
    assert_eq!(session.ok("double(x) + 2").await, "42\n");
    assert_eq!(session.ok("_ + 1").await, "43\n");
    assert_eq!(session.ok("None").await, "");
    assert_eq!(
        session.ok("'shown as its repr'").await,
        "'shown as its repr'\n"
    );
    assert_eq!(session.ok("x;").await, "");
    assert_eq!(session.ok("").await, "");
    assert_eq!(
        session
            .ok("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'")
            .await,
        "'awaited'\n"
    );
    let description = session.sandbox.description();
    assert!(
        description.contains("python 3.") && description.starts_with(['d', 'p']),
        "{description}"
    );
    session.sandbox.stop().await;
}

#[tokio::test]
async fn a_traceback_shows_the_cells_own_lines_only() {
    let session = session!();
    let result = session.run("def f(n):\n    return 1 / n\nf(0)").await;
    assert_eq!(result.exit, CellExit::Error);
    let places: Vec<&str> = result
        .output
        .lines()
        .filter(|line| line.starts_with("  File"))
        .collect();
    assert_eq!(
        places,
        [
            "  File \"<cell 1>\", line 3, in <module>",
            "  File \"<cell 1>\", line 2, in f"
        ]
    );
    assert!(
        result.output.contains("    return 1 / n\n")
            && result
                .output
                .ends_with("ZeroDivisionError: division by zero\n")
    );
    let result = session.run("x = (").await;
    assert_eq!(result.exit, CellExit::Error);
    assert!(
        result.output.contains("SyntaxError") && !result.output.contains("Traceback"),
        "{}",
        result.output
    );
    let result = session.run("import sys\nsys.exit('bad')").await;
    assert_eq!(
        (result.exit, result.output.as_str()),
        (CellExit::Error, "SystemExit: bad\n")
    );
    assert_eq!(session.ok("exit()").await, "");
    // What a class does when it is shown is the cell's own failure, not the kernel's.
    let result = session
        .run("class Bad(Exception):\n    def __str__(self): raise Bad\nraise Bad")
        .await;
    assert_eq!(result.exit, CellExit::Error);
    let result = session
        .run("class Odd:\n    def __repr__(self): 1 / 0\nOdd()")
        .await;
    assert!(result.exit == CellExit::Error && result.output.contains("ZeroDivisionError"));
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn output_streams_while_the_cell_runs() {
    let session = session!();
    let begin = Instant::now();
    let mut first = None;
    let code =
        "import time, sys\nprint('first')\ntime.sleep(1.5)\nprint('second', file=sys.stderr)";
    let result = session
        .sandbox
        .run_python(
            code,
            |text| {
                first.get_or_insert((begin.elapsed(), text.to_owned()));
            },
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    assert_eq!(result.output, "first\nsecond\n");
    let (after, text) = first.unwrap();
    assert!(
        text == "first\n" && after + Duration::from_secs(1) < begin.elapsed(),
        "{text:?} after {after:?}"
    );
}

#[tokio::test]
async fn the_time_limit_interrupts_and_keeps_the_variables() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(2));
    session.ok("kept = 7").await;
    for code in [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "import subprocess\nsubprocess.run(['sleep', '60'])",
    ] {
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Timeout, "{code}");
        assert!(
            result.output.contains("KeyboardInterrupt"),
            "{}",
            result.output
        );
        assert!(
            result
                .output
                .ends_with("[the time limit of 2 s was reached; variables are kept]\n"),
            "{}",
            result.output
        );
    }
    assert_eq!(session.ok("kept").await, "7\n");
}

#[tokio::test]
async fn code_that_ignores_the_interrupt_is_killed_and_a_new_kernel_starts() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(2));
    session.ok("kept = 7").await;
    let stubborn = [
        "import signal\nsignal.signal(signal.SIGINT, lambda *_: None)\nwhile True: pass",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        // The supervisor itself stopped: the container is replaced.
        "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nwhile True: pass",
    ];
    for code in stubborn {
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Timeout, "{code}");
        assert!(
            result.output.contains("variables are lost"),
            "{}",
            result.output
        );
        assert_eq!(session.run("kept").await.exit, CellExit::Error);
        assert_eq!(session.ok("kept = 7\nkept").await, "7\n");
    }
}

#[tokio::test]
async fn a_cancelled_cell_stops_at_once_and_keeps_the_variables() {
    let session = session!();
    session.ok("kept = 7").await;
    let cancel = CancellationToken::new();
    let token = cancel.clone();
    let mut cancelled = None;
    let result = session
        .sandbox
        .run_python(
            "print('running')\nwhile True: pass",
            |_| {
                cancelled.get_or_insert_with(Instant::now);
                token.cancel();
            },
            &cancel,
        )
        .await
        .unwrap();
    assert_eq!(result.exit, CellExit::Interrupted);
    assert!(cancelled.unwrap().elapsed() < Duration::from_secs(1));
    assert_eq!(session.ok("kept").await, "7\n");
}

#[tokio::test]
async fn a_kernel_that_dies_is_replaced() {
    let session = session!();
    let deaths = [
        "import os\nos.kill(os.getpid(), 9)",
        "import os\nos._exit(3)",
        "import ctypes\nctypes.string_at(0)",
        // The supervisor, and with it the container.
        "import os\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(5)",
    ];
    for code in deaths {
        let result = session.run(code).await;
        assert_eq!(result.exit, CellExit::Died, "{code}: {}", result.output);
        assert!(
            result.output.contains("variables are lost"),
            "{}",
            result.output
        );
        assert_eq!(session.ok("1 + 1").await, "2\n", "after {code}");
    }
    // Between two cells.
    session
        .ok("import os, threading\nthreading.Timer(0.2, lambda: os._exit(1)).start()")
        .await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let output = session.ok("print('new')").await;
    assert!(
        output.contains("had ended since the last call") && output.ends_with("new\n"),
        "{output}"
    );
}

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
print(sorted(name for name in os.environ if name not in ("PATH", "HOME", "TMPDIR", "LANG", "TERM", "LC_CTYPE")))
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

#[tokio::test]
async fn a_hundred_megabytes_are_cut_to_their_head_and_tail_in_bounded_memory() {
    let session = session!(|config: &mut SandboxConfig| config.timeout = Duration::from_secs(120));
    session.ok("print('x' * 1000)").await;
    let before = resident();
    let mut streamed = 0;
    let code = "import sys\nprint('the head')\nblock = ('y' * 99 + '\\n') * 10486\nfor _ in range(100): sys.stdout.write(block)\nprint('the tail')";
    let result = session
        .sandbox
        .run_python(
            code,
            |text| streamed += text.len(),
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    let grown = resident().saturating_sub(before);
    assert_eq!(result.exit, CellExit::Ok);
    assert!(result.output.starts_with("the head\n") && result.output.ends_with("the tail\n"));
    assert!(
        result.output.len() <= 16 * 1024 && streamed == result.output.len(),
        "{}",
        result.output.len()
    );
    let (_, rest) = result.output.split_once("[... ").unwrap();
    let left_out: u64 = rest.split_once(' ').unwrap().0.parse().unwrap();
    assert_eq!(left_out / 1_000_000, 104);
    assert!(grown <= 16 << 20, "our memory grew by {grown} bytes");
    // One line without an end, and bytes that are no text.
    let result = session
        .run("sys.stdout.write('z' * (20 << 20))\nNone")
        .await;
    assert!(result.output.len() <= 16 * 1024 && result.exit == CellExit::Ok);
    let output = session
        .ok("import os\nprint('a', flush=True)\n_ = os.write(1, b'\\xff\\xfe\\x00b\\xe2\\x82')")
        .await;
    assert_eq!(output, "a\n\u{fffd}\u{fffd}\0b\u{fffd}");
}

/// Bytes of memory this process has now; 0 where that cannot be read, so that nothing is claimed there.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<usize>().ok())
        .unwrap_or(0)
        * 1024
}

#[tokio::test]
async fn what_a_cell_leaves_running_neither_blocks_nor_leaks_into_the_protocol() {
    let session = session!();
    session.ok("import threading, time\ndef tick():\n    while True:\n        print('tick')\n        time.sleep(0.01)\nthreading.Thread(target=tick, daemon=True).start()").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for round in 0..5 {
        let output = session.ok(&format!("print('round {round}')")).await;
        assert!(output.contains(&format!("round {round}")), "{output}");
    }
    // A fork that returns from the cell must not answer for it; closed and replaced streams are the cell's own.
    let output = session.ok("import os\nchild = os.fork()\nif child: os.waitpid(child, 0); print('parent')\nelse: print('child')").await;
    assert!(
        output.contains("parent") && output.contains("child"),
        "{output}"
    );
    session.run("import sys\nsys.stdout.close(); sys.stderr = None; os.close(1); os.close(2); os.close(0)").await;
    assert!(
        session
            .ok("print('still here')")
            .await
            .contains("still here")
    );
    assert!(session.run("input()").await.output.contains("EOFError"));
}

#[tokio::test]
async fn cells_wait_for_each_other_and_stop_ends_them() {
    let session = session!();
    let never = CancellationToken::new();
    let first =
        session
            .sandbox
            .run_python("import time\ntime.sleep(0.5)\nprint('one')", |_| {}, &never);
    let second = session
        .sandbox
        .run_python("print('two', time is not None)", |_| {}, &never);
    let (first, second) = tokio::join!(first, second);
    assert_eq!(
        (
            first.unwrap().output.as_str(),
            second.unwrap().output.as_str()
        ),
        ("one\n", "two True\n")
    );
    let sandbox = Arc::clone(&session.sandbox);
    let running = tokio::spawn(async move {
        sandbox
            .run_python("while True: pass", |_| {}, &CancellationToken::new())
            .await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    session.sandbox.stop().await;
    assert_eq!(running.await.unwrap().unwrap().exit, CellExit::Interrupted);
    let after = session.sandbox.run_python("1", |_| {}, &never).await;
    assert!(matches!(after, Err(SandboxError::Stopped)), "{after:?}");
    let long = "#".repeat((1 << 20) + 1);
    assert!(matches!(
        session.sandbox.run_python(&long, |_| {}, &never).await,
        Err(SandboxError::CodeTooLong { .. })
    ));
}

#[tokio::test]
async fn an_abandoned_call_gives_its_container_up() {
    let session = session!();
    session.ok("kept = 7").await;
    let abandoned = tokio::time::timeout(
        Duration::from_millis(500),
        session.sandbox.run_python(
            "while True: print('x' * 1000)",
            |_| {},
            &CancellationToken::new(),
        ),
    )
    .await;
    assert!(abandoned.is_err());
    assert_eq!(
        session.run("kept").await.exit,
        CellExit::Error,
        "a new kernel"
    );
    assert_eq!(session.ok("1 + 1").await, "2\n");
}

#[tokio::test]
async fn a_missing_image_is_named_and_nothing_is_pulled() {
    let repository = repository();
    let mut config = config(repository.path());
    let Some(sandbox) = engine(Sandbox::start(config.clone()).await) else {
        return;
    };
    sandbox.stop().await;
    config.image = "descant-no-such-image:none".to_owned();
    match Sandbox::start(config).await.map(|_| ()) {
        Err(SandboxError::NoImage { image, hint }) => {
            assert_eq!(image, "descant-no-such-image:none");
            assert!(hint.contains("docker pull descant-no-such-image:none"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_repository_only_root_may_read_says_so_to_the_model() {
    let repository = tempfile::tempdir().unwrap();
    let config = config(repository.path());
    let Some(sandbox) = engine(Sandbox::start(config).await) else {
        return;
    };
    let result = sandbox
        .run_python(
            "import os\nprint(os.getcwd())\nos.listdir('/workspace') and 1 / 0",
            |_| {},
            &CancellationToken::new(),
        )
        .await
        .unwrap();
    sandbox.stop().await;
    // Unreadable: the failure is explained. Readable and empty: nothing fails and nothing is said.
    let note = "note: /workspace cannot be read here (Permission denied)\n";
    let as_root = result.output.starts_with("/mnt/data\n") && result.output.ends_with(note);
    assert!(
        as_root || result.output == "/workspace\n[]\n",
        "{}",
        result.output
    );
}

fn docker() -> Docker {
    Docker::connect_with_defaults().unwrap()
}

/// The ids of all containers whose owner label names this process.
async fn containers_of(docker: &Docker, pid: u32) -> Vec<String> {
    let filters = HashMap::from([("label".to_owned(), vec![OWNER.to_owned()])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let all = docker.list_containers(Some(options)).await.unwrap();
    all.into_iter()
        .filter(|container| {
            let label = container
                .labels
                .as_ref()
                .and_then(|labels| labels.get(OWNER))
                .cloned()
                .unwrap_or_default();
            label.split('/').nth(4) == Some(pid.to_string().as_str())
        })
        .filter_map(|container| container.id)
        .collect()
}

/// Not a test of its own: the process that `killed_in_a_cell...` kills. It starts a sandbox and stays in a cell.
#[tokio::test]
async fn helper_that_stays_in_a_cell() {
    let Some(code) = std::env::var_os("DESCANT_TEST_HELPER") else {
        return;
    };
    let repository = repository();
    let sandbox = Sandbox::start(config(repository.path())).await.unwrap();
    let code = format!("print('in the cell')\n{}", code.to_string_lossy());
    let ran = sandbox
        .run_python(&code, |text| eprintln!("{text}"), &CancellationToken::new())
        .await;
    panic!("it ended: {ran:?}");
}

fn helper(code: &str) -> std::process::Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_that_stays_in_a_cell", "--nocapture"])
        .env("DESCANT_TEST_HELPER", code)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    let mut lines = said.lines();
    assert!(
        lines.any(|line| line.unwrap().contains("in the cell")),
        "the helper did not start"
    );
    // Kept open: a closed pipe would end it before it is killed.
    std::mem::forget(lines);
    child
}

#[tokio::test]
async fn killed_in_a_cell_it_leaves_no_container_behind() {
    let session = session!();
    let docker = docker();
    let times = std::env::var("DESCANT_KILLS")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(5);
    let codes = [
        "while True: pass",
        "import time\ntime.sleep(1000)",
        "while True: print('x' * 10000)",
        "import os, time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0: os.setsid()\ntime.sleep(1000)",
        "import subprocess\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)\nwhile True:\n    try: input()\n    except BaseException: pass",
    ];
    for code in codes.iter().cycle().take(times) {
        let mut child = helper(code);
        assert_eq!(containers_of(&docker, child.id()).await.len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        let begin = Instant::now();
        while !containers_of(&docker, child.id()).await.is_empty() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "a container is left after {code:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(session.ok("1 + 1").await, "2\n", "another session goes on");
}

#[tokio::test]
async fn the_next_start_removes_what_a_dead_session_left_and_nothing_else() {
    let session = session!();
    let docker = docker();
    let theirs = |name: &str, label: Option<String>| {
        let mut arguments = vec![
            "create".to_owned(),
            "--name".to_owned(),
            format!("descant-test-{name}-{}", std::process::id()),
        ];
        if let Some(label) = label {
            arguments.extend(["--label".to_owned(), format!("{OWNER}={label}")]);
        }
        arguments.extend([config(Path::new("/")).image, "python3".to_owned()]);
        let created = Command::new("docker").args(arguments).output().unwrap();
        assert!(
            created.status.success(),
            "{}",
            String::from_utf8_lossy(&created.stderr)
        );
        String::from_utf8(created.stdout).unwrap().trim().to_owned()
    };
    // A container whose supervisor was stopped by the code cannot leave by itself: it waits for the next start.
    let mut child = helper(
        "import os, signal, time\ntime.sleep(1)\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(1000)",
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = containers_of(&docker, child.id()).await;
    let labels = docker
        .inspect_container(&left[0], None)
        .await
        .unwrap()
        .config
        .unwrap()
        .labels
        .unwrap();
    let label = labels[OWNER].clone();
    let with = |field: usize, value: &str| {
        let mut fields: Vec<&str> = label.split('/').collect();
        fields[field] = value;
        Some(fields.join("/"))
    };
    let kept = [
        theirs("unlabelled", None),
        theirs("strange", Some("not ours".to_owned())),
        theirs("machine", with(0, "0123456789abcdef")),
        theirs("user", with(1, "4242")),
        theirs("namespace", with(3, "pid:1")),
    ];
    let gone = [
        theirs("boot", with(2, "another-boot")),
        theirs("reused", with(5, "1")),
    ];
    child.kill().unwrap();
    child.wait().unwrap();

    let next = Session::start(|_| {}).await.unwrap();
    let exists = async |id: &str| docker.inspect_container(id, None).await.is_ok();
    assert!(
        !exists(&left[0]).await,
        "the dead session's container is left"
    );
    for id in &gone {
        assert!(!exists(id).await);
    }
    for id in &kept {
        assert!(exists(id).await, "somebody else's container was removed");
        let force = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        docker.remove_container(id, Some(force)).await.unwrap();
    }
    assert_eq!(
        session.ok("1 + 1").await,
        "2\n",
        "the living session goes on"
    );
    assert_eq!(next.ok("1 + 1").await, "2\n");
}
