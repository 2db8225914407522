//! Reading the layers and putting them together. Each is checked by itself, so that an error can say which
//! one is wrong.

use super::keys::{self, KeySetting};
use super::sampling::MOST_STOPS;
use super::{Config, KEYS, Project, SERVER_KEYS, servers};
use std::path::Path;
use toml::{Table, Value};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{place}: {reason}")]
    Read { place: String, reason: String },
    #[error("{place}: there is no key `{key}`; the nearest is `{nearest}`")]
    UnknownKey {
        place: String,
        key: String,
        nearest: String,
    },
    #[error("{place}: {reason}")]
    Value { place: String, reason: String },
}

/// The layers read so far, weakest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    merged: Table,
    keys: Vec<KeySetting>,
    count: usize,
}

impl Layers {
    /// Adds `config.toml`. A missing file is an empty layer.
    pub fn file(mut self, path: &Path) -> Result<Self, ConfigError> {
        let place = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(e) => {
                return Err(ConfigError::Read {
                    place,
                    reason: e.to_string(),
                });
            }
        };
        let mut table: Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError::Read {
                place: place.clone(),
                reason: e.to_string(),
            })?;
        if table.remove("keys").is_some() {
            self.keys.extend(keys::of_file(&place, &text, self.count)?);
        }
        self.add(&place, table)?;
        Ok(self)
    }

    /// Adds what the user agreed to of a repository's settings.
    pub fn project(mut self, project: &Project) -> Result<Self, ConfigError> {
        self.add(super::PROJECT_FILE, project.table.clone())?;
        Ok(self)
    }

    /// Adds `DESCANT_*` variables: the key in upper case with `_` for `.`, e.g. `DESCANT_SANDBOX_IMAGE`.
    pub fn variables(mut self, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        for (key, _) in KEYS {
            let name = format!("DESCANT_{}", key.to_uppercase().replace('.', "_"));
            // An empty variable is an unset one, as everywhere in a shell.
            if let Some(text) = get(&name).filter(|text| !text.trim().is_empty()) {
                self.add(&name, nested(key, scalar(key, text.trim())))?;
            }
        }
        Ok(self)
    }

    /// Adds one `key=value`, the value as TOML or, failing that, as plain text.
    pub fn assignment(mut self, place: &str, assignment: &str) -> Result<Self, ConfigError> {
        if let Some(setting) = keys::of_assignment(place, assignment, self.count) {
            self.keys.push(setting?);
            self.count += 1;
            return Ok(self);
        }
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(ConfigError::Value {
                place: place.to_owned(),
                reason: format!("`{assignment}` is not of the form key=value"),
            });
        };
        self.add(place, nested(key.trim(), scalar(key.trim(), value.trim())))?;
        Ok(self)
    }

    /// `sampling.stop`, as its texts are.
    pub fn stops(mut self, place: &str, texts: &[String]) -> Result<Self, ConfigError> {
        let texts = texts.iter().cloned().map(Value::String).collect();
        self.add(place, nested("sampling.stop", Value::Array(texts)))?;
        Ok(self)
    }

    /// All layers together.
    pub fn config(self) -> Result<Config, ConfigError> {
        let mut config = parse("configuration", self.merged)?;
        servers::check(&config.servers, true).map_err(|reason| ConfigError::Value {
            place: "configuration".to_owned(),
            reason,
        })?;
        config.keys = self.keys;
        Ok(config)
    }

    /// These layers over a table that is whole.
    pub(super) fn over(self, table: Table) -> Result<Config, ConfigError> {
        let mut merged = table;
        merge(&mut merged, self.merged);
        parse("configuration", merged)
    }

    fn add(&mut self, place: &str, table: Table) -> Result<(), ConfigError> {
        check_keys(place, "", &table)?;
        parse(place, table.clone())?;
        merge(&mut self.merged, table);
        self.count += 1;
        Ok(())
    }
}

