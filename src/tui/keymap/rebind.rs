//! The keymap of a run: the table, and what the configuration changes in it.
//!
//! Strict, because a key that silently does something else is worse than a program that does not start: what
//! is unknown, and what is bound twice, is an error that names both places. Nothing is overridden by accident:
//! a key that a default holds is first taken from it (`ACTION = [...]`), then given away.

use super::bound::{Bound, BoundKey, defaults};
use super::{Action, Context, Keymap, is_text, key};
use crate::config::{KeySetting, Meant};
use crate::tui::command::{self, COMMANDS, nearest};

/// Keys of one context cannot do without.
const NEEDED: [(Context, Action); 8] = [
    (Context::Composer, Action::Submit),
    (Context::Pane, Action::FocusComposer),
    (Context::Review, Action::Finish),
    (Context::Note, Action::Confirm),
    (Context::Note, Action::Cancel),
    (Context::Picker, Action::Confirm),
    (Context::Picker, Action::Cancel),
    (Context::Help, Action::Close),
];
/// Always interrupts and quits, whatever else is bound.
const FIXED: &str = "Ctrl+C";

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RebindError {
    #[error("{place}: there is no section [keys.{context}]; the nearest is [keys.{nearest}]")]
    Context {
        place: String,
        context: String,
        nearest: &'static str,
    },
    #[error(
        "{place}: `{written}` is neither a key nor an action of [keys.{context}]; the nearest action is `{nearest}`\n  keys are written as ctrl+x, alt+enter, f5, pagedown or y; /keys lists the actions"
    )]
    Left {
        place: String,
        context: &'static str,
        written: String,
        nearest: String,
    },
    #[error(
        "{place}: [keys.{context}] has no action `{written}`; the nearest is `{nearest}`\n  /keys lists the actions, and `none` unbinds a key"
    )]
    Action {
        place: String,
        context: &'static str,
        written: String,
        nearest: String,
    },
    #[error(
        "{place}: `{written}` is no key; the nearest is `{nearest}`\n  keys are written as ctrl+x, alt+enter, f5, pagedown or y"
    )]
    Key {
        place: String,
        written: String,
        nearest: String,
    },
    #[error(transparent)]
    Clash(Box<Clash>),
    #[error(
        "{place}: {FIXED} always clears, interrupts and quits: it cannot be bound to anything else or unbound\n  choose another key"
    )]
    Fixed { place: String },
    #[error(
        "{place}: `{action}` would have no key in [keys.{context}], and without it there is no way on from there\n  leave it one key at least"
    )]
    Needed {
        place: String,
        context: &'static str,
        action: String,
    },
    #[error(
        "{place}: {key} is a character that is typed in [keys.{context}]\n  use it with ctrl+ or alt+, or a function key"
    )]
    Typed {
        place: String,
        context: &'static str,
        key: String,
    },
}

/// One key for two things.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{place}: {key} cannot be `{action}` in [keys.{context}]: it is `{other}` there, by {other_place}\n  {remedy}"
)]
pub struct Clash {
    place: String,
    context: &'static str,
    key: String,
    action: String,
    other: String,
    other_place: String,
    remedy: String,
}

/// A setting, understood.
enum Change {
    /// These are all the keys of the action.
    Keys(Action, Vec<String>),
    Bind(String, Action),
    Unbind(String),
}

struct Step<'s> {
    setting: &'s KeySetting,
    context: Context,
    change: Change,
}

impl Keymap {
    /// The table with the settings.
    pub fn with(settings: &[KeySetting]) -> Result<Keymap, RebindError> {
        let mut steps: Vec<Step<'_>> = Vec::new();
        for setting in settings {
            let step = understood(setting)?;
            // The same thing, said by a stronger layer.
            let same = |old: &Step<'_>| {
                old.context == step.context && same_left(&old.change, &step.change)
            };
            if let Some(old) = steps.iter().find(|old| same(old))
                && old.setting.layer == setting.layer
            {
                return Err(twice(old, &step));
            }
            steps.retain(|old| !same(old));
            steps.push(step);
        }
        let mut rows = defaults();
        for step in &steps {
            if let Change::Keys(action, keys) = &step.change {
                let place = &step.setting.place;
                row(&mut rows, step.context, *action).keys =
                    keys.iter().map(|name| bound(name, place)).collect();
            }
        }
        for step in &steps {
            if let Change::Unbind(key) = &step.change {
                for row in rows.iter_mut().filter(|row| row.context == step.context) {
                    row.keys.retain(|k| k.name != *key || k.place.is_some());
                }
            }
        }
        for step in &steps {
            if let Change::Bind(key, action) = &step.change {
                let keys = &mut row(&mut rows, step.context, *action).keys;
                keys.retain(|k| k.name != *key);
                keys.push(bound(key, &step.setting.place));
            }
        }
        check(&rows, &steps)?;
        Ok(Keymap::of(rows))
    }
}

