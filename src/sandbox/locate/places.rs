//! Where engines listen: the environment, docker's contexts, and the sockets of the usual products. Nothing is
//! connected to here.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What of the environment tells where an engine listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineLocator {
    /// `DOCKER_HOST`: `unix://PATH` or `tcp://HOST:PORT`. When set, the only place looked at.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`, the name of a docker context. When set (and no host is), the only place looked at.
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`, the folder of docker's own configuration; `~/.docker` where it is not set.
    pub docker_config: Option<PathBuf>,
    /// `CONTAINER_HOST`, which is Podman's name for the same as `DOCKER_HOST`.
    pub container_host: Option<String>,
    /// `XDG_RUNTIME_DIR`, where rootless engines listen.
    pub runtime_dir: Option<PathBuf>,
    /// `TMPDIR`, where Podman's machine listens on macOS.
    pub temp_dir: Option<PathBuf>,
    /// `HOME`, where the desktop products listen.
    pub home: Option<PathBuf>,
    /// `--offline`: none that is reached over the network.
    pub local_only: bool,
}

/// Where an engine may be, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `unix://...` or `tcp://...`; or why there is none.
    pub(super) host: Result<String, String>,
    /// `DOCKER_HOST`, `context work`; empty for a socket at its usual path.
    pub(super) by: String,
    /// Somebody named it: that it is absent is worth telling.
    pub(super) named: bool,
}

impl EngineLocator {
    /// Reads the environment; call it once, at start-up.
    pub fn from_env() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name| set(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: set("DOCKER_CONFIG").map(PathBuf::from),
            container_host: text("CONTAINER_HOST"),
            runtime_dir: set("XDG_RUNTIME_DIR").map(PathBuf::from),
            temp_dir: set("TMPDIR").map(PathBuf::from),
            home: set("HOME").map(PathBuf::from),
            local_only: false,
        }
    }

    /// Only this engine.
    pub fn at(docker_host: impl Into<String>) -> Self {
        Self {
            docker_host: Some(docker_host.into()),
            ..Self::default()
        }
    }

    /// All places, in the order they are tried: what the environment names; docker's current context; Docker before
    /// Podman; and a rootless engine, which somebody set up on purpose, before the machine's.
    pub(super) fn places(&self) -> Vec<Place> {
        let named = |host: Result<String, String>, by: String| Place {
            host,
            by,
            named: true,
        };
        if let Some(host) = &self.docker_host {
            return vec![named(Ok(host.clone()), "DOCKER_HOST".to_owned())];
        }
        if let Some(context) = self.docker_context.as_deref()
            && context != "default"
        {
            let by = format!("DOCKER_CONTEXT, the context {context}");
            return vec![named(self.context(context), by)];
        }
        let mut places = Vec::new();
        let current = self.current_context();
        if let (None, Some(context)) = (&self.docker_context, current) {
            places.push(named(
                self.context(&context),
                format!("docker's current context {context}"),
            ));
        }
        let socket = |path: PathBuf| Place {
            host: Ok(format!("unix://{}", path.display())),
            by: String::new(),
            named: false,
        };
        places.extend(self.docker_sockets().into_iter().map(socket));
        if let Some(host) = &self.container_host {
            places.push(named(Ok(host.clone()), "CONTAINER_HOST".to_owned()));
        }
        places.extend(self.podman_sockets().into_iter().map(socket));
        places
    }

    fn docker_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = Vec::new();
        if let Some(runtime) = &self.runtime_dir {
            sockets.push(runtime.join("docker.sock"));
        }
        sockets.push(PathBuf::from("/var/run/docker.sock"));
        if let Some(home) = &self.home {
            // Docker Desktop on macOS and on Linux.
            sockets.push(home.join(".docker/run/docker.sock"));
            sockets.push(home.join(".docker/desktop/docker.sock"));
            // Colima: its default profile first, then the others.
            for colima in [".colima", ".config/colima"] {
                let colima = home.join(colima);
                sockets.push(colima.join("default/docker.sock"));
                sockets.extend(below(&colima, "docker.sock", "default"));
            }
            sockets.push(home.join(".orbstack/run/docker.sock"));
            sockets.push(home.join(".rd/docker.sock"));
        }
        sockets
    }

    fn podman_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = Vec::new();
        if let Some(runtime) = &self.runtime_dir {
            sockets.push(runtime.join("podman/podman.sock"));
        }
        sockets.push(PathBuf::from("/run/podman/podman.sock"));
        if let Some(home) = &self.home {
            let machine = home.join(".local/share/containers/podman/machine");
            sockets.push(machine.join("podman.sock"));
            sockets.extend(below(&machine, "podman.sock", ""));
        }
        if let Some(temp) = &self.temp_dir {
            sockets.push(temp.join("podman/podman-machine-default-api.sock"));
        }
        sockets
    }

    fn config_dir(&self) -> Option<PathBuf> {
        match (&self.docker_config, &self.home) {
            (Some(config), _) => Some(config.clone()),
            (None, Some(home)) => Some(home.join(".docker")),
            (None, None) => None,
        }
    }

    /// `currentContext` of docker's `config.json`; `default` is no context but the usual socket.
    fn current_context(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct ConfigFile {
            #[serde(rename = "currentContext")]
            current_context: Option<String>,
        }
        let text = std::fs::read(self.config_dir()?.join("config.json")).ok()?;
        let file: ConfigFile = serde_json::from_slice(&text).ok()?;
        file.current_context
            .filter(|name| !name.is_empty() && name != "default")
    }

    /// The host of a context: docker keeps them in folders named by the SHA-256 of the context's name
    /// (`docker/cli`, `cli/context/store`).
    fn context(&self, name: &str) -> Result<String, String> {
        #[derive(Deserialize)]
        struct Meta {
            #[serde(rename = "Endpoints")]
            endpoints: std::collections::HashMap<String, Endpoint>,
        }
        #[derive(Deserialize)]
        struct Endpoint {
            #[serde(rename = "Host")]
            host: Option<String>,
        }
        let contexts = self
            .config_dir()
            .ok_or("its configuration cannot be found: HOME is not set")?
            .join("contexts");
        let id = hex::encode(Sha256::digest(name));
        let path = contexts.join("meta").join(&id).join("meta.json");
        let text = std::fs::read(&path)
            .map_err(|error| format!("there is no such context ({}: {error})", path.display()))?;
        let meta: Meta = serde_json::from_slice(&text)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let host = meta
            .endpoints
            .get("docker")
            .and_then(|endpoint| endpoint.host.clone())
            .filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| format!("{} names no host", path.display()))?;
        if !host.starts_with("unix://") && contexts.join("tls").join(&id).join("docker").exists() {
            return Err(format!(
                "{host} is spoken to with TLS, which is not understood here"
            ));
        }
        Ok(host)
    }
}

