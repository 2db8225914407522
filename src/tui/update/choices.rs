//! Lists that run a command: the palette, and the commands that ask for their argument.

use super::{act, command, overlay};
use crate::agent::{ApprovalPolicy, ModelChoice};
use crate::conversation::Effort;
use crate::tui::command::{COMMANDS, Command};
use crate::tui::keymap::{Action, Context};
use crate::tui::model::{Model, Update};
use crate::tui::picker::{Picked, Picker, Row, Subject};

/// Every command, and what else a key can do from everywhere.
pub(super) fn open_palette(model: &mut Model) {
    let row = |name: &str, doc: &str, keys: &str| {
        let detail = match keys {
            "" => doc.to_owned(),
            keys => format!("{doc} \u{b7} {keys}"),
        };
        Row::new(name, name, &detail)
    };
    let commands = COMMANDS.iter().map(|spec| {
        let keys = model.keys.of_command(spec.name).join(" ");
        row(&format!("/{}", spec.name), spec.doc, &keys)
    });
    let actions = everywhere(model).map(|(action, doc, keys)| row(&action.name(), doc, &keys));
    let rows = commands.chain(actions).collect();
    model.picker = Some(Picker::new(Subject::Palette, "Commands", rows));
}

fn everywhere(model: &Model) -> impl Iterator<Item = (Action, &'static str, String)> {
    model
        .keys
        .of_context(Context::Everywhere)
        .filter(|row| {
            // Ctrl+C does what its moment asks for; /quit is in the list.
            let momentary = [Action::Palette, Action::ClearInterruptQuit].contains(&row.action);
            row.action.command().is_none() && !momentary
        })
        .map(|row| (row.action, row.doc, row.keys()))
}

pub(super) fn command(model: &mut Model, picked: Picked, out: &mut Update) {
    let Some(name) = chosen(model, picked) else {
        return;
    };
    if let Some(name) = name.strip_prefix('/') {
        return overlay::run_named(model, name, out);
    }
    let action = everywhere(model).find(|(action, _, _)| action.name() == name);
    if let Some((action, _, _)) = action {
        act(model, action, out);
    }
}

pub(super) fn open_efforts(model: &mut Model) {
    let rows = [
        (Effort::Low, "short thoughts, fast answers"),
        (Effort::Medium, "what most tasks need"),
        (Effort::High, "long thoughts, for hard tasks"),
    ];
    let now = model.status.effort;
    let rows = rows.map(|(effort, doc)| {
        let name = effort.as_str();
        Row::new(name, &marked(name, effort == now), doc)
    });
    let mut picker = Picker::new(Subject::Effort, "Reasoning effort", rows.into());
    picker.choose(now.as_str());
    model.picker = Some(picker);
}

pub(super) fn effort(model: &mut Model, picked: Picked, out: &mut Update) {
    let efforts = [Effort::Low, Effort::Medium, Effort::High];
    let name = chosen(model, picked);
    if let Some(effort) = efforts
        .into_iter()
        .find(|e| name.as_deref() == Some(e.as_str()))
    {
        command::run(model, Command::Effort(Some(effort)), out);
    }
}

const POLICIES: [(&str, ApprovalPolicy, &str); 3] = [
    (
        "ask",
        ApprovalPolicy::Review,
        "you review every patch before it is written",
    ),
    (
        "auto",
        ApprovalPolicy::ApplyAll,
        "patches are written unreviewed; /undo and /diff still know them",
    ),
    (
        "none",
        ApprovalPolicy::ProposeOnly,
        "nothing is written; patches are only shown",
    ),
];

pub(super) fn open_approvals(model: &mut Model) {
    let now = model.status.approvals;
    let rows =
        POLICIES.map(|(name, policy, doc)| Row::new(name, &marked(name, policy == now), doc));
    let mut picker = Picker::new(Subject::Approvals, "Approvals of patches", rows.into());
    let current = POLICIES.iter().find(|(_, policy, _)| *policy == now);
    picker.choose(current.map_or("", |(name, _, _)| name));
    model.picker = Some(picker);
}

pub(super) fn approvals(model: &mut Model, picked: Picked, out: &mut Update) {
    let name = chosen(model, picked);
    let policy = POLICIES.iter().find(|row| name.as_deref() == Some(row.0));
    if let Some((_, policy, _)) = policy {
        command::run(model, Command::Approvals(Some(*policy)), out);
    }
}

/// What a policy means, for the user who just chose it.
pub fn policy_in_words(policy: ApprovalPolicy) -> String {
    let row = POLICIES.iter().find(|row| row.1 == policy);
    row.map_or_else(String::new, |(name, _, doc)| {
        format!("approvals: {name}, {doc}")
    })
}

/// The models of this machine, the one that runs marked.
pub(super) fn open_models(model: &mut Model, models: Vec<ModelChoice>) {
    let now = model.status.model.name().to_owned();
    let rows = models
        .iter()
        .map(|m| Row::new(&m.name, &marked(&m.name, m.name == now), &m.place))
        .collect();
    let mut picker = Picker::new(Subject::Model, "Models on this machine", rows);
    picker.choose(&now);
    model.picker = Some(picker);
}

pub(super) fn model(model: &mut Model, picked: Picked, out: &mut Update) {
    if let Some(name) = chosen(model, picked) {
        command::run(model, Command::Model(Some(name)), out);
    }
}

/// A row of what can be set, and whether it is set now.
fn marked(name: &str, now: bool) -> String {
    if now {
        format!("{name} (now)")
    } else {
        name.to_owned()
    }
}

/// The row that was chosen; the list closes with it, or without.
pub(super) fn chosen(model: &mut Model, picked: Picked) -> Option<String> {
    match picked {
        Picked::Chosen(id) => {
            model.picker = None;
            Some(id)
        }
        Picked::Closed => {
            model.picker = None;
            None
        }
        Picked::Nothing | Picked::Moved | Picked::Other(_) => None,
    }
}
