//! Files of the repository, of the image, of the machine; devices; `/proc` and `/sys`.

use std::os::unix::fs::PermissionsExt;

use descant::sandbox::CellExit;

use super::{Attack, assert_all_denied};

#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    ("a file of the repository is written", "write('/workspace/hello.txt')", &["EROFS"]),
    ("a file of the repository is made", "write('/workspace/new')", &["EROFS"]),
    ("a file of the repository is removed", "os.remove('/workspace/hello.txt')", &["EROFS"]),
    ("a file of the repository is renamed", "os.rename('/workspace/hello.txt', '/workspace/other')", &["EROFS"]),
    ("a mode in the repository is changed", "os.chmod('/workspace/hello.txt', 0o777)", &["EROFS"]),
    ("a time in the repository is changed", "os.utime('/workspace/hello.txt')", &["EROFS"]),
    ("a link is made in the repository", "os.symlink('/etc/passwd', '/workspace/link')", &["EROFS"]),
    ("a file of the repository is linked elsewhere", "os.link('/workspace/hello.txt', '/tmp/link')", &["EXDEV", "EPERM"]),
    ("a file of the image is written", "write('/etc/passwd')", &["EROFS", "EACCES"]),
    ("a program of the image is replaced", "os.rename('/bin/sh', '/bin/sh2')", &["EROFS", "EACCES"]),
    ("a file is made at the root", "write('/new')", &["EROFS", "EACCES"]),
    ("a file is made in run", "write('/run/new')", &["EROFS", "EACCES"]),
    ("a file is made in dev", "write('/dev/new')", &["EACCES", "EROFS"]),
    ("a program in tmp is run", "write('/tmp/program', '#!/bin/sh\\n'); os.chmod('/tmp/program', 0o755); os.execv('/tmp/program', ['x'])", &["EACCES"]),
    ("a program in data is run", "write('/mnt/data/program', '#!/bin/sh\\n'); os.chmod('/mnt/data/program', 0o755); os.execv('/mnt/data/program', ['x'])", &["EACCES"]),
    ("a device is made", "os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))", &["EPERM"]),
    ("a character device is made", "os.mknod('/tmp/mem', 0o20600, os.makedev(1, 1))", &["EPERM"]),
    ("the machines memory is read", "read('/dev/mem')", &["ENOENT"]),
    ("the machines disk is read", "[read(path) for path in ('/dev/sda', '/dev/vda', '/dev/nvme0n1', '/dev/loop0', '/dev/dm-0')]", &["ENOENT"]),
    ("a virtual machine is made", "read('/dev/kvm')", &["ENOENT"]),
    ("a file system of its own is served", "read('/dev/fuse')", &["ENOENT"]),
    ("the machines log is read", "read('/dev/kmsg')", &["ENOENT"]),
    ("the shadow file is read", "read('/etc/shadow')", &["EACCES"]),
    ("the core pattern is written", "write('/proc/sys/kernel/core_pattern', '|/tmp/x')", &["EROFS", "EACCES"]),
    ("the magic key is pressed", "write('/proc/sysrq-trigger', 'b')", &["EROFS", "EACCES", "ENOENT"]),
    ("a setting of the kernel is written", "write('/proc/sys/vm/drop_caches', '3')", &["EROFS", "EACCES"]),
    ("the hotplug helper is set", "write('/sys/kernel/uevent_helper', '/tmp/x')", &["EROFS", "EACCES", "ENOENT"]),
    ("the release agent is set", "[write(path, '/tmp/x') for path in ('/sys/fs/cgroup/memory/release_agent', '/sys/fs/cgroup/release_agent')]", &["EROFS", "EACCES", "ENOENT"]),
    ("its own memory limit is raised", "write('/sys/fs/cgroup/memory/memory.limit_in_bytes' if os.path.isdir('/sys/fs/cgroup/memory') else '/sys/fs/cgroup/memory.max', '-1')", &["EROFS", "EACCES"]),
    ("a control group is made", "os.mkdir('/sys/fs/cgroup/memory/x' if os.path.isdir('/sys/fs/cgroup/memory') else '/sys/fs/cgroup/x')", &["EROFS", "EACCES"]),
    ("the kernels memory is read", "open('/proc/kcore', 'rb').read(1) or done(-1)", &["EACCES", "ENOENT", "0"]),
    ("the kernels keys are read", "open('/proc/keys').read(1) or done(-1)", &["EACCES", "ENOENT", "0"]),
    ("the firmware is read", "os.listdir('/sys/firmware') or done(-1)", &["EACCES", "ENOENT", "0"]),
    ("the root of process 1 is another", "same = os.stat('/proc/1/root/')[1:3] == os.stat('/')[1:3]\nif same: raise OSError(errno.EXDEV, 'it is the container\\'s own')", &["EXDEV", "EACCES", "EPERM"]),
    ("the engines socket is found", "[socket.socket(socket.AF_UNIX).connect(path) for path in ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock', '/run/podman/podman.sock')]", &["ENOENT"]),
    ("a file is opened by its handle", "call('open_by_handle_at', os.open('/workspace', os.O_RDONLY), struct.pack('IiQ', 8, 1, 2), 0)", &["EPERM", "ENOSYS"]),
];

