//! Whose a container is, as its label says it, and whether that owner is dead.
//!
//! Containers are only removed when their owner is provably gone: a process of this user, on this machine, in this
//! process-id namespace, that has ended, or one from before the last boot. Anything unclear is left alone: its
//! container leaves by itself when its owner's connection closes.

use std::path::Path;

use sha2::{Digest, Sha256};

pub(super) const OWNER_LABEL: &str = "dev.descant.owner";
pub(super) const SESSION_LABEL: &str = "dev.descant.session";

/// A process, in words that no other process ever has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// A hash of the machine's id and name: several machines may share one engine.
    machine: String,
    user: u32,
    boot: String,
    /// The process-id namespace; numbers of another one cannot be looked up here.
    namespace: String,
    pid: u32,
    /// When the process started: numbers are used again.
    started: String,
}

impl Owner {
    pub(super) fn current() -> Self {
        let pid = std::process::id();
        Self {
            machine: machine(),
            user: super::request::host_user().0,
            boot: boot(),
            namespace: namespace(),
            pid,
            started: started(pid).unwrap_or_default(),
        }
    }

    pub(super) fn label(&self) -> String {
        let Self {
            machine,
            user,
            boot,
            namespace,
            pid,
            started,
        } = self;
        format!("{machine}/{user}/{boot}/{namespace}/{pid}/{started}")
    }

    fn parse(label: &str) -> Option<Self> {
        let fields: Vec<&str> = label.split('/').collect();
        let [machine, user, boot, namespace, pid, started] = fields.as_slice() else {
            return None;
        };
        Some(Self {
            machine: (*machine).to_owned(),
            user: user.parse().ok()?,
            boot: (*boot).to_owned(),
            namespace: (*namespace).to_owned(),
            pid: pid.parse().ok()?,
            started: (*started).to_owned(),
        })
    }

    /// Whether a container with this label is left over from a dead process of ours. `started` looks a process up.
    fn left_behind(&self, label: &str, started: impl Fn(u32) -> Option<String>) -> bool {
        let Some(other) = Self::parse(label) else {
            return false;
        };
        if other.machine != self.machine || other.user != self.user || self.boot.is_empty() {
            return false;
        }
        if other.boot != self.boot {
            return true;
        }
        other.namespace == self.namespace && started(other.pid).as_ref() != Some(&other.started)
    }

    pub(super) fn is_left_behind(&self, label: &str) -> bool {
        self.left_behind(label, started)
    }
}

fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == ':')
        .collect()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Hashed, because a machine's id is meant to stay on it and labels may not.
fn machine() -> String {
    let id = read("/etc/machine-id").or_else(|| said("sysctl", &["-n", "kern.uuid"]));
    let name = read("/proc/sys/kernel/hostname").or_else(|| said("hostname", &[]));
    let mut hash = Sha256::new();
    hash.update("descant sandbox owner\n");
    hash.update(id.unwrap_or_default());
    hash.update(name.unwrap_or_default());
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn boot() -> String {
    let boot = read("/proc/sys/kernel/random/boot_id")
        .or_else(|| said("sysctl", &["-n", "kern.bootsessionuuid"]));
    clean(&boot.unwrap_or_default())
}

fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/pid")
        .map_or_else(|_| String::new(), |link| clean(&link.to_string_lossy()))
}

/// The start time of a running process; `None` when there is none with this number.
fn started(pid: u32) -> Option<String> {
    if !cfg!(target_os = "linux") {
        return said("ps", &["-o", "lstart=", "-p", &pid.to_string()]).map(|text| clean(&text));
    }
    let stat = read(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in brackets and may hold anything; state is the first after it,
    // the start time the 20th (proc(5), field 22).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    match fields.next() {
        Some("Z" | "X") | None => None,
        Some(_) => fields.nth(18).map(str::to_owned),
    }
}

/// Systems without /proc tell such things only through their own tools.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    if cfg!(target_os = "linux") {
        return None;
    }
    let output = std::process::Command::new(program)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            machine: "m".into(),
            user: 1000,
            boot: "b".into(),
            namespace: "pid:1".into(),
            pid: 42,
            started: "777".into(),
        }
    }

    #[test]
    fn a_label_reads_back() {
        for owner in [owner(), Owner::current()] {
            assert_eq!(Owner::parse(&owner.label()), Some(owner));
        }
    }

    #[test]
    fn only_the_dead_of_this_user_on_this_machine_leave_something_behind() {
        let me = owner();
        let running = |pid: u32| (pid == 43).then(|| "900".to_owned());
        let other = |change: fn(&mut Owner)| {
            let mut other = Owner {
                pid: 43,
                started: "900".into(),
                ..owner()
            };
            change(&mut other);
            me.left_behind(&other.label(), running)
        };
        assert!(!other(|_| {}), "it runs");
        assert!(other(|o| o.pid = 44), "no such process");
        assert!(
            other(|o| o.started = "899".into()),
            "the number was used again"
        );
        assert!(other(|o| o.boot = "a".into()), "before the last boot");
        assert!(
            !other(|o| {
                o.pid = 44;
                o.machine = "n".into()
            }),
            "another machine"
        );
        assert!(
            !other(|o| {
                o.pid = 44;
                o.user = 0
            }),
            "another user"
        );
        assert!(
            !other(|o| {
                o.pid = 44;
                o.namespace = "pid:2".into()
            }),
            "cannot be looked up here"
        );
        assert!(
            !me.left_behind("", running) && !me.left_behind("m/1000/b/pid:1/x/1", running),
            "not a label of ours"
        );
        let unknown = Owner {
            boot: String::new(),
            ..owner()
        };
        assert!(
            !unknown.left_behind(&owner().label(), running),
            "this boot is not known"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_live_process_is_alive_and_an_ended_one_is_not() {
        let me = Owner::current();
        assert!(!me.is_left_behind(&me.label()));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let label = Owner {
            pid: child.id(),
            started: started(child.id()).unwrap(),
            ..me.clone()
        }
        .label();
        assert!(!me.is_left_behind(&label));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(me.is_left_behind(&label));
    }
}
