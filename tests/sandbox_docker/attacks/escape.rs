//! Namespaces, mounts, rights, other processes, and calls into the kernel.

use super::{Attack, assert_all_denied};

#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    ("a file system is mounted", "done(libc.mount(b'none', b'/mnt/data', b'tmpfs', 0, None))", &["EPERM"]),
    ("the root is made writable", "done(libc.mount(None, b'/', None, 32 | 4096, None))", &["EPERM"]),
    ("the repository is made writable", "done(libc.mount(None, b'/workspace', None, 32 | 4096, None))", &["EPERM"]),
    ("the repository is bound elsewhere", "done(libc.mount(b'/workspace', b'/tmp', None, 4096, None))", &["EPERM"]),
    ("the repository is unmounted", "done(libc.umount2(b'/workspace', 2))", &["EPERM"]),
    ("a mount is opened the new way", "call('fsopen', b'tmpfs', 0)", &["EPERM", "ENOSYS"]),
    ("a mount is moved the new way", "call('move_mount', -100, b'/workspace', -100, b'/tmp', 0)", &["EPERM", "ENOSYS"]),
    ("a mount is cloned the new way", "call('open_tree', -100, b'/workspace', 1)", &["EPERM", "ENOSYS"]),
    ("a mounts flags are changed the new way", "call('mount_setattr', -100, b'/workspace', 0, bytes(32), 32)", &["EPERM", "ENOSYS"]),
    ("the root is changed", "done(libc.chroot(b'/tmp'))", &["EPERM"]),
    ("the root is pivoted", "call('pivot_root', b'/tmp', b'/tmp')", &["EPERM", "ENOSYS"]),
    ("a user namespace is made", "done(libc.unshare(0x10000000))", &["EPERM"]),
    ("a mount namespace is made", "done(libc.unshare(0x20000))", &["EPERM"]),
    ("a network namespace is made", "done(libc.unshare(0x40000000))", &["EPERM"]),
    ("a process namespace is made", "done(libc.unshare(0x20000000))", &["EPERM"]),
    ("a child in a user namespace is made", "call('clone3', struct.pack('11Q', 0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88)", &["EPERM", "ENOSYS"]),
    ("another namespace is entered", "done(libc.setns(os.open('/proc/self/ns/mnt', os.O_RDONLY), 0))", &["EPERM"]),
    ("the namespace of process 1 is entered", "done(libc.setns(os.open('/proc/1/ns/mnt', os.O_RDONLY), 0))", &["EPERM", "EACCES"]),
    ("it becomes root", "os.setuid(0)", &["EPERM"]),
    ("its group becomes root", "os.setgid(0)", &["EPERM"]),
    ("it joins groups", "os.setgroups([0, 999])", &["EPERM"]),
    ("it becomes somebody else", "os.setresuid(1, 1, 1)", &["EPERM"]),
    ("it takes capabilities", "done(libc.capset(struct.pack('Ii', 0x20080522, 0), struct.pack('6I', 0xffffffff, 0xffffffff, 0, 0xffffffff, 0xffffffff, 0)))", &["EPERM"]),
    ("it allows new privileges", "done(libc.prctl(38, 0, 0, 0, 0))", &["EINVAL"]),
    ("it raises its priority", "os.nice(-5)", &["EPERM", "EACCES"]),
    ("it runs in real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))", &["EPERM"]),
    ("it escapes the killer of memory", "write('/proc/self/oom_score_adj', '-1000')", &["EACCES", "EPERM"]),
    ("it raises its limit of files", "import resource\nresource.prlimit(0, resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))", &["EPERM"]),
    ("the supervisors memory is read", "read('/proc/%d/mem' % os.getppid())", &["EACCES", "EPERM"]),
    ("the supervisors environment is read", "read('/proc/%d/environ' % os.getppid())", &["EACCES", "EPERM"]),
    ("the supervisors descriptors are listed", "os.listdir('/proc/%d/fd' % os.getppid())", &["EACCES", "EPERM"]),
    ("the supervisor is traced", "call('ptrace', 16, os.getppid(), 0, 0)", &["EPERM", "ENOSYS"]),
    ("process 1 is traced", "call('ptrace', 16, 1, 0, 0)", &["EPERM", "ENOSYS"]),
    ("another processes memory is read", "call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 1)", &["EPERM", "ENOSYS", "EINVAL"]),
    ("another processes objects are compared", "call('kcmp', 1, os.getppid(), 0, 0, 0)", &["EPERM", "ENOSYS"]),
    ("a program is loaded into the kernel", "call('bpf', 0, bytes(128), 128)", &["EPERM", "ENOSYS"]),
    ("a module is loaded", "call('init_module', b'', 0, b'')", &["EPERM", "ENOSYS"]),
    ("a module is loaded from a file", "call('finit_module', 0, b'', 0)", &["EPERM", "ENOSYS"]),
    ("another kernel is loaded", "call('kexec_load', 0, 0, 0, 0)", &["EPERM", "ENOSYS"]),
    ("a key is added", "call('add_key', b'user', b'x', b'y', 1, -3)", &["EPERM", "ENOSYS"]),
    ("a key is asked for", "call('request_key', b'user', b'x', None, -3)", &["EPERM", "ENOSYS"]),
    ("a key ring is joined", "call('keyctl', 1, None)", &["EPERM", "ENOSYS"]),
    ("an io ring is set up", "call('io_uring_setup', 8, bytes(120))", &["EPERM", "ENOSYS"]),
    ("page faults are served", "call('userfaultfd', 0)", &["EPERM", "ENOSYS"]),
    ("the machine is measured", "call('perf_event_open', bytes(120), 0, -1, -1, 0)", &["EPERM", "ENOSYS", "EACCES"]),
    ("the kernels log is read", "call('syslog', 3, bytes(100), 100)", &["EPERM", "ENOSYS"]),
    ("the clock is set", "call('settimeofday', struct.pack('2q', 0, 0), None)", &["EPERM", "ENOSYS"]),
    ("the clock is set the new way", "call('clock_settime', 0, struct.pack('2q', 0, 0))", &["EPERM", "ENOSYS"]),
    ("the clock is steered", "call('clock_adjtime', 0, struct.pack('I', 2) + bytes(204))", &["EPERM", "ENOSYS"]),
    ("ports are opened", "call('iopl', 3)", &["EPERM", "ENOSYS"]),
    ("a port is opened", "call('ioperm', 0x70, 1, 1)", &["EPERM", "ENOSYS"]),
    ("accounting is switched on", "call('acct', b'/tmp/x')", &["EPERM", "ENOSYS"]),
    ("quotas are changed", "call('quotactl', 0, 0, 0, 0)", &["EPERM", "ENOSYS"]),
    ("swap is switched on", "call('swapon', b'/tmp/x', 0)", &["EPERM", "ENOSYS"]),
    ("the machine is started anew", "call('reboot', 0xfee1dead, 672274793, 0x1234567, 0)", &["EPERM", "ENOSYS"]),
    ("the host is renamed", "socket.sethostname('mine')", &["EPERM"]),
    ("the code segment is changed", "call('name_to_handle_at', -100, b'/workspace', bytes(8), bytes(4), 0)", &["EPERM", "ENOSYS", "EOVERFLOW"]),
];