fn bound(name: &str, place: &str) -> BoundKey {
    BoundKey {
        name: name.to_owned(),
        place: Some(place.to_owned()),
    }
}

fn same_left(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (Change::Keys(a, _), Change::Keys(b, _)) => a == b,
        (Change::Bind(a, _) | Change::Unbind(a), Change::Bind(b, _) | Change::Unbind(b)) => a == b,
        (Change::Keys(..), Change::Bind(..) | Change::Unbind(_))
        | (Change::Bind(..) | Change::Unbind(_), Change::Keys(..)) => false,
    }
}

/// The row of an action, made where a context takes over what is bound everywhere, or a command.
fn row(rows: &mut Vec<Bound>, context: Context, action: Action) -> &mut Bound {
    let at = rows
        .iter()
        .position(|row| row.context == context && row.action == action);
    let at = at.unwrap_or_else(|| {
        let everywhere = rows
            .iter()
            .find(|row| row.context == Context::Everywhere && row.action == action);
        let doc = match action.command().and_then(command::find) {
            Some(spec) => spec.doc,
            None => everywhere.map_or("", |row| row.doc),
        };
        rows.push(Bound {
            context,
            action,
            keys: Vec::new(),
            hint: "",
            doc,
        });
        rows.len() - 1
    });
    &mut rows[at]
}

fn understood(setting: &KeySetting) -> Result<Step<'_>, RebindError> {
    let place = || setting.place.clone();
    let context = Context::ALL
        .into_iter()
        .find(|context| context.name() == setting.context)
        .ok_or_else(|| RebindError::Context {
            place: place(),
            context: setting.context.clone(),
            nearest: nearest(
                &setting.context,
                Context::ALL.into_iter().map(Context::name),
            ),
        })?;
    let change = if let Some(action) = action(context, &setting.left) {
        let keys = match &setting.right {
            Meant::One(none) if none == "none" => Vec::new(),
            Meant::One(key) => vec![known_key(setting, key)?],
            Meant::List(keys) => keys
                .iter()
                .map(|key| known_key(setting, key))
                .collect::<Result<_, _>>()?,
        };
        Change::Keys(action, keys)
    } else {
        let Some(event) = key::parse(&setting.left) else {
            return Err(RebindError::Left {
                place: place(),
                context: context.name(),
                written: setting.left.clone(),
                nearest: nearest_action(context, &setting.left),
            });
        };
        let name = key::name(&event);
        let written = match &setting.right {
            Meant::One(action) => action,
            Meant::List(actions) => actions.first().map_or("", String::as_str),
        };
        match action(context, written) {
            _ if written == "none" => Change::Unbind(name),
            Some(action) => Change::Bind(name, action),
            None => {
                return Err(RebindError::Action {
                    place: place(),
                    context: context.name(),
                    written: written.to_owned(),
                    nearest: nearest_action(context, written),
                });
            }
        }
    };
    let step = Step {
        setting,
        context,
        change,
    };
    allowed(&step)?;
    Ok(step)
}

fn known_key(setting: &KeySetting, written: &str) -> Result<String, RebindError> {
    let event = key::parse(written).ok_or_else(|| RebindError::Key {
        place: setting.place.clone(),
        written: written.to_owned(),
        nearest: nearest_key(written),
    })?;
    Ok(key::name(&event))
}

/// The named key that was probably meant, with the modifiers as they were written.
fn nearest_key(written: &str) -> String {
    const MODIFIERS: [&str; 3] = ["ctrl", "alt", "shift"];
    let (modifiers, last) = match written.rsplit_once('+') {
        Some((modifiers, last)) => (Some(modifiers), last),
        None => (None, written),
    };
    let modifiers: String = modifiers
        .into_iter()
        .flat_map(|all| all.split('+'))
        .map(|word| format!("{}+", nearest(&word.to_lowercase(), MODIFIERS.into_iter())))
        .collect();
    let last = match last.chars().nth(1) {
        None if !last.is_empty() => last.to_owned(),
        _ => nearest(&last.to_lowercase(), key::names()).to_owned(),
    };
    modifiers + &last
}

/// Every action that can be bound in a context.
fn actions(context: Context) -> Vec<Action> {
    let from_everywhere =
        |c: Context| c == context || (context.commands() && c == Context::Everywhere);
    let mut out: Vec<Action> = super::BINDINGS
        .iter()
        .filter(|binding| from_everywhere(binding.context))
        .map(|binding| binding.action)
        .collect();
    if context.commands() {
        out.extend(COMMANDS.iter().map(|spec| Action::Command(spec.name)));
    }
    out
}