/// `FOLDER/*/NAME` of the folders that are there, by name.
fn below(folder: &Path, name: &str, but: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name() != but)
        .map(|entry| entry.path().join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found
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

    fn hosts(locator: &EngineLocator) -> Vec<String> {
        locator
            .places()
            .into_iter()
            .map(|place| place.host.unwrap_or_else(|reason| format!("! {reason}")))
            .collect()
    }

    #[test]
    fn docker_comes_before_podman_and_rootless_before_the_machines() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        for socket in [
            ".colima/work/docker.sock",
            ".colima/default/docker.sock",
            ".config/colima/other/docker.sock",
            ".local/share/containers/podman/machine/qemu/podman.sock",
        ] {
            std::fs::create_dir_all(at(socket).parent().unwrap()).unwrap();
            std::fs::write(at(socket), "").unwrap();
        }
        let locator = EngineLocator {
            runtime_dir: Some(PathBuf::from("/run/user/1000")),
            temp_dir: Some(PathBuf::from("/var/folders/T")),
            home: Some(home.path().to_owned()),
            container_host: Some("unix:///podman.sock".to_owned()),
            ..EngineLocator::default()
        };
        let below = |path: &str| format!("unix://{}", at(path).display());
        assert_eq!(
            hosts(&locator),
            [
                "unix:///run/user/1000/docker.sock".to_owned(),
                "unix:///var/run/docker.sock".to_owned(),
                below(".docker/run/docker.sock"),
                below(".docker/desktop/docker.sock"),
                below(".colima/default/docker.sock"),
                below(".colima/work/docker.sock"),
                below(".config/colima/default/docker.sock"),
                below(".config/colima/other/docker.sock"),
                below(".orbstack/run/docker.sock"),
                below(".rd/docker.sock"),
                "unix:///podman.sock".to_owned(),
                "unix:///run/user/1000/podman/podman.sock".to_owned(),
                "unix:///run/podman/podman.sock".to_owned(),
                below(".local/share/containers/podman/machine/podman.sock"),
                below(".local/share/containers/podman/machine/qemu/podman.sock"),
                "unix:///var/folders/T/podman/podman-machine-default-api.sock".to_owned(),
            ]
        );
        assert_eq!(
            hosts(&EngineLocator::default()),
            [
                "unix:///var/run/docker.sock",
                "unix:///run/podman/podman.sock"
            ]
        );
        let named = EngineLocator {
            docker_host: Some("tcp://10.0.0.2:2375".to_owned()),
            ..locator
        };
        assert_eq!(hosts(&named), ["tcp://10.0.0.2:2375"]);
    }

    /// Writes a context as `docker context create` does.
    fn context(config: &Path, name: &str, meta: &str) -> PathBuf {
        let id = hex::encode(Sha256::digest(name));
        let folder = config.join("contexts/meta").join(&id);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("meta.json"), meta).unwrap();
        config.join("contexts/tls").join(id).join("docker")
    }

    #[test]
    fn a_context_is_found_as_docker_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join(".docker");
        let host = |host: &str| {
            format!(
                r#"{{"Name":"x","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
            )
        };
        context(&config, "work", &host("unix:///work.sock"));
        // The folder that docker 28 makes for this name.
        let id = "00e13ed7af55b27622f1d6eab5bec0147e68efe28dc2b12461117afa1a5ed40e";
        assert!(config.join("contexts/meta").join(id).exists());
        let locator = EngineLocator {
            home: Some(home.path().to_owned()),
            ..EngineLocator::default()
        };
        // Not before it is the current one.
        assert_eq!(hosts(&locator)[0], "unix:///var/run/docker.sock");
        let current = |text: &str| std::fs::write(config.join("config.json"), text).unwrap();
        current(r#"{"auths":{},"currentContext":"work"}"#);
        assert_eq!(
            hosts(&locator)[..2],
            ["unix:///work.sock", "unix:///var/run/docker.sock"]
        );
        assert_eq!(locator.places()[0].by, "docker's current context work");
        for text in [r#"{"currentContext":"default"}"#, "{}", "not JSON", "[]"] {
            current(text);
            assert_eq!(hosts(&locator)[0], "unix:///var/run/docker.sock", "{text}");
        }
        // Named by the environment it is the only one; `default` is the usual sockets, whatever is current.
        current(r#"{"currentContext":"work"}"#);
        let by_name = |name: &str| EngineLocator {
            docker_context: Some(name.to_owned()),
            ..locator.clone()
        };
        assert_eq!(hosts(&by_name("work")), ["unix:///work.sock"]);
        assert_eq!(hosts(&by_name("default"))[0], "unix:///var/run/docker.sock");
        assert!(hosts(&by_name("absent"))[0].contains("no such context"));
        // One that cannot be used says why, and the others are tried.
        context(&config, "odd", "{}");
        assert!(hosts(&by_name("odd"))[0].contains("cannot be read"));
        context(&config, "empty", r#"{"Endpoints":{"kubernetes":{}}}"#);
        assert!(hosts(&by_name("empty"))[0].contains("names no host"));
        let tls = context(&config, "far", &host("tcp://10.0.0.2:2376"));
        assert_eq!(hosts(&by_name("far")), ["tcp://10.0.0.2:2376"]);
        std::fs::create_dir_all(tls).unwrap();
        assert!(hosts(&by_name("far"))[0].contains("with TLS"));
        current(r#"{"currentContext":"far"}"#);
        assert_eq!(hosts(&locator)[1], "unix:///var/run/docker.sock");
        // DOCKER_CONFIG moves all of it.
        let moved = EngineLocator {
            docker_config: Some(home.path().join("elsewhere")),
            ..by_name("work")
        };
        assert!(hosts(&moved)[0].contains("no such context"));
    }
}