#[tokio::test]
async fn it_does_not_get_out_of_its_container() {
    assert_all_denied(ATTACKS, 40).await;
}

/// The rights themselves, whatever an attack made of them.
#[tokio::test]
async fn it_has_no_rights_and_is_nobody() {
    let session = session!();
    let said = session
        .ok(r#"
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
print([int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], status["NoNewPrivs"].strip(), status["Seccomp"].strip())
print(0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()), os.getgroups() in ([], [os.getgid()]))
print(os.getpid() < 100, len([name for name in os.listdir("/proc") if name.isdigit()]) <= 4)
"#)
        .await;
    assert_eq!(said, "[0, 0, 0, 0, 0] 1 2\nFalse True\nTrue True\n");
}

/// A program with the setuid bit gains nothing by it.
#[tokio::test]
async fn a_setuid_program_is_run() {
    let session = session!();
    let said = session
        .ok(r#"
import os, stat, subprocess
found = [path for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin") if os.path.isdir(folder) for path in (folder + "/" + name for name in os.listdir(folder))
    if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID]
gained = []
for path in found:
    # Stopped before its first instruction, so that it can be looked at.
    child = subprocess.Popen(["/bin/sh", "-c", 'kill -STOP $$; exec "$0" </dev/null >/dev/null 2>&1', path])
    os.waitpid(child.pid, os.WUNTRACED)
    os.kill(child.pid, 18)
    for _ in range(200):
        try: uids = open("/proc/%d/status" % child.pid).read().split("Uid:")[1].split("\n")[0].split()
        except OSError: break
        if "0" in uids: gained.append((path, uids))
        if child.poll() is not None: break
    child.kill(); child.wait()
print(gained)
"#)
        .await;
    assert_eq!(said, "[]\n");
}
