//! Finding a container engine and agreeing on a version of its interface.
//!
//! The environment is read once, into [`EngineLocator`]; the rest works on values. The first place that answers is taken, in
//! the order of `EngineLocator::places`.

mod places;

pub use places::EngineLocator;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};

use super::SandboxError;

/// An engine that does not say its version in this time is taken to hang.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Docker 20.10: the first with the mount and limit options that the create request needs.
const OLDEST_API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

/// An engine that answered.
pub(super) struct Engine {
    pub(super) docker: Docker,
    pub(super) socket: Option<PathBuf>,
    /// `/var/run/docker.sock`, `tcp://10.0.0.2:2375`.
    pub(super) host: String,
    /// Who named the place; empty where nobody had to.
    pub(super) by: String,
    /// Of its interface, as it was agreed on: `1.41`.
    pub(super) api: String,
    /// `docker 20.10`, `podman 5.2`.
    pub(super) name: String,
    pub(super) podman: bool,
}

impl Engine {
    /// `/var/run/docker.sock, API 1.41`, and who named the place.
    pub(super) fn place(&self) -> String {
        let by = if self.by.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.by)
        };
        format!("{}{by}, API {}", self.host, self.api)
    }
}

pub(super) async fn connect(
    locator: &EngineLocator,
    limit: Duration,
) -> Result<Engine, SandboxError> {
    let limit = limit.min(ANSWER_TIMEOUT);
    let mut tried = Vec::new();
    let mut worst = String::new();
    for place in locator.places() {
        let said = match &place.host {
            Ok(host) => {
                let socket = host.strip_prefix("unix://").map(Path::new);
                // A usual socket that is not there says nothing; one that is there and does not answer is what the
                // user wants to hear about.
                if !place.named && socket.is_some_and(|path| !path.exists()) {
                    continue;
                }
                engine_at(host, locator.local_only, limit).await
            }
            Err(reason) => Err(reason.clone()),
        };
        match said {
            Ok(engine) => {
                return Ok(Engine {
                    by: place.by,
                    ..engine
                });
            }
            Err(reason) => {
                let host = place.host.as_deref().unwrap_or_default();
                let host = host.strip_prefix("unix://").unwrap_or(host);
                tried.push(match (host, place.by.as_str()) {
                    (host, "") => format!("{host}: {reason}"),
                    ("", by) => format!("{by}: {reason}"),
                    (host, by) => format!("{host} ({by}): {reason}"),
                });
                if worst.is_empty() {
                    worst = reason;
                }
            }
        }
    }
    if tried.is_empty() {
        return Err(no_engine(
            "no Docker or Podman socket is on this machine".to_owned(),
            "",
        ));
    }
    Err(no_engine(tried.join("; "), &worst))
}

async fn engine_at(host: &str, local_only: bool, limit: Duration) -> Result<Engine, String> {
    if local_only && !host.starts_with("unix://") {
        return Err(REMOTE.to_owned());
    }
    // bollard says of a refused connection only "client error"; the socket itself says why.
    if let Some(path) = host.strip_prefix("unix://") {
        probe(Path::new(path), limit).await?;
    }
    let (docker, socket) = client(host)?;
    answer(docker, socket, host, limit).await
}

const DENIED: &str = "permission denied";
const SILENT: &str = "it does not answer";
const REMOTE: &str = "it is reached over the network, and --offline forbids that";

fn no_engine(reason: String, why: &str) -> SandboxError {
    let hint = if why.contains(DENIED) {
        "you may not use this engine: join its group (`sudo usermod -aG docker $USER`, then log in again), or run a rootless one"
    } else if why.contains(SILENT) {
        "restart the engine (`sudo systemctl restart docker`, or the desktop application)"
    } else if why.contains(REMOTE) {
        "use a local engine, or run without --offline"
    } else if reason.contains("(DOCKER_HOST)") || reason.contains("(DOCKER_CONTEXT)") {
        "install or start that engine, or unset the variable; without an engine python and shell are not offered to the model"
    } else {
        "install or start Docker or Podman (`sudo systemctl start docker`); without one python and shell are not offered to the model"
    };
    SandboxError::NoEngine {
        reason,
        hint: hint.to_owned(),
    }
}

