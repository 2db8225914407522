//! The copy-on-write view of the work tree at `/workspace`: what commands change there stays there.
//!
//! Two ways. **Overlay**: Docker's local volume driver mounts an overlay of the work tree (below, never written), a
//! layer of whiteouts that hides what is not to be seen, and an upper layer in a volume of the engine's. **Copy**: a
//! volume into which the work tree is streamed, for engines that see none of this machine's files or cannot mount
//! an overlay. Which one works is found out by trying: either counts once the session's container runs and a file could
//! be read through it.
//!
//! The one thing to know: the kernel does not say what an overlay shows of files that change below it. So nobody may
//! rely on that: what changed in the work tree is written into the view before the next command (`tools::view`).

mod archive;
mod cover;
mod stage;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{Mount, MountType, MountVolumeOptions, VolumeCreateRequest};
use bollard::query_parameters::RemoveVolumeOptionsBuilder;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::container::step;
use super::kernel::Kernel;
use super::owner::{OWNER_LABEL, Owner};
use super::request::empty_folder;
use super::{SandboxError, WORKSPACE};
pub(super) use cover::covers;

/// Where the upper layer is mounted, read-only, for the list of what changed.
const UPPER: &str = "/run/descant/upper";
/// A file through which an overlay is tried is no longer than this.
const PROBE_FILE: u64 = 64 * 1024;
/// Permission denied, on every system that containers run on.
const EACCES: u8 = 13;
/// Volumes may still be in use for a moment after their container went.
const REMOVE_TRIES: usize = 50;

/// How `/workspace` comes into the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ViewChoice {
    /// The overlay where it works, else the copy.
    #[default]
    Auto,
    Overlay,
    Copy,
    /// The work tree itself, read-only; there is no shell.
    ReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewWay {
    Overlay,
    Copy,
}

impl ViewWay {
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Copy => "copy",
        }
    }
}

/// What lies in the work tree and may be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative, `/` between the parts.
    pub path: String,
    pub kind: TreeKind,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970; build tools compare them.
    pub modified: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeKind {
    Folder,
    File { len: u64 },
    Link { target: String },
}

/// The work tree as the view needs it. Called on blocking threads.
pub trait WorkTree: Send + Sync {
    fn root(&self) -> &Path;
    /// Files and folders, relative, that the container must not see; a folder stands for all that is in it. The first
    /// call walks the tree, later ones remember.
    fn hidden(&self) -> io::Result<Vec<PathBuf>>;
    /// All else, each folder before what is in it. Only the copy asks for it.
    fn visible(&self) -> io::Result<Vec<TreeEntry>>;
    /// A file that can be seen, of one byte to `limit`; one that anybody may read if there is one.
    fn sample(&self, limit: u64) -> io::Result<Option<String>>;
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// What of engine and session a view is made with.
pub(super) struct Maker<'a> {
    pub(super) docker: &'a Docker,
    pub(super) owner: &'a Owner,
    pub(super) session: &'a str,
    pub(super) image: &'a str,
    /// `UID:GID` of the container's processes.
    pub(super) user: &'a str,
    /// Whether the engine is on this machine, as far as its address says.
    pub(super) local: bool,
    pub(super) podman: bool,
    /// Of the work tree's folder, if this system has such.
    pub(super) tree_owner: Option<(u32, u32)>,
    pub(super) limit: Duration,
    /// Bytes that the copy may take.
    pub(super) room: u64,
}

/// The volumes of a view. They go with [`View::remove`], or when it is dropped, or at the next start.
pub(super) struct View {
    docker: Docker,
    limit: Duration,
    pub(super) way: ViewWay,
    /// Why it is not the overlay, where that was tried.
    pub(super) why: Option<String>,
    /// In the order in which they are removed; none once they have been.
    volumes: Mutex<Vec<String>>,
    /// The container that filled them, on its way out.
    stage: Mutex<Option<JoinHandle<()>>>,
}

impl View {
    /// Makes the volumes. `Err`: this way does not work, and why. An overlay is only known to work once
    /// [`View::check`] says so.
    pub(super) async fn make(
        maker: &Maker<'_>,
        tree: &Arc<dyn WorkTree>,
        way: ViewWay,
    ) -> Result<Self, SandboxError> {
        match way {
            ViewWay::Overlay => overlay(maker, tree).await,
            ViewWay::Copy => copy(maker, tree).await,
        }
    }

