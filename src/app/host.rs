//! What the program does for its agent besides running it: finding and loading models, and the checkup.

use super::{Setup, doctor, models, parts, servers, trust};
use crate::agent::{
    Check, Host, ImageWish, LoadWish, ModelChoice, ModelLoad, PullOffer, SandboxLoad, Settled,
    Words,
};
use futures_util::future::BoxFuture;

pub(super) struct Program {
    pub(super) setup: Setup,
    pub(super) words: Words,
}

impl Host for Program {
    fn models(&self) -> Vec<ModelChoice> {
        let mut models = models::catalog::choices(&self.setup);
        // Called where waiting is allowed.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            for (server, at) in runtime.block_on(servers::models(&self.setup)) {
                match at {
                    Ok(more) => models.extend(more.into_iter().map(|model| ModelChoice {
                        place: format!("at {}", model.place),
                        ..model
                    })),
                    Err(error) => tracing::warn!(server, %error, "its models are not listed"),
                }
            }
        }
        models
    }

    fn load(&self, name: &str, wish: LoadWish) -> ModelLoad {
        parts::load_model(&self.setup, name, wish, self.words.clone())
    }

    fn pull(&self, name: &str) -> BoxFuture<'static, Result<PullOffer, String>> {
        models::pull::offer(self.setup.clone(), name.to_owned())
    }

    fn memory_short(&self, device: &str) -> BoxFuture<'static, ()> {
        // What lies in the memory of a GPU of its own is not the machine's.
        if device.starts_with("cuda") {
            Box::pin(std::future::pending())
        } else {
            Box::pin(crate::engine::memory::short())
        }
    }

    fn sandbox(&self, wish: ImageWish) -> SandboxLoad {
        parts::load_sandbox(&self.setup, wish)
    }

    fn project(&self) -> Option<String> {
        self.setup.settings.project().map(trust::listed)
    }

    fn trust(&self, uses: bool) -> Result<Settled, String> {
        match self.setup.settings.project() {
            Some(project) => trust::settle(&self.setup, project, uses),
            None => Ok(Settled::default()),
        }
    }

    fn checkup(&self) -> BoxFuture<'static, Vec<Check>> {
        let setup = self.setup.clone();
        Box::pin(async move { doctor::checks(&setup).await })
    }
}
