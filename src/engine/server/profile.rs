//! Which servers are known, and how each is spoken to. Plain data: the application fills it in, with the keys,
//! which it alone reads from the environment.

use super::address::Address;
use crate::engine::EngineError;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a server is asked to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `/completion` of llama.cpp: token ids both ways.
    Completion,
    /// `/v1/completions` of vLLM: token ids both ways.
    Completions,
    /// `/v1/responses`: messages, reasoning and calls as items.
    Responses,
    /// `/v1/chat/completions`: messages, with reasoning and calls beside them.
    Chat,
}

impl Protocol {
    pub fn path(self) -> &'static str {
        match self {
            Protocol::Completion => "/completion",
            Protocol::Completions => "/v1/completions",
            Protocol::Responses => "/v1/responses",
            Protocol::Chat => "/v1/chat/completions",
        }
    }

    /// Two words for a status line.
    pub fn short(self) -> &'static str {
        match self {
            Protocol::Completion | Protocol::Completions => "raw tokens",
            Protocol::Responses => "responses",
            Protocol::Chat => "chat",
        }
    }
}

/// A server's key. It shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// `None` for an empty one.
    pub fn new(text: &str) -> Option<ApiKey> {
        let text = text.trim();
        (!text.is_empty()).then(|| ApiKey(text.to_owned()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// `text` without it: a server may repeat what it was sent.
    pub(super) fn hidden(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

/// How long a server may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// From the request to the first token, or from one report of a prompt's progress to the next.
    pub first_token: Duration,
    /// From one token to the next.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            first_token: Duration::from_secs(300),
            idle: Duration::from_secs(60),
        }
    }
}

/// How a server is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub address: Address,
    /// The model to use where none is named.
    pub model: Option<String>,
    pub key: Option<ApiKey>,
    /// Where the key is looked for, for a message that says so.
    pub key_variable: String,
    /// `None`: the best that the server speaks.
    pub protocol: Option<Protocol>,
    /// Tokens of context; `None`: what the server says.
    pub context: Option<usize>,
    pub timeouts: Timeouts,
    /// Attempts after the first one, before any token came.
    pub retries: u32,
}

/// Every server that can be named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Servers {
    pub named: BTreeMap<String, Profile>,
    /// For a server given by its URL.
    pub other_key: Option<ApiKey>,
    /// Only this machine may be asked.
    pub offline: bool,
}

/// Where the key of a server without a profile is looked for.
pub const KEY_VARIABLE: &str = "DESCANT_API_KEY";

/// Attempts after the first one.
pub const RETRIES: u32 = 4;

impl Profile {
    /// One with nothing but an address.
    pub fn at(address: Address, key: Option<ApiKey>) -> Profile {
        Profile {
            address,
            model: None,
            key,
            key_variable: KEY_VARIABLE.to_owned(),
            protocol: None,
            context: None,
            timeouts: Timeouts::default(),
            retries: RETRIES,
        }
    }
}

/// A model at a server, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `None`: the profile's, or the only one there.
    pub model: Option<String>,
    /// How the server was named: its profile, or the shortest form of its URL.
    pub server: String,
    pub profile: Profile,
}

impl Servers {
    /// Reads `MODEL@SERVER`, SERVER a profile's name or a URL; `None` where `name` is not of that form, as
    /// `ID@REVISION` of the hub is not.
    pub fn target(&self, name: &str) -> Option<Result<Target, EngineError>> {
        let (model, server) = name.split_once('@')?;
        let (model, server) = (model.trim(), server.trim());
        let is_server = model.is_empty() || self.named.contains_key(server) || is_address(server);
        is_server.then(|| self.read(name, model, server))
    }

    /// The server that is meant by a profile's name or a URL.
    pub fn find(&self, server: &str) -> Result<Target, EngineError> {
        self.read(server, "", server)
    }