pub(super) fn parse(place: &str, table: Table) -> Result<Config, ConfigError> {
    let wrong = |reason: String| ConfigError::Value {
        place: place.to_owned(),
        reason,
    };
    let config: Config = table
        .try_into()
        .map_err(|e: toml::de::Error| wrong(e.to_string().trim_end().to_owned()))?;
    servers::check(&config.servers, false).map_err(wrong)?;
    let s = &config.sampling;
    if !(s.temperature >= 0.0 && s.temperature.is_finite()) {
        return Err(wrong(format!(
            "sampling.temperature is {}; it must be 0 or more",
            s.temperature
        )));
    }
    if !(s.top_p > 0.0 && s.top_p <= 1.0) {
        return Err(wrong(format!(
            "sampling.top_p is {}; it must be above 0 and at most 1",
            s.top_p
        )));
    }
    if !(0.0..1.0).contains(&s.min_p) {
        return Err(wrong(format!(
            "sampling.min_p is {}; it must be from 0 to below 1",
            s.min_p
        )));
    }
    if s.stop.iter().any(String::is_empty) {
        return Err(wrong(
            "sampling.stop has an empty text, which would end every answer".to_owned(),
        ));
    }
    if s.stop.len() > MOST_STOPS {
        return Err(wrong(format!(
            "sampling.stop has {} texts; at most {MOST_STOPS}",
            s.stop.len()
        )));
    }
    let sandbox = &config.sandbox;
    // Upper bounds keep the arithmetic of limits and deadlines far from its edges.
    let bounds = [
        ("sandbox.memory_mib", sandbox.memory_mib, 16, 1 << 20),
        (
            "sandbox.pids",
            u64::try_from(sandbox.pids).unwrap_or(0),
            8,
            1 << 20,
        ),
        ("sandbox.timeout_s", sandbox.timeout_s, 1, 86_400),
        ("sandbox.output_kib", sandbox.output_kib as u64, 1, 16_384),
        (
            "sandbox.shell_timeout_s",
            sandbox.shell_timeout_s,
            1,
            86_400,
        ),
        ("sandbox.disk_mib", sandbox.disk_mib, 16, 1 << 24),
        (
            "engine.unload_after_min",
            config.engine.unload_after_min,
            0,
            525_600,
        ),
        ("journal.max_mib", config.journal.max_mib, 0, 1 << 30),
        (
            "journal.max_age_days",
            config.journal.max_age_days,
            0,
            36_500,
        ),
        (
            "context",
            config.context.unwrap_or(512) as u64,
            512,
            1 << 24,
        ),
        (
            "sampling.reasoning_budget",
            s.reasoning_budget as u64,
            0,
            1 << 24,
        ),
        (
            "sampling.repetition_guard",
            s.repetition_guard as u64,
            0,
            1 << 24,
        ),
        ("compact.reserve", config.compact.reserve as u64, 0, 1 << 24),
        (
            "max_output_tokens",
            config.max_output_tokens as u64,
            1,
            1 << 24,
        ),
    ];
    for (key, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            return Err(wrong(format!("{key} must be from {least} to {most}")));
        }
    }
    if !(0.01..=1024.0).contains(&sandbox.cpus) {
        return Err(wrong("sandbox.cpus must be from 0.01 to 1024".to_owned()));
    }
    // Whether there is a theme of that name is the interface's to say: a theme stops nothing.
    let texts = [
        ("model", &config.model),
        ("theme", &config.theme),
        ("sandbox.image", &sandbox.image),
    ];
    for (key, value) in texts {
        if value.trim().is_empty() {
            return Err(wrong(format!("{key} is empty")));
        }
    }
    Ok(config)
}

/// What a user wrote outside a file, as the key's type: text is taken as it is, `1` and `0` are a switch's
/// true and false, the rest is TOML.
fn scalar(key: &str, text: &str) -> Value {
    let bare = || Value::String(text.trim_matches(['"', '\'']).to_owned());
    if [
        "model",
        "server",
        "effort",
        "approvals",
        "theme",
        "sandbox.image",
        "sandbox.view",
        "ui.notify",
        "engine.load",
    ]
    .contains(&key)
        || key.starts_with("servers.")
            && !key.ends_with("_s")
            && !key.ends_with(".retries")
            && !key.ends_with(".context")
    {
        return bare();
    }
    let switches = [
        "offline",
        "sandbox.enabled",
        "sampling.grammar",
        "compact.auto",
        "ui.mouse",
        "ui.title",
        "ui.screen_reader",
    ];
    if switches.contains(&key) {
        match text {
            "1" => return Value::Boolean(true),
            "0" => return Value::Boolean(false),
            _ => {}
        }
    }
    match format!("v = {text}").parse::<Table>() {
        Ok(mut table) => table.remove("v").unwrap_or_else(bare),
        Err(_not_toml) => bare(),
    }
}

