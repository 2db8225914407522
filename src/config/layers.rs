//! Reading the layers and putting them together. Each is checked by itself, so that an error can say which
//! one is wrong.

use super::{Config, KEYS};
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
#[derive(Debug, Default)]
pub struct Layers {
    merged: Table,
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
        let table: Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError::Read {
                place: place.clone(),
                reason: e.to_string(),
            })?;
        self.add(&place, table)?;
        Ok(self)
    }

    /// Adds `DESCANT_*` variables: the key in upper case with `_` for `.`, e.g. `DESCANT_SANDBOX_IMAGE`.
    pub fn variables(mut self, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        for (key, _) in KEYS {
            let name = format!("DESCANT_{}", key.to_uppercase().replace('.', "_"));
            if let Some(text) = get(&name) {
                self.add(&name, nested(key, scalar(&text)))?;
            }
        }
        Ok(self)
    }

    /// Adds one `key=value`, the value as TOML or, failing that, as plain text.
    pub fn assignment(mut self, place: &str, assignment: &str) -> Result<Self, ConfigError> {
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(ConfigError::Value {
                place: place.to_owned(),
                reason: format!("`{assignment}` is not of the form key=value"),
            });
        };
        self.add(place, nested(key.trim(), scalar(value.trim())))?;
        Ok(self)
    }

    /// All layers together.
    pub fn config(self) -> Result<Config, ConfigError> {
        parse("configuration", self.merged)
    }

    fn add(&mut self, place: &str, table: Table) -> Result<(), ConfigError> {
        check_keys(place, "", &table)?;
        parse(place, table.clone())?;
        merge(&mut self.merged, table);
        Ok(())
    }
}

fn parse(place: &str, table: Table) -> Result<Config, ConfigError> {
    let wrong = |reason: String| ConfigError::Value {
        place: place.to_owned(),
        reason,
    };
    let config: Config = table
        .try_into()
        .map_err(|e: toml::de::Error| wrong(e.to_string().trim_end().to_owned()))?;
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
    let sandbox = &config.sandbox;
    if sandbox.memory_mib < 16
        || sandbox.pids < 8
        || sandbox.cpus.is_nan()
        || sandbox.cpus <= 0.0
        || sandbox.timeout_s == 0
    {
        return Err(wrong(
            "sandbox limits are too small: memory_mib >= 16, pids >= 8, cpus > 0, timeout_s >= 1"
                .to_owned(),
        ));
    }
    Ok(config)
}

fn scalar(text: &str) -> Value {
    match format!("v = {text}").parse::<Table>() {
        Ok(mut table) => table
            .remove("v")
            .unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
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

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn check_keys(place: &str, prefix: &str, table: &Table) -> Result<(), ConfigError> {
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
        match value {
            Value::Table(inner) if KEYS.iter().any(|(known, _)| known.starts_with(&section)) => {
                check_keys(place, &full, inner)?;
            }
            _ => {
                return Err(ConfigError::UnknownKey {
                    place: place.to_owned(),
                    nearest: nearest(&full).to_owned(),
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
    KEYS.iter()
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
        ] {
            match layers(text) {
                Err(ConfigError::UnknownKey { nearest, .. }) => assert_eq!(nearest, near, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_wrong_value_names_its_place() {
        for (text, part) in [
            ("effort = 'huge'", "huge"),
            ("model = 3", "model"),
            ("[sampling]\ntop_p = 0.0", "top_p"),
            ("[sampling]\ntemperature = -1.0", "temperature"),
            ("model = ", "model"),
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
            "'x'", "'low'", "'dark'", "4096", "10", "true", "0.5", "0.5", "0.5", "1", "false",
            "'i'", "64", "16", "1.0", "5", "8",
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