    /// Whether the container sees the work tree: one file is read through the view.
    pub(super) async fn check(
        &self,
        kernel: &mut Kernel,
        tree: &Arc<dyn WorkTree>,
    ) -> Result<(), SandboxError> {
        let file = on_disk(tree, "looking for a file to try", |tree| {
            let Some(path) = tree.sample(PROBE_FILE)? else {
                return Ok(None);
            };
            let bytes = tree.read(&path)?;
            Ok(Some((path, bytes)))
        });
        // Without a file to try: that it could be mounted is all there is to see.
        let Some((path, bytes)) = file.await? else {
            return Ok(());
        };
        let seen = kernel.probe(&path, PROBE_FILE, self.limit).await;
        match seen.map_err(|gone| SandboxError::Kernel(gone.to_string()))? {
            Ok(seen) if seen == bytes => Ok(()),
            // It is there, and the container's user may not read it.
            Err(EACCES) => Ok(()),
            Ok(_) | Err(_) => Err(SandboxError::View {
                reason: format!("{path} could not be read through what the engine made of it"),
            }),
        }
    }

    fn new(maker: &Maker<'_>, way: ViewWay) -> Self {
        Self {
            docker: maker.docker.clone(),
            limit: maker.limit,
            way,
            why: None,
            volumes: Mutex::default(),
            stage: Mutex::default(),
        }
    }

    /// Makes a volume and gives the place of its data on the engine's machine.
    async fn volume(
        &self,
        maker: &Maker<'_>,
        part: &str,
        options: Option<HashMap<String, String>>,
    ) -> Result<String, SandboxError> {
        let name = format!("descant-{}-{part}", maker.session);
        let request = VolumeCreateRequest {
            name: Some(name.clone()),
            driver: Some("local".to_owned()),
            driver_opts: options,
            labels: Some(HashMap::from([(
                OWNER_LABEL.to_owned(),
                maker.owner.label(),
            )])),
            ..VolumeCreateRequest::default()
        };
        let made = maker.docker.create_volume(request);
        // Before the outcome: what may exist is removed.
        self.volumes().insert(0, name);
        let volume = step("creating a volume", maker.limit, made).await?;
        Ok(volume.mountpoint)
    }

    fn volumes(&self) -> MutexGuard<'_, Vec<String>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn named(&self, part: &str) -> String {
        let volumes = self.volumes();
        let name = volumes.iter().find(|name| name.ends_with(part));
        name.cloned().unwrap_or_default()
    }

    pub(super) fn upper(&self) -> Option<&'static str> {
        (self.way == ViewWay::Overlay).then_some(UPPER)
    }

    /// What the session's container mounts. `.git` is an empty folder that nobody can write to.
    pub(super) fn mounts(&self) -> Vec<Mount> {
        let view = volume_mount(&self.named("-view"), WORKSPACE, false);
        let git = empty_folder(format!("{WORKSPACE}/.git"));
        let upper = self
            .upper()
            .map(|upper| volume_mount(&self.named("-upper"), upper, true));
        [view, git].into_iter().chain(upper).collect()
    }

    /// Removes the volumes; their container must be gone.
    pub(super) async fn remove(&self) {
        let stage = self
            .stage
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(stage) = stage {
            // It has a time limit of its own.
            let _ = stage.await;
        }
        let volumes = std::mem::take(&mut *self.volumes());
        remove_volumes(&self.docker, &volumes, self.limit).await;
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let volumes = std::mem::take(&mut *self.volumes());
        if let (false, Ok(runtime)) = (volumes.is_empty(), tokio::runtime::Handle::try_current()) {
            let (docker, limit) = (self.docker.clone(), self.limit);
            runtime.spawn(async move { remove_volumes(&docker, &volumes, limit).await });
        }
    }
}

fn volume_mount(name: &str, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    }
}

