//! How much memory there is and how much of it can still be had: the machine's, and what a control group leaves of it.
//!
//! The arithmetic is over text of `/proc` and `/sys`; `root` is `/` but for tests.

use std::path::{Path, PathBuf};

/// Bytes of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// What programs can still get without swapping.
    pub available: u64,
    /// A control group holds it down, not the machine.
    pub limited: bool,
}

/// `None` where the system does not say.
pub fn memory() -> Option<Memory> {
    memory_of(Path::new("/"))
}

/// [`memory`], what can still be had of it.
pub fn available_memory() -> Option<u64> {
    memory().map(|memory| memory.available)
}

/// Less than this share of the machine's memory left is short.
const SHORT: u64 = 12;

/// How often memory is looked at where the system does not call.
const LOOK: std::time::Duration = std::time::Duration::from_secs(30);

fn is_short() -> bool {
    memory().is_some_and(|memory| memory.available < memory.total / SHORT)
}

/// Ends when memory is short. On Linux the kernel calls when programs wait for memory (pressure stall information), so
/// nothing wakes up before; elsewhere, and where it does not call, it is looked at now and then.
pub async fn short() {
    #[cfg(target_os = "linux")]
    if let Some(mut calls) = pressure::Calls::open() {
        while calls.next().await.is_ok() {
            // Waiting alone is also what a busy disk looks like.
            if is_short() {
                return;
            }
        }
    }
    loop {
        tokio::time::sleep(LOOK).await;
        if is_short() {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
mod pressure {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// 150 ms of waiting in 2 s; windows of 2 s are open to everybody.
    const TRIGGER: &[u8] = b"some 150000 2000000\0";

    /// A trigger of the kernel's; it is gone with the file.
    pub(super) struct Calls(AsyncFd<File>);

    impl Calls {
        pub(super) fn open() -> Option<Calls> {
            let path = "/proc/pressure/memory";
            let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
            file.write_all(TRIGGER).ok()?;
            // It is deprecated for types that lie about their descriptor; a file does not, and no unsafe code is wanted.
            #[allow(deprecated)]
            let calls = AsyncFd::with_interest(file, Interest::PRIORITY);
            calls.ok().map(Calls)
        }

        pub(super) async fn next(&mut self) -> std::io::Result<()> {
            let mut ready = self.0.ready(Interest::PRIORITY).await?;
            ready.clear_ready();
            Ok(())
        }
    }
}

#[cfg(target_os = "linux")]
fn memory_of(root: &Path) -> Option<Memory> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let mut memory = Memory {
        total: meminfo(&text, "MemTotal:")?,
        available: meminfo(&text, "MemAvailable:")?,
        limited: false,
    };
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    for (limit, room) in limits(root, &groups) {
        memory.total = memory.total.min(limit);
        if room < memory.available {
            memory.available = room;
            memory.limited = true;
        }
    }
    Some(memory)
}

/// Where there is no `/proc`, mistral.rs knows.
#[cfg(not(target_os = "linux"))]
fn memory_of(_root: &Path) -> Option<Memory> {
    use mistralrs::core::MemoryUsage;
    let cpu = mistralrs::Device::Cpu;
    Some(Memory {
        total: MemoryUsage.get_total_memory(&cpu).ok()? as u64,
        available: MemoryUsage.get_memory_available(&cpu).ok()? as u64,
        limited: false,
    })
}

#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit of each group this process is in, with what is left below it. What only caches files does not count as
/// used: it is given back before anything is killed.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn limits(root: &Path, groups: &str) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (mount, limit, used, inactive) = if controllers.is_empty() {
            (
                "sys/fs/cgroup",
                "memory.max",
                "memory.current",
                "inactive_file ",
            )
        } else if controllers.split(',').any(|c| c == "memory") {
            (
                "sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file ",
            )
        } else {
            continue;
        };
        let mount = root.join(mount);
        for group in upwards(&mount, path) {
            let number = |name: &str| -> Option<u64> {
                std::fs::read_to_string(group.join(name))
                    .ok()?
                    .trim()
                    .parse()
                    .ok()
            };
            let stat = std::fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let cached = stat
                .lines()
                .find_map(|l| l.strip_prefix(inactive)?.trim().parse::<u64>().ok());
            if let (Some(limit), Some(used)) = (number(limit), number(used)) {
                let used = used.saturating_sub(cached.unwrap_or(0));
                found.push((limit, limit.saturating_sub(used)));
            }
        }
    }
    found
}

/// The group and those above it. In a container the mount itself is the group, whatever its path says.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn upwards(mount: &Path, path: &str) -> Vec<PathBuf> {
    let group = mount.join(path.trim_start_matches('/'));
    group
        .ancestors()
        .take_while(|p| p.starts_with(mount))
        .map(Path::to_owned)
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(files: &[(&str, &str)]) -> Machine {
            let machine = Machine(tempfile::tempdir().unwrap());
            machine.write(
                "proc/meminfo",
                "MemTotal: 33554432 kB\nMemFree: 1 kB\nMemAvailable: 16777216 kB\n",
            );
            for (path, text) in files {
                machine.write(path, text);
            }
            machine
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn memory(&self) -> (u64, u64, bool) {
            let memory = memory_of(self.0.path()).unwrap();
            (memory.total / GIB, memory.available / GIB, memory.limited)
        }
    }

    #[test]
    fn the_machines_own_where_nothing_limits_it() {
        assert_eq!(Machine::new(&[]).memory(), (32, 16, false));
        let unlimited = Machine::new(&[
            ("proc/self/cgroup", "0::/user.slice\n"),
            ("sys/fs/cgroup/user.slice/memory.max", "max\n"),
            ("sys/fs/cgroup/user.slice/memory.current", "1000\n"),
        ]);
        assert_eq!(unlimited.memory(), (32, 16, false));
        assert!(available_memory().unwrap() > 1 << 20);
    }

    #[test]
    fn the_tightest_group_above_counts_without_its_file_cache() {
        let v2 = Machine::new(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "8589934592\n"),
            ("sys/fs/cgroup/a/memory.current", "6442450944\n"),
            (
                "sys/fs/cgroup/a/memory.stat",
                "anon 1\ninactive_file 2147483648\n",
            ),
        ]);
        assert_eq!(v2.memory(), (8, 4, true));
        let v1 = Machine::new(&[
            (
                "proc/self/cgroup",
                "9:cpu:/\n4:hugetlb,memory:/docker/x\n0::/\n",
            ),
            (
                "sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes",
                "4294967296\n",
            ),
            (
                "sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes",
                "1073741824\n",
            ),
            (
                "sys/fs/cgroup/memory/docker/x/memory.stat",
                "total_inactive_file 0\n",
            ),
        ]);
        assert_eq!(v1.memory(), (4, 3, true));
        // Seen from inside a container the path is the host's and the mount is the group.
        let inside = Machine::new(&[
            ("proc/self/cgroup", "0::/docker/abc\n"),
            ("sys/fs/cgroup/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/memory.current", "0\n"),
        ]);
        assert_eq!(inside.memory(), (2, 2, true));
    }

    #[test]
    fn what_is_no_number_is_not_counted() {
        assert_eq!(meminfo("MemTotal: 1 kB\n", "MemAvailable:"), None);
        assert_eq!(meminfo("MemAvailable: many kB\n", "MemAvailable:"), None);
        let odd = Machine::new(&[("proc/self/cgroup", "what\n0::/../..\n::\n")]);
        assert_eq!(odd.memory(), (32, 16, false));
    }
}
