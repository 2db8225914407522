//! Plans, key scripts and screens for the tests of this module.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::keymap;
use crate::patch::{ChangeKind, FilePlan, Hunk, HunkId, HunkLine, LineKind, LocateStage, Plan};
use crossterm::event::KeyEvent;

/// `abc<Enter><Ctrl+C>` as key events.
pub fn script(keys: &str) -> Vec<KeyEvent> {
    let mut out = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let (name, next) = match rest.find('>') {
            Some(end) if c == '<' && end > 1 => (&rest[1..end], end + 1),
            _ if c == ' ' => ("Space", 1),
            _ => (&rest[..c.len_utf8()], c.len_utf8()),
        };
        out.push(keymap::parse(name).unwrap_or_else(|| panic!("{name} is no key")));
        rest = &rest[next..];
    }
    out
}

/// A hunk from its lines with signs.
pub fn hunk(id: usize, start: usize, lines: &str) -> Hunk {
    let lines: Vec<HunkLine> = lines
        .lines()
        .map(|l| HunkLine {
            kind: match &l[..1] {
                "-" => LineKind::Removed,
                "+" => LineKind::Added,
                _ => LineKind::Context,
            },
            text: l[1..].to_owned(),
        })
        .collect();
    let count = |skip| lines.iter().filter(|l| l.kind != skip).count();
    let (old_lines, new_lines) = (count(LineKind::Added), count(LineKind::Removed));
    Hunk {
        id: HunkId(id),
        old_start: start,
        old_lines,
        new_start: start,
        new_lines,
        lines,
    }
}

pub fn file(kind: ChangeKind, path: &str, stage: LocateStage, hunks: Vec<Hunk>) -> FilePlan {
    let path = path.to_owned().try_into().unwrap();
    FilePlan {
        kind,
        path,
        target: None,
        pre: Some(Vec::new()),
        post: Some(Vec::new()),
        mode: 0o644,
        stage,
        hunks,
    }
}

/// Three files: an update of three hunks (the second can be split), a delete, an empty add.
pub fn plan() -> Plan {
    Plan {
        files: vec![
            file(
                ChangeKind::Update,
                "src/main.rs",
                LocateStage::Indentation,
                vec![
                    hunk(0, 3, " fn main() {\n-    old();\n+    new();\n }\n"),
                    hunk(
                        1,
                        20,
                        " fn two() {\n-    let count = 1;\n+    let count = 2;\n     keep();\n     this();\n-    go(count);\n+    stop(count);\n }\n",
                    ),
                    hunk(2, 40, " // end\n+// added\n"),
                ],
            ),
            file(
                ChangeKind::Delete,
                "old.txt",
                LocateStage::Exact,
                vec![hunk(3, 1, "-gone\n-too\n")],
            ),
            file(ChangeKind::Add, "new.txt", LocateStage::Exact, Vec::new()),
        ],
    }
}

use super::model::{Model, ModelState, Msg, Status};
use super::theme::{Theme, ThemeName};
use super::update::update;
use crate::agent::AgentEvent;
use crate::conversation::{Effort, TurnId};
use std::time::Duration;

/// A model that loads, without colours.
pub fn model(width: u16, height: u16) -> Model {
    let status = Status {
        model: ModelState::Loading {
            name: "demo model".into(),
            progress: None,
        },
        effort: Effort::Medium,
        tokens_per_second: None,
        context: None,
        branch: Some("main".into()),
        workspace: "project".into(),
        sandbox: None,
    };
    Model::new((width, height), ThemeName::Plain, Theme::plain(), status)
}

pub fn start_turn(model: &mut Model) {
    let event = AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "do it".into(),
    };
    update(model, Msg::Agent(event), Duration::ZERO);
}
