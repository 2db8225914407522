//! A repository's own settings, `.descant/config.toml`: what they may say at all, and what that comes to.
//!
//! They may choose how the model thinks, and tighten what it may do. Everything else is the user's alone: a model,
//! an image, a server, a mount, a key binding. What a repository may not say is left out and named, and nothing of
//! it counts before the user has agreed to these very bytes ([`super::Trust`]).

use super::layers::{check_keys, parse};
use super::{Approvals, Config, ViewSetting};
use sha2::{Digest, Sha256};
use std::path::Path;
use toml::{Table, Value};

/// The file, from the root of the repository.
pub const PROJECT_FILE: &str = ".descant/config.toml";
/// Bytes of it, at most.
pub const PROJECT_LIMIT: u64 = 64 << 10;

/// What a repository may set a key to.
enum May {
    /// Any value that the user may.
    Any,
    /// No more than the user has.
    Lower(fn(&Config) -> f64),
    /// No more than the user allows.
    Tighter(fn(&Config, &Config) -> bool),
}

fn number(value: impl TryInto<u32>) -> f64 {
    value.try_into().map_or(f64::MAX, f64::from)
}

fn strictness(approvals: Approvals) -> u8 {
    match approvals {
        Approvals::Auto => 0,
        Approvals::Ask => 1,
        Approvals::None => 2,
    }
}

/// The keys that a repository may set. A key that is not here it may not.
const ALLOWED: &[(&str, May)] = &[
    ("effort", May::Any),
    ("sampling.temperature", May::Any),
    ("sampling.top_p", May::Any),
    ("sampling.min_p", May::Any),
    ("sampling.seed", May::Any),
    ("sampling.reasoning_budget", May::Any),
    (
        "sampling.grammar",
        May::Tighter(|theirs, users| theirs.sampling.grammar || !users.sampling.grammar),
    ),
    (
        "max_output_tokens",
        May::Lower(|config| number(config.max_output_tokens)),
    ),
    (
        "approvals",
        May::Tighter(|theirs, users| strictness(theirs.approvals) >= strictness(users.approvals)),
    ),
    (
        "offline",
        May::Tighter(|theirs, users| theirs.offline || !users.offline),
    ),
    (
        "sandbox.enabled",
        May::Tighter(|theirs, users| !theirs.sandbox.enabled || users.sandbox.enabled),
    ),
    (
        "sandbox.view",
        May::Tighter(|theirs, users| {
            [ViewSetting::ReadOnly, users.sandbox.view].contains(&theirs.sandbox.view)
        }),
    ),
    (
        "sandbox.memory_mib",
        May::Lower(|config| number(config.sandbox.memory_mib)),
    ),
    (
        "sandbox.pids",
        May::Lower(|config| number(config.sandbox.pids)),
    ),
    ("sandbox.cpus", May::Lower(|config| config.sandbox.cpus)),
    (
        "sandbox.timeout_s",
        May::Lower(|config| number(config.sandbox.timeout_s)),
    ),
    (
        "sandbox.output_kib",
        May::Lower(|config| number(config.sandbox.output_kib)),
    ),
    (
        "sandbox.shell_timeout_s",
        May::Lower(|config| number(config.sandbox.shell_timeout_s)),
    ),
    (
        "sandbox.disk_mib",
        May::Lower(|config| number(config.sandbox.disk_mib)),
    ),
];

/// A repository's settings as far as they may be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Of the file's bytes and the place it lies in.
    pub hash: String,
    /// `key = value` of what it would set.
    pub sets: Vec<String>,
    /// `key: why` of what it may not.
    pub refused: Vec<String>,
    pub(super) table: Table,
}

impl Project {
    /// Reads the file's bytes. `users`: what the user's own configuration says.
    ///
    /// # Errors
    /// In words for the user: it is no TOML, or has a key or a value that there is not.
    pub fn read(root: &Path, bytes: &[u8], users: &Config) -> Result<Project, String> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8: {error}"))?;
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| error.message().to_owned())?;
        let mut project = Project {
            hash: hash(root, bytes),
            sets: Vec::new(),
            refused: Vec::new(),
            table: Table::new(),
        };
        let mut values = Vec::new();
        flatten("", table, &mut values);
        for (key, value) in values {
            project.take(&key, value, users)?;
        }
        Ok(project)
    }

    fn take(&mut self, key: &str, value: Value, users: &Config) -> Result<(), String> {
        let Some((_, may)) = ALLOWED.iter().find(|(allowed, _)| *allowed == key) else {
            self.refused
                .push(format!("{key}: only your own configuration may set it"));
            return Ok(());
        };
        let shown = format!("{key} = {value}");
        let one = nested(key, value);
        let said = |error: super::ConfigError| error.to_string();
        check_keys("it", "", &one).map_err(said)?;
        let theirs = parse("it", one.clone()).map_err(said)?;
        let allowed = match may {
            May::Any => true,
            May::Lower(of) => of(&theirs) <= of(users),
            May::Tighter(is_tighter) => is_tighter(&theirs, users),
        };
        if allowed {
            super::layers::merge(&mut self.table, one);
            self.sets.push(shown);
        } else {
            self.refused
                .push(format!("{shown}: looser than your own configuration"));
        }
        Ok(())
    }
}

