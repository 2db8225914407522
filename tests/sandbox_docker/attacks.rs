//! What the code may try. What can only fail is a row of a table, whose rows share a container; what leaves something
//! behind is a test of its own, in a container of its own.
//!
//! An attack is Python that does something forbidden. It counts as denied only by one of the errors its row names, so
//! that one with a slip of the pen, which reaches nothing either, fails the test.

mod escape;
mod files;
mod network;
mod protocol;
mod resources;

use crate::support::Session;

/// Names for the attacks. `done` takes what a C function returned.
const PROLOGUE: &str = r#"
import ctypes, errno, mmap, os, platform, socket, struct, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def done(result):
    if result < 0: raise OSError(ctypes.get_errno(), "")
# Numbers of system calls without a wrapper: x86_64's, and those that every architecture has.
X86 = platform.machine() == "x86_64"
NR = dict(io_uring_setup=425, open_tree=428, move_mount=429, fsopen=430, clone3=435, mount_setattr=442)
NR.update(dict(ptrace=101, syslog=103, pivot_root=155, acct=163, settimeofday=164, swapon=167, reboot=169, iopl=172, ioperm=173, init_module=175,
    quotactl=179, clock_settime=227, kexec_load=246, add_key=248, request_key=249, keyctl=250, unshare=272, perf_event_open=298,
    name_to_handle_at=303, open_by_handle_at=304, clock_adjtime=305, setns=308, process_vm_readv=310, kcmp=312, finit_module=313, bpf=321,
    userfaultfd=323) if X86 else {})
def call(name, *arguments):
    if name not in NR: raise OSError(errno.ENOSYS, "")
    done(libc.syscall(NR[name], *arguments))
def read(path):
    with open(path, "rb") as file: return file.read(1)
def write(path, text="x", mode="w"):
    with open(path, mode) as file: file.write(text)
"#;

/// Runs the attack; it must end with one of these errors.
pub async fn assert_denied(session: &Session, attack: &str, errors: &[&str]) {
    let said = tried(session, attack).await;
    assert!(
        errors.contains(&said.as_str()),
        "{attack}\n  said {said:?}, of {errors:?}"
    );
}

/// `reached`, or the name of the error that the attack ended with.
async fn tried(session: &Session, attack: &str) -> String {
    let body: String = attack
        .trim()
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    let code = format!(
        "{PROLOGUE}\ntry:\n{body}    print('reached')\nexcept OSError as error:\n    print(errno.errorcode.get(error.errno, error.errno))\n"
    );
    session.ok(&code).await.trim().to_owned()
}

/// A name, the attack, and the errors that deny it.
pub type Attack = (&'static str, &'static str, &'static [&'static str]);

/// Tries every row, one after the other in one container, and names those that were not denied. `least`: so many rows
/// there are, for a table that was emptied would pass.
pub async fn assert_all_denied(table: &[Attack], least: usize) {
    assert!(table.len() >= least, "{} attacks", table.len());
    let session = session!();
    let mut failed = Vec::new();
    for (name, attack, errors) in table {
        let said = tried(&session, attack).await;
        if !errors.contains(&said.as_str()) {
            failed.push(format!("{name}: {attack}\n  said {said:?}, of {errors:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    session.sandbox.stop().await;
}