fn nested(key: &str, value: Value) -> Table {
    let mut table = Table::new();
    match key.split_once('.') {
        Some((head, rest)) => table.insert(head.to_owned(), Value::Table(nested(rest, value))),
        None => table.insert(key.to_owned(), value),
    };
    table
}

pub(super) fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

pub(super) fn check_keys(place: &str, prefix: &str, table: &Table) -> Result<(), ConfigError> {
    for (key, value) in table {
        let full = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        if KEYS.iter().any(|(known, _)| *known == full) {
            continue;
        }
        let section = format!("{full}.");
        // Below `servers` stands a name of the user's own, and below that a key.
        let of_server = full
            .strip_prefix("servers.")
            .and_then(|rest| rest.split_once('.'));
        if of_server.is_some_and(|(_, key)| SERVER_KEYS.iter().any(|(known, _)| *known == key)) {
            continue;
        }
        match value {
            Value::Table(inner) if full == "servers" || prefix == "servers" => {
                check_keys(place, &full, inner)?;
            }
            Value::Table(inner) if KEYS.iter().any(|(known, _)| known.starts_with(&section)) => {
                check_keys(place, &full, inner)?;
            }
            _ => {
                // Of an unknown section, its first key says best what was meant.
                let inner = value.as_table().and_then(|table| table.keys().next());
                let meant = inner.map_or_else(|| full.clone(), |key| format!("{full}.{key}"));
                return Err(ConfigError::UnknownKey {
                    place: place.to_owned(),
                    nearest: nearest(&meant).to_owned(),
                    key: full,
                });
            }
        }
    }
    Ok(())
}