#[tokio::test]
async fn no_file_but_its_own_is_reached() {
    assert_all_denied(ATTACKS, 30).await;
}

#[tokio::test]
async fn the_hooks_of_git_are_written() {
    let session = session!();
    let hooks = session.repository().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for folder in [hooks.parent().unwrap(), &hooks] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    for file in ["hooks/pre-commit", "config", "HEAD"] {
        let attack = format!("write('/workspace/.git/{file}', '#!/bin/sh\\n')");
        super::assert_denied(&session, &attack, &["EROFS"]).await;
    }
    assert_eq!(std::fs::read_dir(&hooks).unwrap().count(), 0);
}

/// A link in the repository is followed inside the container, where its target is another or none.
#[tokio::test]
async fn a_link_out_of_the_repository_is_followed() {
    let session = session!();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    std::fs::set_permissions(secret.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let repository = session.repository();
    std::os::unix::fs::symlink(secret.path(), repository.join("absolute")).unwrap();
    let relative = format!("../../../../..{}", secret.path().display());
    std::os::unix::fs::symlink(relative, repository.join("relative")).unwrap();
    for name in ["absolute", "relative"] {
        let attack = format!("read('/workspace/{name}')");
        super::assert_denied(&session, &attack, &["ENOENT"]).await;
    }
}

#[tokio::test]
async fn a_secret_of_the_environment_is_looked_for() {
    let session = session!();
    let said = session
        .ok("import os\nprint(sorted(name for name in os.environ if name not in ('PATH', 'HOME', 'TMPDIR', 'LANG', 'TERM', 'LC_CTYPE', 'MPLBACKEND', 'MPLCONFIGDIR')))")
        .await;
    assert_eq!(said, "[]\n");
}

#[tokio::test]
async fn every_mount_is_one_of_ours_and_read_only_or_small() {
    let session = session!();
    let said = session
        .ok("for line in open('/proc/self/mounts'):\n    _, place, kind, options, *_ = line.split()\n    if 'rw' in options.split(','): print(place, kind)")
        .await;
    // Masked paths are an empty device each; the folder of control groups is root's and holds read-only mounts.
    let mut writable: Vec<&str> = said
        .lines()
        .filter(|line| !line.starts_with("/proc/") && *line != "/sys/fs/cgroup tmpfs")
        .collect();
    writable.sort_unstable();
    let mut expected = vec![
        "/dev tmpfs",
        "/dev/mqueue mqueue",
        "/dev/pts devpts",
        "/dev/shm tmpfs",
        "/mnt/data tmpfs",
        "/proc proc",
        "/tmp tmpfs",
    ];
    if session.is_podman() {
        // Its own, with sizes that were asked for.
        expected.extend(["/run tmpfs", "/var/tmp tmpfs"]);
        expected.sort_unstable();
    }
    assert_eq!(writable, expected);
    let result = session.run("open('/dev/mqueue/x', 'w')").await;
    assert!(matches!(result.exit, CellExit::Ok | CellExit::Error));
}
