//! The `[keys.CONTEXT]` sections: read with the line each stands in, and not judged here.
//!
//! Which contexts, keys and actions there are is the interface's table (`tui::keymap::rebind` checks against
//! it); here they are text. Two forms: `"ctrl+x" = "newline"` gives a key to an action, and
//! `newline = ["ctrl+j", "f2"]` says all the keys of an action.

use super::ConfigError;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Spanned, Value};

/// One line of such a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetting {
    /// Of two settings of the same thing, the one of the higher layer holds.
    pub layer: usize,
    /// The file and line, or the flag.
    pub place: String,
    /// As in `[keys.CONTEXT]`.
    pub context: String,
    /// A key or an action, as it was written.
    pub left: String,
    /// What it is to be: one text, or a list of them.
    pub right: Meant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    One(String),
    List(Vec<String>),
}

type Sections = BTreeMap<String, BTreeMap<Spanned<String>, Value>>;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    keys: Sections,
}

/// The settings of a file's text.
pub(super) fn of_file(
    file: &str,
    text: &str,
    layer: usize,
) -> Result<Vec<KeySetting>, ConfigError> {
    let parsed: File = toml::from_str(text).map_err(|error| ConfigError::Value {
        place: file.to_owned(),
        reason: format!(
            "{}\n  keys stand in sections such as [keys.composer], a line each: \"ctrl+x\" = \"newline\"",
            error.to_string().trim_end()
        ),
    })?;
    let mut out = Vec::new();
    for (context, section) in parsed.keys {
        for (left, value) in section {
            let before = text.get(..left.span().start).unwrap_or_default();
            let place = format!("{file}:{}", before.matches('\n').count() + 1);
            let left = left.into_inner();
            out.push(KeySetting {
                layer,
                right: meant(&place, &left, value)?,
                place,
                context: context.clone(),
                left,
            });
        }
    }
    Ok(out)
}

/// The setting of `keys.CONTEXT.LEFT=VALUE`, split at the last `=`, because a key may be one; `None` for a
/// setting of something else.
pub(super) fn of_assignment(
    place: &str,
    assignment: &str,
    layer: usize,
) -> Option<Result<KeySetting, ConfigError>> {
    let rest = assignment.trim().strip_prefix("keys.")?;
    let parts = rest
        .rsplit_once('=')
        .and_then(|(path, value)| Some((path.split_once('.')?, value)));
    let Some(((context, left), value)) = parts else {
        return Some(Err(ConfigError::Value {
            place: place.to_owned(),
            reason: format!(
                "`{assignment}` is not of the form keys.CONTEXT.KEY=ACTION, such as keys.composer.ctrl+x=newline"
            ),
        }));
    };
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let value = match format!("v = {value}").parse::<toml::Table>() {
        Ok(mut table) => table.remove("v"),
        Err(_not_toml) => None,
    };
    let value = value.unwrap_or_else(|| Value::String(bare(value_text(rest))));
    let left = bare(left);
    Some(meant(place, &left, value).map(|right| KeySetting {
        layer,
        place: format!("{place} {assignment}"),
        context: bare(context),
        left,
        right,
    }))
}

fn value_text(rest: &str) -> &str {
    rest.rsplit_once('=').map_or("", |(_, value)| value)
}

fn meant(place: &str, left: &str, value: Value) -> Result<Meant, ConfigError> {
    let wrong = |found: &Value| ConfigError::Value {
        place: place.to_owned(),
        reason: format!(
            "{left} is {}; it must be text or a list of texts",
            found.type_str()
        ),
    };
    match value {
        Value::String(text) => Ok(Meant::One(text)),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(wrong(&other)),
            })
            .collect::<Result<_, _>>()
            .map(Meant::List),
        other => Err(wrong(&other)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn settings_know_their_lines() {
        let text = "model = 'demo'\n\n[keys.composer]\n\"ctrl+x\" = \"newline\"\nsubmit = ['enter', 'f5']\n\n[keys.review]\nz = \"accept\"\n";
        let found = of_file("c.toml", text, 0).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|s| format!("{} {} {} {:?}", s.place, s.context, s.left, s.right))
            .collect();
        assert_eq!(
            shown,
            [
                "c.toml:4 composer ctrl+x One(\"newline\")",
                "c.toml:5 composer submit List([\"enter\", \"f5\"])",
                "c.toml:8 review z One(\"accept\")",
            ]
        );
    }

    #[test]
    fn an_assignment_may_be_of_any_key() {
        for (text, left, right) in [
            (
                "keys.composer.ctrl+x=newline",
                "ctrl+x",
                Meant::One("newline".into()),
            ),
            (
                "keys.composer.\"ctrl+x\"=\"newline\"",
                "ctrl+x",
                Meant::One("newline".into()),
            ),
            ("keys.composer.==top", "=", Meant::One("top".into())),
            ("keys.composer..=top", ".", Meant::One("top".into())),
            (
                "keys.composer.submit=['enter','f5']",
                "submit",
                Meant::List(vec!["enter".into(), "f5".into()]),
            ),
        ] {
            let setting = of_assignment("-c", text, 1).unwrap().unwrap();
            assert_eq!((setting.left.as_str(), &setting.right), (left, &right));
            assert_eq!(setting.context, "composer");
            assert_eq!(setting.place, format!("-c {text}"));
        }
        assert!(of_assignment("-c", "model=demo", 1).is_none());
    }

    #[test]
    fn what_is_no_setting_is_refused_with_its_place() {
        let problem = |text: &str| of_file("c.toml", text, 0).unwrap_err().to_string();
        assert_eq!(
            problem("[keys.pane]\nx = 3\n"),
            "c.toml:2: x is integer; it must be text or a list of texts"
        );
        assert!(problem("[keys]\nx = 'top'\n").contains("[keys.composer]"));
        let wrong = of_assignment("-c", "keys.x=y", 1).unwrap().unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "-c: `keys.x=y` is not of the form keys.CONTEXT.KEY=ACTION, such as keys.composer.ctrl+x=newline"
        );
    }
}
