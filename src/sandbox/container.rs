//! One container's life: create, attach, start, remove.
//!
//! Every step has a time limit of its own, because an engine that hangs must not take the session with it.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::Mount;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, InspectContainerOptions,
    RemoveContainerOptionsBuilder, StartContainerOptions,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::image::{self, Image, ImageProgress};
use super::kernel::Kernel;
use super::locate::Engine;
use super::owner::{OWNER_LABEL, Owner, SESSION_LABEL};
use super::request::{self, ContainerUser, Mapping};
use super::shell::Shell;
use super::{Report, SandboxConfig, SandboxError};

/// Awaits one step; an engine that does not answer in time is an engine error like any other.
pub(super) async fn step<T>(
    doing: &'static str,
    limit: Duration,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, SandboxError> {
    match timeout(limit, request).await {
        Ok(done) => done.map_err(|source| SandboxError::Engine { doing, source }),
        Err(_elapsed) => Err(SandboxError::Engine {
            doing,
            source: Error::RequestTimeoutError,
        }),
    }
}

/// What was found out once about engine and image, for every container of the session.
pub(super) struct Facts {
    engine: String,
    /// Where it listens, and what it speaks.
    place: String,
    pub(super) image: Image,
    pub(super) user: ContainerUser,
    podman: bool,
    cpus: f64,
    /// Limits that this engine cannot enforce, and other things that are not there.
    pub(super) missing: Vec<&'static str>,
    pub(super) session: String,
    /// All of the container's mounts.
    pub(super) mounts: Vec<Mount>,
}

impl Facts {
    pub(super) async fn gather(
        engine: &Engine,
        config: &SandboxConfig,
        progress: &mut (dyn FnMut(ImageProgress) + Send),
        cancel: &CancellationToken,
    ) -> Result<Self, SandboxError> {
        let docker = &engine.docker;
        let info = step(
            "asking for its limits",
            config.engine_timeout,
            docker.info(),
        );
        let image = image::resolve(engine, config, progress, cancel);
        let (info, image) = tokio::try_join!(info, image)?;
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| options.iter().any(|option| option.contains(name));
        let mapping = match (has("rootless"), engine.podman) {
            (false, _) => Mapping::Same,
            (true, false) => Mapping::RootlessDocker,
            (true, true) => Mapping::RootlessPodman,
        };
        let owner = request::owner_of(&config.workspace);
        let missing = [
            (has("seccomp"), "seccomp"),
            (info.memory_limit.unwrap_or(true), "memory limit"),
            (info.pids_limit.unwrap_or(true), "process limit"),
            (info.cpu_cfs_quota.unwrap_or(true), "CPU limit"),
        ];
        Ok(Self {
            engine: engine.name.clone(),
            podman: engine.podman,
            place: engine.place(),
            image,
            user: request::container_user(mapping, request::host_user(), owner),
            cpus: info
                .ncpu
                .filter(|cpus| *cpus > 0)
                .map_or(1.0, |cpus| cpus as f64),
            missing: missing
                .iter()
                .filter(|(there, _)| !there)
                .map(|(_, name)| *name)
                .collect(),
            session: hex::encode(rand::random::<[u8; 8]>()),
            mounts: Vec::new(),
        })
    }

    pub(super) fn report(&self, container: &Container) -> Report {
        let mut missing = self.missing.clone();
        for limit in container.kernel.without() {
            if !missing.contains(&limit) {
                missing.push(limit);
            }
        }
        if !container.filtered() {
            missing.push("filter of io_uring (the image's Python has no ctypes, or the processor is another)");
        }
        Report {
            engine: format!("{}, {}", self.engine, self.place),
            name: self.engine.clone(),
            image: self.image.clone(),
            python: container.python().to_owned(),
            missing,
            session: self.session.clone(),
        }
    }
}

/// A container that has been created and must be removed, also when whoever waited for it went away.
pub(super) struct Made {
    docker: Docker,
    /// `None` once it has been removed.
    id: Option<String>,
    limit: Duration,
}

impl Made {
    pub(super) fn new(docker: &Docker, id: String, limit: Duration) -> Self {
        Self {
            docker: docker.clone(),
            id: Some(id),
            limit,
        }
    }

    pub(super) fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_default()
    }

    pub(super) async fn remove(mut self) {
        if let Some(id) = self.id.take() {
            remove(&self.docker, &id, self.limit).await;
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A running one leaves by itself; this is for one that never ran, or whose supervisor the code has stopped.
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let (docker, limit) = (self.docker.clone(), self.limit);
            runtime.spawn(async move { remove(&docker, &id, limit).await });
        }
    }
}

/// A started container and the attachment to its kernel. Dropping it closes its standard input, at which it leaves.
pub(super) struct Container {
    made: Made,
    pub(super) kernel: Kernel,
    /// Started with the first command.
    pub(super) shell: Option<Shell>,
}

