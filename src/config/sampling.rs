//! How the model is asked: sampling, and when a conversation is compacted by itself.

use super::{Config, ConfigError, Layers};
use serde::{Deserialize, Deserializer, Serialize};
use toml::{Table, Value};

/// OpenAI's recommended defaults for GPT-OSS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingConfig {
    pub temperature: f32,
    pub top_p: f32,
    pub min_p: f32,
    /// `None`: a new one each start.
    pub seed: Option<u64>,
    /// Only what parses, and only patches that fit their files, can be said.
    pub grammar: bool,
    /// Tokens of analysis of one generation, which ends with a call or the answer; 0 is no limit.
    pub reasoning_budget: usize,
    /// A generation ends when this many tokens at its end are one short piece again and again; 0 is never.
    pub repetition_guard: usize,
    /// The answer ends where one of these texts ends; at most [`MOST_STOPS`]. One alone needs no list.
    #[serde(deserialize_with = "one_or_more")]
    pub stop: Vec<String>,
}

/// As many as OpenAI's API takes.
pub(super) const MOST_STOPS: usize = 4;

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum Stop {
        One(String),
        More(Vec<String>),
    }
    Ok(match Stop::deserialize(from)? {
        Stop::One(text) => vec![text],
        Stop::More(texts) => texts,
    })
}

impl Default for SamplingConfig {
    fn default() -> Self {
        SamplingConfig {
            temperature: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            seed: None,
            grammar: true,
            reasoning_budget: 0,
            repetition_guard: 2_000,
            stop: Vec::new(),
        }
    }
}

/// When a conversation is compacted by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompactSettings {
    pub auto: bool,
    /// Tokens of the context that stay free; at most a quarter of it counts.
    pub reserve: usize,
}

impl Default for CompactSettings {
    fn default() -> Self {
        CompactSettings {
            auto: true,
            reserve: 8_192,
        }
    }
}

/// What the interface changes while it runs: sampling, and the most tokens of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asking {
    pub sampling: SamplingConfig,
    pub max_output_tokens: usize,
}

impl Default for Asking {
    fn default() -> Self {
        Asking::of(&Config::default())
    }
}

impl Asking {
    pub fn of(config: &Config) -> Asking {
        Asking {
            sampling: config.sampling.clone(),
            max_output_tokens: config.max_output_tokens,
        }
    }

    /// Each key, without `sampling.`, with its value.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let s = &self.sampling;
        let limit = |tokens: usize, none: &str| match tokens {
            0 => none.to_owned(),
            tokens => tokens.to_string(),
        };
        vec![
            ("temperature", s.temperature.to_string()),
            ("top_p", s.top_p.to_string()),
            ("min_p", s.min_p.to_string()),
            (
                "seed",
                s.seed.map_or("random".to_owned(), |seed| seed.to_string()),
            ),
            ("reasoning_budget", limit(s.reasoning_budget, "none")),
            ("repetition_guard", limit(s.repetition_guard, "off")),
            (
                "stop",
                match s.stop.as_slice() {
                    [] => "none".to_owned(),
                    texts => format!("{texts:?}"),
                },
            ),
            ("grammar", s.grammar.to_string()),
            ("max_output_tokens", self.max_output_tokens.to_string()),
        ]
    }

    /// With one `key=value` (or `key value`) changed; the key with or without `sampling.`.
    ///
    /// # Errors
    /// In words for the user: no such key, or not a value of it.
    pub fn with(&self, assignment: &str) -> Result<Asking, String> {
        let split = assignment
            .split_once('=')
            .or_else(|| assignment.trim().split_once(char::is_whitespace));
        let Some((key, value)) = split else {
            return Err(format!(
                "`{assignment}` is not of the form key=value; the keys are {}",
                Asking::keys()
            ));
        };
        let (key, value) = (key.trim(), value.trim());
        let key = key.strip_prefix("sampling.").unwrap_or(key);
        if !self.rows().iter().any(|(known, _)| *known == key) {
            return Err(format!(
                "there is no {key}; the keys are {}",
                Asking::keys()
            ));
        }
        let full = match key {
            "max_output_tokens" => key.to_owned(),
            key => format!("sampling.{key}"),
        };
        let said = |error: ConfigError| error.to_string();
        let table = Layers::default()
            .assignment("/sampling", &format!("{full}={value}"))
            .map_err(said)?
            .over(self.table())
            .map_err(said)?;
        Ok(Asking::of(&table))
    }

    /// Whether `key=value` can be one for [`Asking::with`].
    pub fn has_key(key: &str) -> bool {
        let key = key.strip_prefix("sampling.").unwrap_or(key);
        Asking::default()
            .rows()
            .iter()
            .any(|(known, _)| *known == key)
    }

    fn keys() -> String {
        let rows = Asking::default().rows();
        let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        if let Ok(sampling) = Value::try_from(&self.sampling) {
            table.insert("sampling".to_owned(), sampling);
        }
        let most = i64::try_from(self.max_output_tokens).unwrap_or(i64::MAX);
        table.insert("max_output_tokens".to_owned(), Value::Integer(most));
        table
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn one_key_changes_and_the_others_stay() {
        let asking = Asking::default()
            .with("seed=7")
            .unwrap()
            .with("temperature 0.25")
            .unwrap()
            .with("sampling.reasoning_budget = 512")
            .unwrap()
            .with("max_output_tokens=100")
            .unwrap()
            .with("grammar=false")
            .unwrap()
            .with("stop = END OF ANSWER")
            .unwrap();
        let expected = Asking {
            sampling: SamplingConfig {
                temperature: 0.25,
                seed: Some(7),
                grammar: false,
                reasoning_budget: 512,
                stop: vec!["END OF ANSWER".to_owned()],
                ..SamplingConfig::default()
            },
            max_output_tokens: 100,
        };
        assert_eq!(asking, expected);
        let more = asking.with(r#"stop=["</answer>", "\n\n"]"#).unwrap();
        assert_eq!(more.sampling.stop, ["</answer>", "\n\n"]);
        assert_eq!(more.with("stop=[]").unwrap().sampling.stop, [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            (
                "heat=1",
                "there is no heat; the keys are temperature, top_p",
            ),
            ("temperature", "not of the form key=value"),
            ("temperature=-1", "must be 0 or more"),
            ("top_p=2", "must be above 0"),
            ("seed=x", "seed"),
            ("stop=['']", "sampling.stop has an empty text"),
            (
                "stop=['a','b','c','d','e']",
                "sampling.stop has 5 texts; at most 4",
            ),
            ("stop=[1]", "a text or a list of texts"),
            ("max_output_tokens=0", "max_output_tokens must be from 1"),
            ("model=x", "there is no model"),
        ] {
            let said = Asking::default().with(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