fn client(host: &str) -> Result<(Docker, Option<PathBuf>), String> {
    // Longer than any limit of ours, which name the step; bollard's does not.
    let seconds = 3600;
    if let Some(path) = host.strip_prefix("unix://") {
        let docker = Docker::connect_with_unix(path, seconds, API_DEFAULT_VERSION)
            .map_err(|error| plain(&error))?;
        return Ok((docker, Some(PathBuf::from(path))));
    }
    if host.starts_with("tcp://") || host.starts_with("http://") {
        let docker = Docker::connect_with_http(host, seconds, API_DEFAULT_VERSION)
            .map_err(|error| plain(&error))?;
        return Ok((docker, None));
    }
    Err("only unix:// and tcp:// are understood here".to_owned())
}

async fn answer(
    docker: Docker,
    socket: Option<PathBuf>,
    host: &str,
    limit: Duration,
) -> Result<Engine, String> {
    let said = tokio::time::timeout(limit, async {
        let docker = docker.negotiate_version().await?;
        let version = docker.version().await?;
        Ok::<_, bollard::errors::Error>((docker, version))
    })
    .await
    .map_err(|_elapsed| format!("{SILENT} within {} s", limit.as_secs_f64()))?;
    let (docker, version) = said.map_err(|error| plain(&error))?;
    let agreed = docker.client_version();
    let full = version.version.unwrap_or_default();
    if (agreed.major_version, agreed.minor_version)
        < (OLDEST_API.major_version, OLDEST_API.minor_version)
    {
        return Err(format!(
            "it is version {full} and speaks API {agreed}, {OLDEST_API} (Docker 20.10) is needed"
        ));
    }
    let podman = version
        .components
        .unwrap_or_default()
        .iter()
        .any(|component| component.name.to_ascii_lowercase().contains("podman"));
    let short: Vec<&str> = full.split(['.', '+', '-']).take(2).collect();
    Ok(Engine {
        docker,
        socket,
        host: host.strip_prefix("unix://").unwrap_or(host).to_owned(),
        by: String::new(),
        api: agreed.to_string(),
        name: format!(
            "{} {}",
            if podman { "podman" } else { "docker" },
            short.join(".")
        ),
        podman,
    })
}

async fn probe(path: &Path, limit: Duration) -> Result<(), String> {
    #[cfg(unix)]
    {
        let connected = tokio::time::timeout(limit, tokio::net::UnixStream::connect(path)).await;
        match connected {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(match error.kind() {
                ErrorKind::PermissionDenied => DENIED.to_owned(),
                ErrorKind::NotFound => "no such socket".to_owned(),
                ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
                _ => error.to_string(),
            }),
            Err(_elapsed) => Err(format!("{SILENT} within {} s", limit.as_secs_f64())),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = (path, limit);
        Ok(())
    }
}

/// An error with its causes: bollard's own words often end before the reason.
fn plain(error: &bollard::errors::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
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

    #[test]
    fn the_hint_fits_the_reason() {
        let hint = |why: &str| match no_engine("reason".to_owned(), why) {
            SandboxError::NoEngine { hint, .. } => hint,
            other => panic!("{other}"),
        };
        assert!(hint(DENIED).contains("usermod -aG docker"));
        assert!(hint("it does not answer within 5 s").contains("restart"));
        assert!(hint("nothing listens there").contains("install or start"));
        let named = "/x.sock (DOCKER_HOST): no such socket".to_owned();
        match no_engine(named, "no such socket") {
            SandboxError::NoEngine { hint, .. } => assert!(hint.contains("unset the variable")),
            other => panic!("{other}"),
        }
    }
}