fn hash(root: &Path, bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(root.as_os_str().as_encoded_bytes());
    hash.update([0]);
    hash.update(bytes);
    hex::encode(hash.finalize())
}

fn nested(key: &str, value: Value) -> Table {
    let mut table = Table::new();
    match key.split_once('.') {
        Some((head, rest)) => table.insert(head.to_owned(), Value::Table(nested(rest, value))),
        None => table.insert(key.to_owned(), value),
    };
    table
}

fn flatten(prefix: &str, table: Table, out: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let full = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(inner) => flatten(&full, inner, out),
            value => out.push((full, value)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::config::{KEYS, Layers};

    fn read(text: &str) -> Result<Project, String> {
        Project::read(Path::new("/r"), text.as_bytes(), &Config::default())
    }

    #[test]
    fn it_may_think_and_tighten() {
        let text = "effort = 'high'\napprovals = 'none'\noffline = true\nmax_output_tokens = 100\n\
                    [sampling]\ntemperature = 0.5\n[sandbox]\nenabled = false\ncpus = 1.0\nview = 'read-only'\n";
        let project = read(text).unwrap();
        assert_eq!(project.refused, Vec::<String>::new());
        assert_eq!(project.sets.len(), 8);
        let config = Layers::default()
            .project(&project)
            .unwrap()
            .config()
            .unwrap();
        assert_eq!(config.approvals, Approvals::None);
        assert!(config.offline && !config.sandbox.enabled);
        assert_eq!((config.max_output_tokens, config.sandbox.cpus), (100, 1.0));
    }

    #[test]
    fn nothing_else_counts_and_it_is_named() {
        let loosening = "approvals = 'auto'\noffline = false\nmodel = './evil'\ncontext = 512\ntheme = 'plain'\n\
                         max_output_tokens = 1000000\n[sandbox]\nimage = 'evil'\nmounts = ['/:/host']\nallow = ['*']\n\
                         memory_mib = 65536\ncpus = 64.0\npids = 4096\ntimeout_s = 9999\n[journal]\nmax_mib = 1\n\
                         [keys.composer]\nsend = 'x'\n[ui]\nmouse = false\n[compact]\nauto = false\n[server]\nurl = 'http://x'\n";
        let project = read(loosening).unwrap();
        // `offline = false` is what the user has: it changes nothing.
        assert_eq!(project.sets, ["offline = false"]);
        assert_eq!(project.refused.len(), 17, "{:#?}", project.refused);
        let config = Layers::default()
            .project(&project)
            .unwrap()
            .config()
            .unwrap();
        assert_eq!(config, Config::default());
        let users = Config {
            offline: true,
            approvals: Approvals::None,
            ..Config::default()
        };
        let text = "offline = false\napprovals = 'ask'";
        let project = Project::read(Path::new("/r"), text.as_bytes(), &users).unwrap();
        assert_eq!((project.sets.len(), project.refused.len()), (0, 2));
    }

    #[test]
    fn no_key_of_the_table_is_let_through_by_accident() {
        let allowed = |key: &str| ALLOWED.iter().any(|(allowed, _)| *allowed == key);
        let refused: Vec<&str> = KEYS
            .iter()
            .map(|(key, _)| *key)
            .filter(|key| !allowed(key))
            .collect();
        // Whoever adds a key decides here whether a repository may set it.
        assert_eq!(
            refused,
            [
                "model",
                "server",
                "theme",
                "context",
                "engine.load",
                "engine.unload_after_min",
                "sampling.repetition_guard",
                "sampling.stop",
                "sandbox.image",
                "sandbox.allow",
                "sandbox.mounts",
                "ui.mouse",
                "ui.title",
                "ui.notify",
                "ui.screen_reader",
                "journal.max_mib",
                "journal.max_age_days",
                "compact.auto",
                "compact.reserve",
            ]
        );
    }

    #[test]
    fn the_hash_is_of_the_bytes_and_the_place() {
        let hash = |root: &str, text: &str| hash(Path::new(root), text.as_bytes());
        assert_eq!(hash("/a", "x"), hash("/a", "x"));
        assert_ne!(hash("/a", "x"), hash("/a", "x "));
        assert_ne!(hash("/a", "x"), hash("/b", "x"));
        assert_ne!(hash("/a", "bx"), hash("/ab", "x"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("effort = 'huge'", "huge"),
            ("effort = ", "value"),
            ("[sampling]\ntop_p = 7.0", "top_p"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        assert!(Project::read(Path::new("/r"), &[0xFF], &Config::default()).is_err());
    }
}
