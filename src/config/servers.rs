//! `[servers.NAME]`: model servers by a name of the user's own.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Every key of a server, with what it means. A test holds `docs/servers.md` to it.
pub const SERVER_KEYS: &[(&str, &str)] = &[
    ("url", "where it is: http://HOST:PORT, with or without /v1"),
    ("model", "the model to use where -m names none"),
    ("api_key_env", "the environment variable that holds its key"),
    (
        "protocol",
        "auto, or only completion, completions, responses, chat",
    ),
    (
        "context",
        "tokens of context, where the server does not say or says too much",
    ),
    ("connect_s", "seconds for a connection"),
    ("first_token_s", "seconds until the first token"),
    ("idle_s", "seconds between tokens"),
    (
        "retries",
        "how often it is asked again before the first token",
    ),
];

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Empty: not said in this layer.
    pub url: String,
    pub model: Option<String>,
    pub api_key_env: Option<String>,
    pub protocol: ProtocolSetting,
    pub context: Option<usize>,
    pub connect_s: u64,
    pub first_token_s: u64,
    pub idle_s: u64,
    pub retries: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolSetting {
    #[default]
    Auto,
    Completion,
    Completions,
    Responses,
    Chat,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            url: String::new(),
            model: None,
            api_key_env: None,
            protocol: ProtocolSetting::Auto,
            context: None,
            connect_s: 10,
            first_token_s: 300,
            idle_s: 60,
            retries: 4,
        }
    }
}

/// What is wrong with the servers of one layer, or of all together (`whole`).
pub(super) fn check(servers: &BTreeMap<String, ServerSettings>, whole: bool) -> Result<(), String> {
    for (name, server) in servers {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty()
            || !name.chars().all(plain)
            || matches!(name.as_str(), "localhost" | "none")
        {
            return Err(format!(
                "servers.{name}: a server's name is letters, digits, - and _, and not localhost or none"
            ));
        }
        if whole && server.url.trim().is_empty() {
            return Err(format!("servers.{name}.url is missing"));
        }
        let bounds = [
            ("connect_s", server.connect_s, 1, 600),
            ("first_token_s", server.first_token_s, 1, 86_400),
            ("idle_s", server.idle_s, 1, 86_400),
            ("retries", u64::from(server.retries), 0, 100),
            (
                "context",
                server.context.unwrap_or(512) as u64,
                512,
                1 << 24,
            ),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "servers.{name}.{key} must be from {least} to {most}"
                ));
            }
        }
    }
    Ok(())
}
