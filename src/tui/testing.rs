//! Plans, key scripts and screens for the tests of this module.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use crate::patch::{
    ChangeKind, Encoding, FilePlan, Hunk, HunkId, HunkLine, LineKind, LocateStage, Plan,
};
use crate::tui::keymap;
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

/// With images that its hunks lead from and to; the lines around them are fillers.
pub fn file(kind: ChangeKind, path: &str, stage: LocateStage, hunks: Vec<Hunk>) -> FilePlan {
    let path = path.to_owned().try_into().unwrap();
    let (mut pre, mut post) = (String::new(), String::new());
    let mut line = 1;
    for hunk in &hunks {
        for n in line..hunk.old_start {
            pre.push_str(&format!("filler {n}\n"));
            post.push_str(&format!("filler {n}\n"));
        }
        for part in &hunk.lines {
            if part.kind != LineKind::Added {
                pre.push_str(&format!("{}\n", part.text));
            }
            if part.kind != LineKind::Removed {
                post.push_str(&format!("{}\n", part.text));
            }
        }
        line = hunk.old_start + hunk.old_lines;
    }
    FilePlan {
        pre: (kind != ChangeKind::Add).then(|| pre.into_bytes()),
        post: (kind != ChangeKind::Delete).then(|| post.into_bytes()),
        kind,
        path,
        target: None,
        encoding: Encoding::Utf8,
        mode: 0o644,
        new_mode: None,
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

use crate::agent::AgentEvent;
use crate::conversation::{Effort, TurnId};
use crate::tui::meter::Meter;
use crate::tui::model::{Model, ModelState, Msg, Status};
use crate::tui::theme::catalogue::Themes;
use crate::tui::update::update;
use std::time::Duration;

/// A model that loads, without colours.
pub fn model(width: u16, height: u16) -> Model {
    let status = Status {
        model: ModelState::Loading {
            name: "demo model".into(),
            progress: None,
        },
        effort: Effort::Medium,
        approvals: crate::agent::ApprovalPolicy::Review,
        tokens_per_second: None,
        context: Meter::default(),
        branch: Some("main".into()),
        dirty: None,
        workspace: "project".into(),
        sandbox: None,
    };
    Model::new((width, height), Themes::fixed("plain"), status)
}

pub fn start_turn(model: &mut Model) {
    let event = AgentEvent::TurnStarted {
        turn: TurnId(1),
        prompt: "do it".into(),
    };
    update(model, Msg::Agent(event), Duration::ZERO);
}

use crate::agent::AgentCommand;
use crate::tui::model::Effect;
use crate::tui::view::{ViewCache, settle, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// An interface without a terminal: what is typed goes in, commands and screens come out.
pub struct Session {
    pub model: Model,
    pub cache: ViewCache,
    pub now: Duration,
    pub effects: Vec<Effect>,
}

impl Session {
    pub fn new(width: u16, height: u16) -> Session {
        Session {
            model: model(width, height),
            cache: ViewCache::default(),
            now: Duration::from_secs(60),
            effects: Vec::new(),
        }
    }

    pub fn send(&mut self, msg: Msg) {
        let update = update(&mut self.model, msg, self.now);
        self.effects.extend(update.effects);
    }

    pub fn agent(&mut self, event: AgentEvent) {
        self.send(Msg::Agent(event));
    }

    /// Types a key script; the layout settles after every key, as on screen.
    pub fn keys(&mut self, keys: &str) {
        for key in script(keys) {
            self.send(Msg::Key(key));
            settle(&mut self.model, &mut self.cache);
        }
    }

    /// What was asked of the loop since the last call, in words that can be compared.
    pub fn took(&mut self) -> Vec<String> {
        self.effects
            .drain(..)
            // The machine's own doing; it has a test of its own.
            .filter(|effect| !matches!(effect, Effect::LoadGrammars | Effect::LookAtGit))
            .map(|effect| match effect {
                Effect::Agent(AgentCommand::Submit(text)) => format!("submit {text:?}"),
                Effect::Agent(AgentCommand::Shell(text)) => format!("shell {text:?}"),
                Effect::Agent(AgentCommand::SetEffort(effort)) => {
                    format!("effort {}", effort.as_str())
                }
                Effect::Agent(AgentCommand::Review {
                    review, decisions, ..
                }) => {
                    let accepted = decisions.hunks.values().chain(decisions.files.values());
                    let accepted = accepted
                        .filter(|d| **d == crate::patch::Decision::Accept)
                        .count();
                    let all = decisions.hunks.len() + decisions.files.len();
                    format!("review {} {accepted}/{all}", review.0)
                }
                Effect::Agent(command) => format!("{command:?}").to_lowercase(),
                Effect::SaveHistory(text) => format!("history {text:?}"),
                Effect::Edit(_) => "edit".to_owned(),
                Effect::EditMessage(text) => format!("edit {text:?}"),
                Effect::MatchFiles(wanted) => format!("match {:?}", wanted.query),
                other => format!("{other:?}").to_lowercase(),
            })
            .collect()
    }

    pub fn buffer(&mut self) -> ratatui::buffer::Buffer {
        let (width, height) = self.model.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        settle(&mut self.model, &mut self.cache);
        terminal
            .draw(|frame| view(&self.model, &mut self.cache, frame))
            .unwrap();
        terminal.backend().buffer().clone()
    }

    /// The screen as text, without spaces at line ends.
    pub fn screen(&mut self) -> String {
        let buffer = self.buffer();
        let width = usize::from(buffer.area.width);
        let mut out = String::new();
        for row in buffer.content().chunks(width) {
            let mut line = String::new();
            let mut skip = 0;
            for cell in row {
                if skip == 0 {
                    line.push_str(cell.symbol());
                    skip = crate::tui::render::wrap::width(cell.symbol()).saturating_sub(1);
                } else {
                    skip -= 1;
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}
