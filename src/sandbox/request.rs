//! The create request: every limit and every lock of the container, in one pure function.
//!
//! A golden test holds each field; changing one is a decision about safety, not a detail.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions, MountType,
    ResourcesUlimits,
};

use super::kernel::SUPERVISOR;
use super::{EngineLocator, SandboxConfig, SandboxError};

/// Where the repository, or the view of it, is inside the container.
pub const WORKSPACE: &str = "/workspace";

/// What [`empty_folder`] is in words.
const COVER: &str = "ro,noexec,nosuid,nodev,size=4096,mode=555,notmpcopyup";

/// Who the container's processes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUser {
    /// `UID:GID`.
    pub user: String,
    /// The user-namespace mode, where the engine needs one for that user to be the owner of the repository.
    pub userns: Option<String>,
}

/// The kinds of engine that map users differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mapping {
    /// A user in the container is the same user on the host.
    Same,
    /// Rootless Docker: the host user is 0 in the container, all others are subordinate ids.
    RootlessDocker,
    /// Rootless Podman, which can be asked to keep the host user's id.
    RootlessPodman,
}

/// Never root of the host. The repository may be readable only by its user, so that is who the code runs as; root's
/// own sessions run as the repository's owner or, when that is root as well, as nobody (and /workspace is then
/// readable only where its modes let everyone read).
pub(super) fn container_user(
    mapping: Mapping,
    host: (u32, u32),
    workspace_owner: Option<(u32, u32)>,
) -> ContainerUser {
    const NOBODY: (u32, u32) = (65534, 65534);
    let (uid, gid) = match (host.0, workspace_owner) {
        (0, Some(owner)) if owner.0 != 0 => owner,
        (0, _) => NOBODY,
        _ => host,
    };
    match mapping {
        Mapping::Same => ContainerUser {
            user: format!("{uid}:{gid}"),
            userns: None,
        },
        // The only id that owns the user's files there. It has no capability, and is nobody special on the host.
        Mapping::RootlessDocker => ContainerUser {
            user: "0:0".to_owned(),
            userns: None,
        },
        Mapping::RootlessPodman => ContainerUser {
            user: format!("{uid}:{gid}"),
            userns: Some("keep-id".to_owned()),
        },
    }
}

/// The effective user and group of this process.
pub(super) fn host_user() -> (u32, u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // The process's own folder is owned by it; elsewhere a fresh file is.
        let owned = std::fs::metadata("/proc/self")
            .or_else(|_no_proc| tempfile::tempfile().and_then(|file| file.metadata()));
        owned.map_or((65534, 65534), |meta| (meta.uid(), meta.gid()))
    }
    #[cfg(not(unix))]
    {
        (65534, 65534)
    }
}