async fn overlay(maker: &Maker<'_>, tree: &Arc<dyn WorkTree>) -> Result<View, SandboxError> {
    let unfit = |reason: &str| {
        Err(SandboxError::View {
            reason: reason.to_owned(),
        })
    };
    if !maker.local {
        return unfit("the engine is not on this machine");
    }
    if maker.podman {
        return unfit("Podman cannot hide files in an overlay");
    }
    let root = tree.root().to_string_lossy().into_owned();
    // The mount's options are one text in which these separate and escape.
    if root.contains([',', ':', '\\', '"', '\u{fffd}']) {
        return unfit("the folder's name has a character that an overlay's options cannot hold");
    }
    let user = maker.user.split(':').next().and_then(|id| id.parse().ok());
    if maker.tree_owner.map(|(uid, _)| uid) != user {
        return unfit("the files are not those of the container's user, who could not change them");
    }
    let view = View::new(maker, ViewWay::Overlay);
    let (hidden, upper, rest) = tokio::try_join!(
        on_disk(tree, "listing what is hidden", |tree| tree.hidden()),
        view.volume(maker, "upper", None),
        view.volume(maker, "rest", None),
    )?;
    let places = [("upper", "-upper"), ("rest", "-rest")];
    let layers = {
        let (root, user) = (tree.root().to_owned(), ids(maker.user));
        move |out: &mut archive::Out| archive::layers(out, &root, &hidden, user)
    };
    stage::fill(maker, &view, &places, "", layers).await?;
    let lower = format!("{rest}/hide:{root}");
    let options = format!(
        "lowerdir={lower},upperdir={upper},workdir={rest}/work,nosuid,nodev,redirect_dir=off,index=off,metacopy=off,xino=off"
    );
    let driver = [("type", "overlay"), ("device", "overlay"), ("o", &options)];
    let driver = driver.map(|(key, value)| (key.to_owned(), value.to_owned()));
    view.volume(maker, "view", Some(HashMap::from(driver)))
        .await?;
    Ok(view)
}

async fn copy(maker: &Maker<'_>, tree: &Arc<dyn WorkTree>) -> Result<View, SandboxError> {
    let entries = on_disk(tree, "listing the work tree", |tree| tree.visible()).await?;
    let bytes: u64 = entries
        .iter()
        .map(|entry| match &entry.kind {
            TreeKind::File { len } => *len,
            TreeKind::Folder | TreeKind::Link { .. } => 0,
        })
        .sum();
    if bytes > maker.room {
        return Err(SandboxError::View {
            reason: format!(
                "a copy of the work tree takes {} MiB, more than the {} MiB of sandbox.disk_mib",
                bytes >> 20,
                maker.room >> 20
            ),
        });
    }
    let view = View::new(maker, ViewWay::Copy);
    view.volume(maker, "view", None).await?;
    let (below, within) = if maker.podman {
        ("view", ".")
    } else {
        ("", "view")
    };
    let files = {
        let (tree, user) = (Arc::clone(tree), ids(maker.user));
        move |out: &mut archive::Out| {
            archive::copy(out, Path::new(within), tree.as_ref(), &entries, user)
        }
    };
    stage::fill(maker, &view, &[("view", "-view")], below, files).await?;
    Ok(view)
}

async fn on_disk<T: Send + 'static>(
    tree: &Arc<dyn WorkTree>,
    doing: &'static str,
    look: impl FnOnce(&dyn WorkTree) -> io::Result<T> + Send + 'static,
) -> Result<T, SandboxError> {
    let tree = Arc::clone(tree);
    let looked = tokio::task::spawn_blocking(move || look(tree.as_ref())).await;
    looked
        .map_err(io::Error::other)
        .and_then(|found| found)
        .map_err(|error| SandboxError::View {
            reason: format!("{doing} failed: {error}"),
        })
}

fn ids(user: &str) -> (u64, u64) {
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    (uid.parse().unwrap_or(65534), gid.parse().unwrap_or(65534))
}

pub(super) async fn remove_volumes(docker: &Docker, volumes: &[String], limit: Duration) {
    for name in volumes {
        for attempt in 0..REMOVE_TRIES {
            let options = RemoveVolumeOptionsBuilder::default().build();
            let removed = timeout(limit, docker.remove_volume(name, Some(options))).await;
            match removed {
                Ok(Err(Error::DockerResponseServerError {
                    status_code: 409, ..
                })) if attempt + 1 < REMOVE_TRIES => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Ok(
                    Ok(())
                    | Err(Error::DockerResponseServerError {
                        status_code: 404, ..
                    }),
                ) => break,
                Ok(Err(error)) => {
                    tracing::warn!(volume = name, %error, "a volume could not be removed");
                    break;
                }
                Err(_elapsed) => {
                    tracing::warn!(volume = name, "a volume could not be removed in time");
                    break;
                }
            }
        }
    }
}