    fn read(&self, name: &str, model: &str, server: &str) -> Result<Target, EngineError> {
        let refuse = |reason: String, hint: String| EngineError::Unavailable {
            // What holds a password is not said again.
            model: if server.contains('@') {
                "the server"
            } else {
                name
            }
            .to_owned(),
            reason,
            hint,
        };
        let (server, profile) = match self.named.get(server) {
            Some(profile) => (server.to_owned(), profile.clone()),
            None if is_address(server) => {
                let address = Address::parse(server).map_err(|reason| {
                    refuse(
                        format!("its address {reason}"),
                        "write it as http://HOST:PORT, or name a server of the configuration"
                            .to_owned(),
                    )
                })?;
                let short = address.short().to_owned();
                (short, Profile::at(address, self.other_key.clone()))
            }
            None => {
                let known: Vec<&str> = self.named.keys().map(String::as_str).collect();
                let hint = if known.is_empty() {
                    "give its URL, or describe it in the configuration as [servers.NAME]".to_owned()
                } else {
                    format!("give its URL, or one of: {}", known.join(", "))
                };
                let reason = format!("there is no server {server} in the configuration");
                return Err(refuse(reason, hint));
            }
        };
        if self.offline && !profile.address.is_loopback() {
            return Err(refuse(
                format!(
                    "--offline forbids every connection but to this machine, and {} is another",
                    profile.address.base()
                ),
                "run it without --offline, or use a server on 127.0.0.1".to_owned(),
            ));
        }
        let model = Some(model).filter(|model| !model.is_empty());
        Ok(Target {
            model: model.map(str::to_owned).or_else(|| profile.model.clone()),
            server,
            profile,
        })
    }
}

/// A URL, or a host with its port: neither a profile's name nor a revision has a colon.
fn is_address(server: &str) -> bool {
    server.contains(':') || server == "localhost"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn servers() -> Servers {
        let mut team = Profile::at(Address::parse("https://gpu.example/v1").unwrap(), None);
        team.model = Some("gpt-oss-120b".to_owned());
        Servers {
            named: BTreeMap::from([("team".to_owned(), team)]),
            other_key: ApiKey::new(" k "),
            offline: false,
        }
    }

    #[test]
    fn a_model_at_a_server_is_read() {
        let servers = servers();
        assert!(servers.target("gpt-oss-20b").is_none());
        assert!(servers.target("openai/gpt-oss-20b@v1.0").is_none());
        for (name, model, server) in [
            ("gpt-oss-20b@team", Some("gpt-oss-20b"), "team"),
            ("@team", Some("gpt-oss-120b"), "team"),
            (
                "gpt-oss:20b@http://localhost:11434/v1",
                Some("gpt-oss:20b"),
                "localhost:11434",
            ),
            (
                "openai/gpt-oss-20b@10.0.0.2:8000",
                Some("openai/gpt-oss-20b"),
                "10.0.0.2:8000",
            ),
            ("@127.0.0.1:80", None, "http://127.0.0.1"),
        ] {
            let target = servers.target(name).unwrap().unwrap();
            assert_eq!(
                (target.model.as_deref(), target.server.as_str()),
                (model, server),
                "{name}"
            );
        }
        let key = |name| servers.target(name).unwrap().unwrap().profile.key;
        assert_eq!((key("a@team"), key("a@b:1")), (None, ApiKey::new("k")));
    }

    #[test]
    fn what_cannot_be_reached_is_refused_by_name() {
        let mut servers = servers();
        let said = |servers: &Servers, name| servers.target(name).unwrap().unwrap_err().to_string();
        assert!(said(&servers, "@tema").contains("one of: team"));
        assert!(said(&servers, "a@ftp://x").contains("ftp://"));
        servers.offline = true;
        assert!(said(&servers, "a@team").contains("https://gpu.example"));
        assert!(said(&servers, "a@10.0.0.2:80").contains("--offline"));
        assert!(servers.target("a@127.0.0.1:80").unwrap().is_ok());
        assert!(servers.target("a@localhost:80").unwrap().is_ok());
    }

    #[test]
    fn a_key_shows_itself_to_nobody() {
        let key = ApiKey::new("sk-secret").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(***)");
        assert_eq!(key.hidden("bad key sk-secret!"), "bad key ***!");
        assert!(
            !format!(
                "{:?}",
                Profile::at(Address::parse("a:1").unwrap(), Some(key))
            )
            .contains("sk-")
        );
        assert_eq!(ApiKey::new("  "), None);
    }
}