pub(super) fn owner_of(path: &Path) -> Option<(u32, u32)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path)
            .ok()
            .map(|meta| (meta.uid(), meta.gid()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Refuses to mount what would hand the model's code more than a repository: sockets can be connected to through
/// a read-only mount, so a home folder with an agent's socket, or the engine's own, must not be inside.
pub(super) fn check_workspace(
    workspace: &Path,
    engine: &EngineLocator,
    socket: &Option<PathBuf>,
) -> Result<(), SandboxError> {
    let refused = |reason: &str| {
        Err(SandboxError::Workspace {
            path: workspace.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let Ok(real) = workspace.canonicalize() else {
        return refused("it cannot be opened");
    };
    let inside = |path: &Path| {
        path.canonicalize()
            .is_ok_and(|path| path.starts_with(&real))
    };
    if socket.as_deref().is_some_and(inside) {
        return refused("the container engine's socket is inside it");
    }
    if real.parent().is_none() || engine.home.as_deref().is_some_and(inside) {
        return refused("it holds your whole home folder");
    }
    if engine.runtime_dir.as_deref().is_some_and(inside) {
        return refused("it holds your session's sockets");
    }
    Ok(())
}

/// A file or folder of this machine, as it is, and nothing mounted below it.
pub(super) fn read_only_mount(source: &Path, target: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(true),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            // A read-only bind of old engines leaves mounts below it writable.
            non_recursive: Some(true),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    }
}

/// An empty folder that nobody can write to.
pub(in crate::sandbox) fn empty_folder(target: String) -> Mount {
    Mount {
        typ: Some(MountType::TMPFS),
        target: Some(target),
        read_only: Some(true),
        tmpfs_options: Some(MountTmpfsOptions {
            size_bytes: Some(4096),
            mode: Some(0o555),
            ..MountTmpfsOptions::default()
        }),
        ..Mount::default()
    }
}

/// The request for one container. `image` is the id the image's name stood for when the session began, so that a tag
/// moved meanwhile changes nothing; `cpus` what the engine can give of what the configuration asks; `mounts` the view
/// of the work tree, or [`read_only_mount`] of it, and what the user named beside it. `podman`: the engine is Podman.
pub fn create_request(
    config: &SandboxConfig,
    image: &str,
    user: &ContainerUser,
    podman: bool,
    cpus: f64,
    labels: HashMap<String, String>,
    mut mounts: Vec<Mount>,
) -> ContainerCreateBody {
    let memory = i64::try_from(config.memory).unwrap_or(i64::MAX);
    let ulimit = |name: &str, most: i64| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(most),
        hard: Some(most),
    };
    let strings = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    // Podman refuses a number of inodes; there they count against the memory limit alone.
    let inodes = if podman { "" } else { ",nr_inodes=16384" };
    let tmpfs = |bytes: u64| format!("rw,noexec,nosuid,nodev,size={bytes}{inodes},mode=1777");
    // Parts of the memory limit, which counts them: full, they leave the kernel room to run.
    let mut in_memory = HashMap::from([
        ("/tmp".to_owned(), tmpfs(config.memory / 16)),
        ("/mnt/data".to_owned(), tmpfs(config.memory / 4)),
    ]);
    if podman {
        // Beside a read-only root it makes these two by itself, without a limit and executable.
        let run = "rw,noexec,nosuid,nodev,size=65536,mode=755".to_owned();
        in_memory.insert("/run".to_owned(), run);
        in_memory.insert("/var/tmp".to_owned(), tmpfs(config.memory / 16));
        // What a cover hides would be copied into it: Podman's default, that a mount's options cannot switch off.
        let covers = mounts.extract_if(.., |mount| mount.typ == Some(MountType::TMPFS));
        in_memory.extend(covers.filter_map(|cover| Some((cover.target?, COVER.to_owned()))));
    }
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // -I: neither the image's environment nor the folder it starts in changes what the supervisor imports.
        entrypoint: Some(strings(&["python3", "-I", "-B", "-u", "-c", SUPERVISOR])),
        cmd: Some(Vec::new()),
        // Not /workspace: an unreadable repository would keep the container from starting. The kernel goes there.
        working_dir: Some("/".to_owned()),
        hostname: Some("sandbox".to_owned()),
        user: Some(user.user.clone()),
        env: Some(Vec::new()),
        network_disabled: Some(!config.network),
        // Standard input ends when Descant's connection does, and the supervisor leaves with it.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        healthcheck: Some(HealthConfig {
            test: Some(strings(&["NONE"])),
            ..HealthConfig::default()
        }),
        labels: Some(labels),
        host_config: Some(HostConfig {
            auto_remove: Some(true),
            init: Some(true),
            network_mode: Some(if config.network { "bridge" } else { "none" }.to_owned()),
            ipc_mode: Some("private".to_owned()),
            cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
            userns_mode: user.userns.clone(),
            privileged: Some(false),
            cap_drop: Some(strings(&["ALL"])),
            // The engine's default seccomp profile stays in force because none is named here.
            security_opt: Some(strings(&["no-new-privileges"])),
            readonly_rootfs: Some(true),
            tmpfs: Some(in_memory),
            shm_size: Some(16 << 20),
            mounts: Some(mounts),
            memory: Some(memory),
            memory_swap: Some(memory),
            nano_cpus: Some((config.cpus.min(cpus).max(0.01) * 1e9) as i64),
            pids_limit: Some(config.pids),
            ulimits: Some(vec![ulimit("nofile", 1024), ulimit("core", 0)]),
            log_config: Some(HostConfigLogConfig {
                typ: Some("none".to_owned()),
                config: None,
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