fn action(context: Context, name: &str) -> Option<Action> {
    if let Some(found) = name.strip_prefix('/').and_then(command::find)
        && context.commands()
    {
        return Some(Action::Command(found.name));
    }
    actions(context)
        .into_iter()
        .find(|action| action.name() == name)
}

fn nearest_action(context: Context, written: &str) -> String {
    let names: Vec<String> = actions(context).into_iter().map(Action::name).collect();
    nearest(written, names.iter().map(String::as_str)).to_owned()
}

fn allowed(step: &Step<'_>) -> Result<(), RebindError> {
    let quits = |action: &Action| *action == Action::ClearInterruptQuit;
    let place = step.setting.place.clone();
    let fixed = || RebindError::Fixed {
        place: place.clone(),
    };
    match &step.change {
        Change::Unbind(key) if key == FIXED => return Err(fixed()),
        Change::Bind(key, action) if key == FIXED && !quits(action) => {
            return Err(fixed());
        }
        Change::Keys(action, keys) => {
            let has = keys.iter().any(|key| key == FIXED);
            let lost = quits(action) && step.context == Context::Everywhere && !has;
            if lost || (has && !quits(action)) {
                return Err(fixed());
            }
        }
        Change::Unbind(_) | Change::Bind(..) => {}
    }
    let keys: Vec<&String> = match &step.change {
        Change::Keys(_, keys) => keys.iter().collect(),
        Change::Bind(key, _) => vec![key],
        Change::Unbind(_) => Vec::new(),
    };
    for name in keys {
        let typed = key::parse(name).is_some_and(|event| is_text(&event));
        if typed && step.context.takes_text() {
            return Err(RebindError::Typed {
                place,
                context: step.context.name(),
                key: name.clone(),
            });
        }
    }
    Ok(())
}

/// One key, one action; and a way on from everywhere.
fn check(rows: &[Bound], steps: &[Step<'_>]) -> Result<(), RebindError> {
    for (at, row) in rows.iter().enumerate() {
        for key in &row.keys {
            let other = rows.iter().skip(at + 1).find_map(|other| {
                let same = other.keys.iter().find(|k| k.name == key.name)?;
                (other.context == row.context && other.action != row.action)
                    .then_some((other, same))
            });
            if let Some((other, other_key)) = other {
                return Err(clash((row, key), (other, other_key)));
            }
        }
    }
    for (context, action) in NEEDED {
        let mut found = rows
            .iter()
            .filter(|row| row.context == context && row.action == action);
        if found.any(|row| row.keys.is_empty()) {
            let last = steps.iter().rev().find(|step| step.context == context);
            return Err(RebindError::Needed {
                place: last.map_or_else(String::new, |step| step.setting.place.clone()),
                context: context.name(),
                action: action.name(),
            });
        }
    }
    Ok(())
}

fn clash(a: (&Bound, &BoundKey), b: (&Bound, &BoundKey)) -> RebindError {
    // The one that a setting brought is the one to be told of.
    let ((row, key), (other, other_key)) = match (&a.1.place, &b.1.place) {
        (None, Some(_)) => (b, a),
        (None | Some(_), _) => (a, b),
    };
    let action = row.action.name();
    let other_name = other.action.name();
    let remedy = match &other_key.place {
        Some(_) => "one key does one thing in a section: change one of the two".to_owned(),
        None => format!(
            "to take the key from `{other_name}`, say its keys in the same section: {other_name} = [{}]",
            other
                .keys
                .iter()
                .filter(|k| k.name != key.name)
                .map(|k| format!("\"{}\"", k.name.to_lowercase()))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let default = || "default".to_owned();
    RebindError::Clash(Box::new(Clash {
        place: key.place.clone().unwrap_or_else(default),
        context: row.context.name(),
        key: key.name.clone(),
        action,
        other: other_name,
        other_place: other_key.place.clone().unwrap_or_else(default),
        remedy,
    }))
}

/// The same key or action, twice in one layer.
fn twice(old: &Step<'_>, new: &Step<'_>) -> RebindError {
    let said = |change: &Change| match change {
        Change::Keys(action, keys) => (action.name(), keys.join(" ")),
        Change::Bind(key, action) => (key.clone(), action.name()),
        Change::Unbind(key) => (key.clone(), "none".to_owned()),
    };
    let ((left, was), (_, is)) = (said(&old.change), said(&new.change));
    RebindError::Clash(Box::new(Clash {
        place: new.setting.place.clone(),
        context: new.context.name(),
        key: left,
        action: is,
        other: was,
        other_place: old.setting.place.clone(),
        remedy: "one of the two is enough".to_owned(),
    }))
}

#[cfg(test)]
mod tests;