impl Container {
    pub(super) async fn start(
        docker: &Docker,
        config: &SandboxConfig,
        facts: &Facts,
        owner: &Owner,
    ) -> Result<Self, SandboxError> {
        let labels = HashMap::from([
            (OWNER_LABEL.to_owned(), owner.label()),
            (SESSION_LABEL.to_owned(), facts.session.clone()),
        ]);
        let mounts = facts.mounts.clone();
        let (image, user) = (&facts.image.id, &facts.user);
        let body = request::create_request(
            config,
            image,
            user,
            facts.podman,
            facts.cpus,
            labels,
            mounts,
        );
        let created = step(
            "creating the container",
            config.engine_timeout,
            docker.create_container(None::<CreateContainerOptions>, body),
        )
        .await?;
        let made = Made::new(docker, created.id, config.engine_timeout);
        match Self::open(docker, made.id(), config.engine_timeout).await {
            Ok(kernel) => match kernel.unconfined(config.network) {
                None => Ok(Self {
                    made,
                    kernel,
                    shell: None,
                }),
                Some(what) => {
                    made.remove().await;
                    Err(SandboxError::Unconfined { what })
                }
            },
            Err(error) => {
                made.remove().await;
                Err(error)
            }
        }
    }

    async fn open(docker: &Docker, id: &str, limit: Duration) -> Result<Kernel, SandboxError> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        // Attached before it starts: its standard input has an end from its first moment.
        let attached = step(
            "attaching to the container",
            limit,
            docker.attach_container(id, Some(options)),
        )
        .await?;
        step(
            "starting the container",
            limit,
            docker.start_container(id, None::<StartContainerOptions>),
        )
        .await?;
        Kernel::open(attached, limit)
            .await
            .map_err(|gone| SandboxError::Kernel(gone.to_string()))
    }

    pub(super) fn id(&self) -> &str {
        self.made.id()
    }

    pub(super) fn filtered(&self) -> bool {
        self.kernel.filtered()
    }

    pub(super) fn python(&self) -> &str {
        &self.kernel.python
    }

    /// Whether the engine says that it runs.
    pub(super) async fn runs(&mut self) -> bool {
        let inspect = self
            .made
            .docker
            .inspect_container(self.id(), None::<InspectContainerOptions>);
        match timeout(self.made.limit, inspect).await {
            Ok(Ok(found)) => found.state.and_then(|state| state.running) == Some(true),
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Removes it, running or not, and says why it had ended, as far as can still be known.
    pub(super) async fn remove(self) -> Ending {
        let Self {
            made,
            kernel,
            shell,
        } = self;
        let inspect = made
            .docker
            .inspect_container(made.id(), None::<InspectContainerOptions>);
        let ending = match timeout(made.limit, inspect).await {
            Ok(Ok(found)) => match found.state.and_then(|state| state.oom_killed) {
                Some(true) => Ending::Memory,
                Some(false) | None => Ending::Other,
            },
            Ok(Err(Error::DockerResponseServerError { .. })) => Ending::Other,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the engine does not answer");
                Ending::Engine
            }
            Err(_elapsed) => Ending::Engine,
        };
        drop((kernel, shell));
        // Without an engine it is left to the engine, or to the next start.
        if ending != Ending::Engine {
            made.remove().await;
        }
        ending
    }
}

/// Why a container is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It ran out of memory.
    Memory,
    /// The engine does not answer: stopped, or stuck.
    Engine,
    Other,
}

impl Ending {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Ending::Memory => "the container ran out of memory",
            Ending::Engine => {
                "the container engine does not answer any more; the next call tries it again"
            }
            Ending::Other => "the container ended",
        }
    }
}

/// Removes a container by force and waits until it is gone; one that is gone already is fine.
pub(super) async fn remove(docker: &Docker, id: &str, limit: Duration) {
    let options = RemoveContainerOptionsBuilder::default()
        .force(true)
        .v(true)
        .build();
    match step(
        "removing the container",
        limit,
        docker.remove_container(id, Some(options)),
    )
    .await
    {
        Ok(()) => {}
        Err(SandboxError::Engine {
            source:
                Error::DockerResponseServerError {
                    status_code: 404, ..
                },
            ..
        }) => {}
        // Its automatic removal is under way: a moment, so that our caller can rely on its end.
        Err(SandboxError::Engine {
            source:
                Error::DockerResponseServerError {
                    status_code: 409, ..
                },
            ..
        }) => {
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let inspect = docker.inspect_container(id, None::<InspectContainerOptions>);
                match timeout(limit, inspect).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
        }
        Err(error) => tracing::warn!(container = id, %error, "a container could not be removed"),
    }
}
