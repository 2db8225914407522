//! Finding a container engine and agreeing on a version of its interface.
//!
//! The environment is read once, into [`EngineLocator`]; the rest works on values. `DOCKER_HOST`, when set, is the only
//! place looked at; otherwise the first socket that answers is taken, in the order of [`EngineLocator::sockets`].

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

/// What of the environment tells where an engine listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineLocator {
    /// `DOCKER_HOST`: `unix://PATH` or `tcp://HOST:PORT`.
    pub docker_host: Option<String>,
    /// `XDG_RUNTIME_DIR`, where rootless engines listen.
    pub runtime_dir: Option<PathBuf>,
    /// `HOME`, where the desktop products listen.
    pub home: Option<PathBuf>,
}

impl EngineLocator {
    /// Reads the environment; call it once, at start-up.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            docker_host: set("DOCKER_HOST").map(|value| value.to_string_lossy().into_owned()),
            runtime_dir: set("XDG_RUNTIME_DIR").map(PathBuf::from),
            home: set("HOME").map(PathBuf::from),
        }
    }

    /// Only this engine.
    pub fn at(docker_host: impl Into<String>) -> Self {
        Self {
            docker_host: Some(docker_host.into()),
            runtime_dir: None,
            home: None,
        }
    }

    /// The sockets tried, in order, when `DOCKER_HOST` is not set: Docker before Podman, and a rootless engine, which
    /// somebody set up on purpose, before the machine's.
    fn sockets(&self) -> Vec<PathBuf> {
        let mut sockets = vec![PathBuf::from("/var/run/docker.sock")];
        if let Some(runtime) = &self.runtime_dir {
            sockets.insert(0, runtime.join("docker.sock"));
        }
        if let Some(home) = &self.home {
            let places = [
                ".docker/run/docker.sock",
                ".docker/desktop/docker.sock",
                ".colima/default/docker.sock",
                ".orbstack/run/docker.sock",
                ".rd/docker.sock",
            ];
            sockets.extend(places.iter().map(|place| home.join(place)));
        }
        if let Some(runtime) = &self.runtime_dir {
            sockets.push(runtime.join("podman/podman.sock"));
        }
        sockets.push(PathBuf::from("/run/podman/podman.sock"));
        sockets
    }
}

/// An engine that answered.
pub(super) struct Engine {
    pub(super) docker: Docker,
    pub(super) socket: Option<PathBuf>,
    /// `docker 20.10`, `podman 5.2`.
    pub(super) name: String,
    pub(super) podman: bool,
}

pub(super) async fn connect(
    locator: &EngineLocator,
    limit: Duration,
) -> Result<Engine, SandboxError> {
    let limit = limit.min(ANSWER_TIMEOUT);
    if let Some(host) = &locator.docker_host {
        let (docker, socket) = client(host)
            .map_err(|reason| no_engine(format!("DOCKER_HOST is {host}: {reason}"), &reason))?;
        return answer(docker, socket, limit)
            .await
            .map_err(|reason| no_engine(format!("{host} (DOCKER_HOST): {reason}"), &reason));
    }
    let mut tried = Vec::new();
    let mut worst = String::new();
    for path in locator.sockets() {
        // A socket that is not there says nothing; one that is there and does not answer is what the user wants
        // to hear about.
        if !path.exists() {
            continue;
        }
        let socket = format!("unix://{}", path.display());
        match client(&socket) {
            Ok((docker, socket)) => match answer(docker, socket, limit).await {
                Ok(engine) => return Ok(engine),
                Err(reason) => {
                    tried.push(format!("{}: {reason}", path.display()));
                    if worst.is_empty() {
                        worst = reason;
                    }
                }
            },
            Err(reason) => tried.push(format!("{}: {reason}", path.display())),
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

const DENIED: &str = "permission denied";
const SILENT: &str = "it does not answer";

fn no_engine(reason: String, why: &str) -> SandboxError {
    let hint = if why.contains(DENIED) {
        "you may not use this engine: join its group (`sudo usermod -aG docker $USER`, then log in again), or run a rootless one"
    } else if why.contains(SILENT) {
        "restart the engine (`sudo systemctl restart docker`, or the desktop application)"
    } else {
        "install or start Docker or Podman (`sudo systemctl start docker`); without one, python is not offered to the model"
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
    limit: Duration,
) -> Result<Engine, String> {
    // hyper reports a refused connection only as "client error"; the socket itself says why.
    if let Some(path) = &socket {
        probe(path, limit).await?;
    }
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
    fn docker_comes_before_podman_and_rootless_before_the_machines() {
        let locator = EngineLocator {
            docker_host: None,
            runtime_dir: Some(PathBuf::from("/run/user/1000")),
            home: Some(PathBuf::from("/home/ada")),
        };
        let sockets = locator.sockets();
        let place = |path: &str| {
            sockets
                .iter()
                .position(|socket| socket == Path::new(path))
                .expect(path)
        };
        let order = [
            "/run/user/1000/docker.sock",
            "/var/run/docker.sock",
            "/home/ada/.docker/run/docker.sock",
            "/home/ada/.colima/default/docker.sock",
            "/run/user/1000/podman/podman.sock",
            "/run/podman/podman.sock",
        ];
        assert!(order.map(place).is_sorted());
        let bare = EngineLocator::default().sockets();
        assert_eq!(
            bare,
            ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from)
        );
    }

    #[test]
    fn the_hint_fits_the_reason() {
        let hint = |why: &str| match no_engine("reason".to_owned(), why) {
            SandboxError::NoEngine { hint, .. } => hint,
            other => panic!("{other}"),
        };
        assert!(hint(DENIED).contains("usermod -aG docker"));
        assert!(hint("it does not answer within 5 s").contains("restart"));
        assert!(hint("nothing listens there").contains("install or start"));
    }
}