/// The known key that shares most characters in order with `key`.
fn nearest(key: &str) -> &'static str {
    let likeness = |known: &str| {
        let ratio = similar::TextDiff::from_chars(key, known).ratio();
        // The last part alone counts too: `temperature` means `sampling.temperature`.
        let last = known.rsplit('.').next().unwrap_or(known);
        ratio.max(similar::TextDiff::from_chars(key, last).ratio())
    };
    let of_servers = key.starts_with("servers.");
    let keys = if of_servers { SERVER_KEYS } else { KEYS };
    keys.iter()
        .map(|(known, _)| *known)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .unwrap_or("model")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::conversation::Effort;

    fn layers(file: &str) -> Result<Layers, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        Layers::default().file(&path)
    }

    #[test]
    fn stronger_layers_win_and_leave_the_rest() {
        let config = layers("model = 'a'\n[sampling]\ntemperature = 0.5\ntop_p = 0.9\n")
            .unwrap()
            .variables(|name| (name == "DESCANT_MODEL").then(|| "b".into()))
            .unwrap()
            .assignment("-c", "sampling.temperature=0")
            .unwrap()
            .assignment("-c", "effort=high")
            .unwrap()
            .config()
            .unwrap();
        assert_eq!(config.model, "b");
        assert_eq!(config.effort, Effort::High);
        assert_eq!(
            (config.sampling.temperature, config.sampling.top_p),
            (0.0, 0.9)
        );
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        for (text, near) in [
            ("modle = 'x'", "model"),
            ("temperature = 1", "sampling.temperature"),
            ("[sandbox]\nimag = 'x'", "sandbox.image"),
            ("[sandbx]\nimage = 'x'", "sandbox.image"),
            ("[servers.a]\nkey_env = 'x'", "api_key_env"),
        ] {
            match layers(text) {
                Err(ConfigError::UnknownKey { nearest, .. }) => assert_eq!(nearest, near, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn variables_are_taken_as_their_keys_type() {
        let config = Layers::default()
            .variables(|name| match name {
                "DESCANT_OFFLINE" => Some("1".into()),
                "DESCANT_MODEL" => Some("20".into()),
                "DESCANT_SAMPLING_SEED" => Some("7".into()),
                "DESCANT_EFFORT" => Some(String::new()),
                _ => None,
            })
            .unwrap()
            .config()
            .unwrap();
        assert_eq!((config.offline, config.model.as_str()), (true, "20"));
        assert_eq!(
            (config.sampling.seed, config.effort),
            (Some(7), Effort::Medium)
        );
    }

    #[test]
    fn a_server_is_a_table_of_its_own_and_can_be_set_in_parts() {
        let config = layers(
            "server = 'team'\n[servers.team]\nurl = 'https://gpu.example/v1'\nretries = 1\n",
        )
        .unwrap()
        .assignment("-c", "servers.team.model=openai/gpt-oss-120b")
        .unwrap()
        .assignment("-c", "servers.team.idle_s=5")
        .unwrap()
        .variables(|name| (name == "DESCANT_SERVER").then(|| "http://127.0.0.1:8080".into()))
        .unwrap()
        .config()
        .unwrap();
        assert_eq!(config.server.as_deref(), Some("http://127.0.0.1:8080"));
        let team = &config.servers["team"];
        assert_eq!((team.retries, team.idle_s, team.connect_s), (1, 5, 10));
        assert_eq!(team.model.as_deref(), Some("openai/gpt-oss-120b"));
        let alone = Layers::default()
            .assignment("-c", "servers.b.model=x")
            .unwrap();
        assert!(
            alone
                .config()
                .unwrap_err()
                .to_string()
                .contains("servers.b.url is missing")
        );
    }

    #[test]
    fn the_page_of_servers_names_every_key() {
        let page = include_str!("../../docs/servers.md");
        for (key, _) in SERVER_KEYS {
            assert!(
                page.contains(&format!("\n{key} = ")),
                "docs/servers.md says nothing of {key}"
            );
        }
    }

    #[test]
    fn the_guide_names_every_key() {
        let guide = include_str!("../../docs/guide.md");
        for (key, _) in KEYS {
            let last = key.rsplit('.').next().unwrap();
            assert!(
                guide.contains(&format!("\n{last} = ")),
                "docs/guide.md says nothing of {key}"
            );
        }
    }

    #[test]
    fn a_wrong_value_names_its_place() {
        for (text, part) in [
            ("effort = 'huge'", "huge"),
            ("approvals = 'yes'", "yes"),
            ("model = 3", "model"),
            ("[sampling]\ntop_p = 0.0", "top_p"),
            ("[sampling]\ntemperature = -1.0", "temperature"),
            ("model = ", "model"),
            ("model = ''", "model"),
            ("theme = ''", "theme"),
            ("context = 0", "context"),
            ("server = 3", "server"),
            ("[servers.a]\nurl = 'http://x'\nprotocol = 'soap'", "soap"),
            (
                "[servers.a]\nurl = 'http://x'\nidle_s = 0",
                "servers.a.idle_s",
            ),
            ("[servers.'a.b']\nurl = 'http://x'", "servers.a.b"),
            ("[servers.localhost]\nurl = 'http://x'", "a server's name"),
            ("[sandbox]\ntimeout_s = 9223372036854775807", "timeout_s"),
            ("[sandbox]\nmemory_mib = 17592186044416", "memory_mib"),
            ("[sandbox]\ncpus = inf", "cpus"),
            ("[journal]\nmax_age_days = 36501", "max_age_days"),
        ] {
            let message = layers(text).err().unwrap().to_string();
            assert!(
                message.contains("config.toml") && message.contains(part),
                "{message}"
            );
        }
    }

    #[test]
    fn every_key_of_the_table_can_be_set_and_no_other_exists() {
        let values = [
            "'x'",
            "http://127.0.0.1:8080",
            "'low'",
            "none",
            "'dark'",
            "4096",
            "first-use",
            "5",
            "10",
            "true",
            "0.5",
            "0.5",
            "0.5",
            "1",
            "false",
            "512",
            "0",
            "['end']",
            "false",
            "'i'",
            "64",
            "16",
            "1.0",
            "5",
            "8",
            "60",
            "64",
            "copy",
            "['.env']",
            "['/a:/b']",
            "true",
            "false",
            "bell",
            "true",
            "0",
            "30",
            "false",
            "1000",
        ];
        assert_eq!(values.len(), KEYS.len());
        for ((key, _), value) in KEYS.iter().zip(values) {
            Layers::default()
                .assignment("-c", &format!("{key}={value}"))
                .unwrap()
                .config()
                .unwrap();
        }
    }
}
