//! From a configuration to a running sandbox: engine, image, view and container.
//!
//! The user waits for this with the first call, so what does not need another's result runs beside it. The overlay is
//! tried with the session's own container: where it cannot be mounted or does not show the work tree, that container
//! is given up for one with a copy.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bollard::errors::Error;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::container::{Container, Facts};
use super::image::ImageProgress;
use super::leftovers;
use super::locate::{self, Engine};
use super::owner::Owner;
use super::request;
use super::view::{self, Maker, View, ViewChoice, ViewWay, WorkTree};
use super::{Sandbox, SandboxConfig, SandboxError, WORKSPACE};

impl Sandbox {
    /// Finds the engine and the image, removes what dead sessions of this user left behind, and starts a kernel.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        Self::start_with_progress(config, |_| {}, &CancellationToken::new()).await
    }

    /// As [`Sandbox::start`]; `progress` is told how far a pull or an import of the image has got, which `cancel` ends.
    pub async fn start_with_progress(
        config: SandboxConfig,
        mut progress: impl FnMut(ImageProgress) + Send,
        cancel: &CancellationToken,
    ) -> Result<Self, SandboxError> {
        let owner = Owner::current();
        if let Some(tree) = config.tree.clone() {
            // Walked meanwhile; the view asks for it again.
            tokio::task::spawn_blocking(move || {
                let _ = tree.hidden();
            });
        }
        let engine = locate::connect(&config.engine, config.engine_timeout).await?;
        request::check_workspace(&config.workspace, &config.engine, &engine.socket)?;
        let ((), facts) = tokio::join!(
            leftovers::remove(&engine, &owner, config.engine_timeout),
            Facts::gather(&engine, &config, &mut progress, cancel),
        );
        let mut facts = facts?;
        for mount in &config.mounts {
            let mount = mount.checked(&config.engine, &engine.socket)?;
            facts.mounts.push(mount);
        }
        let starter = Starter {
            engine: &engine,
            config: &config,
            facts: &mut facts,
            owner: &owner,
        };
        let (container, view) = starter.start().await?;
        let report = facts.report(&container);
        Ok(Self {
            docker: engine.docker,
            description: report.description(),
            config: config.clone(),
            facts,
            owner,
            report,
            stopping: CancellationToken::new(),
            view,
            shell: Mutex::default(),
            network: AtomicBool::new(config.network),
            note: std::sync::Mutex::default(),
            container: Mutex::new(Some(container)),
        })
    }
}

struct Starter<'a> {
    engine: &'a Engine,
    config: &'a SandboxConfig,
    facts: &'a mut Facts,
    owner: &'a Owner,
}

impl Starter<'_> {
    /// The container, and the view that it mounts, or why there is none. `facts` then has its mounts.
    async fn start(mut self) -> Result<(Container, Result<View, String>), SandboxError> {
        let tree = match (&self.config.tree, self.config.view) {
            (Some(tree), ViewChoice::Auto | ViewChoice::Overlay | ViewChoice::Copy) => tree,
            (tree, _) => {
                let why = match self.read_only(tree.as_ref()).await {
                    Ok(()) => "switched off by sandbox.view = \"read-only\"".to_owned(),
                    Err(error) => {
                        self.facts.missing.push("/workspace");
                        error.to_string()
                    }
                };
                return Ok((self.container().await?, Err(why)));
            }
        };
        let mut why = None;
        if self.config.view != ViewChoice::Copy {
            let error = match self.view(tree, ViewWay::Overlay).await {
                Ok(view) => match self.with(view, tree).await? {
                    Ok((container, view)) => return Ok((container, Ok(view))),
                    Err(unfit) => unfit,
                },
                Err(error) => error,
            };
            tracing::info!(%error, "no overlay");
            why = Some(error.to_string());
        }
        let copied = match (&why, self.config.view) {
            (Some(why), ViewChoice::Overlay) => Err(why.clone()),
            _ => {
                let copied = match self.view(tree, ViewWay::Copy).await {
                    Ok(view) => self.with(view, tree).await?,
                    Err(error) => Err(error),
                };
                copied.map_err(|error| error.to_string())
            }
        };
        match copied {
            Ok((container, mut view)) => {
                view.why = why;
                Ok((container, Ok(view)))
            }
            // Rather none of it than also what is to be hidden.
            Err(why) => {
                self.facts.missing.push("/workspace");
                Ok((self.container().await?, Err(why)))
            }
        }
    }

    /// The repository itself, and over each thing that is hidden in it a cover: what is hidden later is not covered.
    async fn read_only(&mut self, tree: Option<&Arc<dyn WorkTree>>) -> Result<(), SandboxError> {
        let whole = request::read_only_mount(&self.config.workspace, WORKSPACE);
        let covers = match tree {
            Some(tree) => view::covers(tree).await?,
            None => Vec::new(),
        };
        self.facts.mounts.push(whole);
        self.facts.mounts.extend(covers);
        Ok(())
    }

    /// A container with a view that it was seen to read. The inner error: it does not work here.
    async fn with(
        &mut self,
        view: View,
        tree: &Arc<dyn WorkTree>,
    ) -> Result<Result<(Container, View), SandboxError>, SandboxError> {
        let named = self.facts.mounts.len();
        self.facts.mounts.extend(view.mounts());
        let unfit = match self.container().await {
            Ok(mut container) => match view.check(&mut container.kernel, tree).await {
                Ok(()) => return Ok(Ok((container, view))),
                Err(error) => {
                    container.remove().await;
                    error
                }
            },
            // Its answer is that it cannot mount it; an engine that does not answer is no better without it.
            Err(
                error @ SandboxError::Engine {
                    source: Error::DockerResponseServerError { .. },
                    ..
                },
            ) => error,
            Err(other) => return Err(other),
        };
        self.facts.mounts.truncate(named);
        view.remove().await;
        Ok(Err(unfit))
    }

    async fn view(&self, tree: &Arc<dyn WorkTree>, way: ViewWay) -> Result<View, SandboxError> {
        let Self {
            engine,
            config,
            facts,
            owner,
        } = self;
        let maker = Maker {
            docker: &engine.docker,
            owner,
            session: &facts.session,
            image: &facts.image.id,
            user: &facts.user.user,
            local: engine.socket.is_some(),
            podman: engine.podman,
            tree_owner: request::owner_of(&config.workspace),
            limit: config.engine_timeout,
            room: config.disk,
        };
        View::make(&maker, tree, way).await
    }

    async fn container(&self) -> Result<Container, SandboxError> {
        Container::start(&self.engine.docker, self.config, self.facts, self.owner).await
    }
}
