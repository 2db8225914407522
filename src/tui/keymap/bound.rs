//! The keys as they are bound in this run: the table's defaults and what the configuration made of them.

use super::{Action, BINDINGS, Context, key};
use crossterm::event::KeyEvent;
use std::collections::HashMap;

/// A row of the table with its keys of this run.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    pub context: Context,
    pub action: Action,
    /// The first is the one that hints show; none is bound where there is none.
    pub keys: Vec<BoundKey>,
    pub hint: &'static str,
    pub doc: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundKey {
    pub name: String,
    /// Where the configuration says so; `None` for a default.
    pub place: Option<String>,
}

impl Bound {
    /// `Up k`, for help and docs.
    pub fn keys(&self) -> String {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
        names.join(" ")
    }

    pub fn first(&self) -> Option<&str> {
        self.keys.first().map(|key| key.name.as_str())
    }
}

/// Which key does what in this run.
#[derive(Debug, Clone)]
pub struct Keymap {
    rows: Vec<Bound>,
    index: HashMap<(Context, String), Action>,
}

impl Default for Keymap {
    fn default() -> Keymap {
        Keymap::of(defaults())
    }
}

/// The table as rows of a run that rebinds nothing.
pub(super) fn defaults() -> Vec<Bound> {
    BINDINGS
        .iter()
        .map(|binding| Bound {
            context: binding.context,
            action: binding.action,
            keys: binding
                .keys
                .iter()
                .map(|key| BoundKey {
                    name: (*key).to_owned(),
                    place: None,
                })
                .collect(),
            hint: binding.hint,
            doc: binding.doc,
        })
        .collect()
}

impl Keymap {
    pub(super) fn of(rows: Vec<Bound>) -> Keymap {
        let index = rows
            .iter()
            .flat_map(|row| {
                row.keys
                    .iter()
                    .map(|key| ((row.context, key.name.clone()), row.action))
            })
            .collect();
        Keymap { rows, index }
    }

    /// What the key does in `context`, or everywhere.
    pub fn lookup(&self, context: Context, event: &KeyEvent) -> Option<Action> {
        let name = key::name(event);
        let find = |context: Context| self.index.get(&(context, name.clone())).copied();
        find(context).or_else(|| find(Context::Everywhere))
    }

    pub fn rows(&self) -> &[Bound] {
        &self.rows
    }

    pub fn of_context(&self, context: Context) -> impl Iterator<Item = &Bound> {
        self.rows.iter().filter(move |row| row.context == context)
    }

    /// The key that hints name for an action; `None` where it has none.
    pub fn hint(&self, context: Context, action: Action) -> Option<&str> {
        self.of_context(context)
            .find(|row| row.action == action)
            .and_then(Bound::first)
    }

    /// All keys of an action.
    pub fn keys(&self, context: Context, action: Action) -> Vec<&str> {
        self.of_context(context)
            .filter(|row| row.action == action)
            .flat_map(|row| row.keys.iter().map(|key| key.name.as_str()))
            .collect()
    }

    /// As [`Keymap::hint`], empty where there is none.
    pub fn key(&self, context: Context, action: Action) -> &str {
        self.hint(context, action).unwrap_or_default()
    }

    /// The keys that run a command: those that do so everywhere, or else wherever they do.
    pub fn of_command(&self, command: &str) -> Vec<&str> {
        let keys = |everywhere: bool| -> Vec<&str> {
            let rows = self.rows.iter().filter(|row| {
                row.action.command() == Some(command)
                    && (row.context == Context::Everywhere) == everywhere
            });
            let names = rows.flat_map(|row| row.keys.iter().map(|key| key.name.as_str()));
            names.collect()
        };
        let mut found = keys(true);
        if found.is_empty() {
            found = keys(false);
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
