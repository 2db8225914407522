//! Earlier conversations and earlier messages: shown again, listed, chosen from.

use super::agent;
use crate::agent::{AgentCommand, HistoryEvent, Listed, Message, Past, Restored, TurnEnd};
use crate::conversation::{TurnId, Usage};
use crate::tui::keymap::{Action, Context, Keymap};
use crate::tui::model::{Activity, Dirty, Effect, Model, Running, Update};
use crate::tui::pane::Side;
use crate::tui::picker::{Picked, Picker, Row, Subject};
use crate::tui::transcript::{Body, DiffCard};
use std::time::Duration;

/// Two presses of Esc within this time go back.
const TWICE: Duration = Duration::from_millis(1500);

pub fn event(model: &mut Model, event: HistoryEvent, out: &mut Update) {
    match event {
        HistoryEvent::Sessions(listed) => choose_session(model, listed),
        HistoryEvent::Messages(messages) => choose_message(model, messages),
        HistoryEvent::Restored(restored) => {
            // The user waits for it.
            out.dirty = Dirty::Now;
            restore(model, *restored, out);
        }
        HistoryEvent::Earlier(past) => earlier(model, past, out),
        HistoryEvent::Rewound { message } => {
            model.composer.set(&message);
            super::layout::measure_composer(model);
        }
        HistoryEvent::Compacting => {
            model.running = Some(Running {
                turn: TurnId(0),
                since: model.clock.now,
                activity: Activity::Tool("compacting".into()),
                interrupting: false,
            });
        }
        HistoryEvent::CompactProgress { tokens } => {
            if let Some(running) = &mut model.running {
                running.activity = Activity::Tool(format!("compacting, {tokens} tokens"));
            }
        }
        HistoryEvent::CompactDone => model.running = None,
    }
}

/// What came before what is shown already. It goes through the same hands as what is said now, beside it.
fn earlier(model: &mut Model, past: Vec<Past>, out: &mut Update) {
    let conversation = std::mem::take(&mut model.conversation);
    let reasoning = std::mem::take(&mut model.reasoning);
    let running = model.running.take();
    let queued = std::mem::take(&mut model.queued);
    tell(model, past, out);
    (model.running, model.queued) = (running, queued);
    let said = std::mem::replace(&mut model.conversation, conversation).transcript;
    let thought = std::mem::replace(&mut model.reasoning, reasoning).transcript;
    let turns = said.now.turn;
    let above = model.conversation.prepend(said, turns);
    let beside = model.reasoning.prepend(thought, turns);
    if let Some(selection) = &mut model.look.selection {
        selection.moved(match selection.side {
            Side::Conversation => above,
            Side::Reasoning => beside,
        });
    }
}

/// The conversation, or its end, as it was on screen.
fn restore(model: &mut Model, restored: Restored, out: &mut Update) {
    model.clear_panes();
    model.queued.clear();
    model.review = None;
    model.status.effort = restored.effort;
    tell(model, restored.past, out);
    for pane in [&mut model.conversation, &mut model.reasoning] {
        pane.from_below = restored.more;
    }
}

/// Takes in what was said and done, until the end of it.
fn tell(model: &mut Model, past: Vec<Past>, out: &mut Update) {
    // One that runs now is not one of those told of.
    let shell = model.shell;
    for past in past {
        match past {
            Past::Event(event) => agent::event(model, event, out),
            Past::Reviewed {
                plan,
                decisions,
                checkpoint,
                declined,
            } => model.conversation.transcript.push(Body::Diff(DiffCard {
                plan,
                decisions: Some(decisions),
                checkpoint,
                declined,
            })),
            Past::Ended {
                end,
                usage,
                elapsed,
            } => ended(model, &end, usage, elapsed),
        }
    }
    model.running = None;
    model.shell = shell;
    model.conversation.transcript.close_open();
    model.reasoning.transcript.close_open();
}

fn ended(model: &mut Model, end: &TurnEnd, usage: Usage, elapsed: Duration) {
    let said = &mut model.conversation.transcript;
    let how = match end {
        TurnEnd::Answered => "",
        TurnEnd::NoAnswer => {
            said.problem(agent::NO_ANSWER);
            ""
        }
        TurnEnd::Failed { error } => {
            said.problem(error);
            "failed after "
        }
        TurnEnd::Interrupted => "interrupted after ",
    };
    model.conversation.transcript.close_open();
    model.reasoning.transcript.close_open();
    model.running = None;
    let reasoning = &mut model.reasoning.transcript;
    // Who stopped in the middle of a thought wants to see how far it had come.
    let fold = *end != TurnEnd::Interrupted;
    reasoning.end_thought(elapsed, usage.reasoning_tokens, fold);
    // A killed process knew no more of it.
    let aside = if elapsed.is_zero() && *end == TurnEnd::Interrupted {
        "interrupted when Descant ended".to_owned()
    } else {
        agent::cost(how, elapsed, usage)
    };
    model.conversation.transcript.push(Body::Aside(aside));
}

fn choose_session(model: &mut Model, listed: Vec<Listed>) {
    // One that has none of its own shows what there is.
    let all = !listed.iter().any(|one| one.here);
    let rows = session_rows(&listed, all);
    let subject = Subject::Sessions { all, listed };
    let picker = Picker::new(subject, &session_title(&model.keys, all), rows);
    model.picker = Some(picker.saying_when_empty("there is no earlier conversation"));
}

fn session_title(keys: &Keymap, all: bool) -> String {
    let key = keys.key(Context::Picker, Action::SwitchList);
    if all {
        format!("Go on with a conversation, of any folder ({key}: of this one)")
    } else {
        format!("Go on with a conversation of this folder ({key}: of any)")
    }
}

fn session_rows(listed: &[Listed], all: bool) -> Vec<Row> {
    let shown = listed.iter().filter(|one| all || one.here);
    shown
        .map(|one| {
            let mut detail = format!(
                "{} \u{b7} {}",
                ago(one.age),
                counted(one.messages, "message")
            );
            if let Some(branch) = &one.branch {
                detail.push_str(&format!(" \u{b7} {branch}"));
            }
            if all {
                let folder = one.folder.file_name().unwrap_or(one.folder.as_os_str());
                detail.push_str(&format!(" \u{b7} {}", folder.to_string_lossy()));
            }
            Row::new(one.id.clone(), &one.title, &detail)
        })
        .collect()
}

pub(in crate::tui) fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {what}{s}")
}

/// How long ago, in one unit.
pub(in crate::tui) fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..172_800 => "yesterday".to_owned(),
        172_800..63_072_000 => format!("{} days ago", seconds / 86_400),
        _ => format!("{} years ago", seconds / 31_536_000),
    }
}

fn choose_message(model: &mut Model, messages: Vec<Message>) {
    let rows = messages.iter().rev().map(|message| {
        let first = message.text.lines().find(|line| !line.trim().is_empty());
        let detail = match message.patches {
            0 => String::new(),
            count => format!(
                "{} since",
                counted(count, "patch").replace("patchs", "patches")
            ),
        };
        let number = message.turn.0.to_string();
        Row::new(number, first.map_or("(empty)", str::trim), &detail)
    });
    let rows = rows.collect();
    let keys = model.keys.keys(Context::Picker, Action::FilesToo);
    // A letter is at hand until something is searched.
    let key = keys
        .into_iter()
        .min_by_key(|key| key.len())
        .unwrap_or_default();
    let title = format!("Go back to a message ({key}: take the patches since back too)");
    let picker = Picker::new(Subject::Rewind, &title, rows)
        .with_letter_keys()
        .saying_when_empty("there is no message to go back to");
    model.picker = Some(picker);
}

/// A key of the list of conversations.
pub fn session_picked(model: &mut Model, picked: Picked, out: &mut Update) {
    let Some(picker) = &mut model.picker else {
        return;
    };
    let Subject::Sessions { all, listed } = &mut picker.subject else {
        return;
    };
    match picked {
        Picked::Chosen(id) => {
            let Some(one) = listed.iter().find(|one| one.id == id).cloned() else {
                return;
            };
            model.picker = None;
            if one.here {
                out.effects
                    .push(Effect::Agent(AgentCommand::Resume(one.path)));
            } else {
                let place = one.folder.display();
                model.conversation.transcript.problem(&format!(
                    "that conversation is about {place}\ngo on with it by: descant -C {place} resume {}",
                    one.id
                ));
            }
        }
        Picked::Other(Action::SwitchList) => {
            *all = !*all;
            let (title, rows) = (session_title(&model.keys, *all), session_rows(listed, *all));
            picker.title = title;
            picker.set_rows(rows);
        }
        Picked::Closed => model.picker = None,
        Picked::Nothing | Picked::Moved | Picked::Other(_) => {}
    }
}

/// A key of the list of messages.
pub fn message_picked(model: &mut Model, picked: Picked, out: &mut Update) {
    let (id, files) = match picked {
        Picked::Chosen(id) => (Some(id), false),
        Picked::Other(Action::FilesToo) => {
            let chosen = model.picker.as_ref().and_then(Picker::chosen);
            (chosen.map(|row| row.id.clone()), true)
        }
        Picked::Closed => {
            model.picker = None;
            return;
        }
        Picked::Nothing | Picked::Moved | Picked::Other(_) => return,
    };
    if let Some(turn) = id.and_then(|id| id.parse().ok()) {
        model.picker = None;
        let turn = TurnId(turn);
        out.effects
            .push(Effect::Agent(AgentCommand::Rewind { turn, files }));
    }
}

/// Esc with nothing to interrupt and nothing typed: the second in a row goes back.
pub fn escape(model: &mut Model, out: &mut Update) {
    if model.running.is_some() || !model.composer.is_empty() {
        return;
    }
    let soon = |at: Duration| model.clock.now.saturating_sub(at) < TWICE;
    if model.clock.escaped.is_some_and(soon) {
        model.clock.escaped = None;
        out.effects.push(Effect::Agent(AgentCommand::ListMessages));
    } else {
        model.clock.escaped = Some(model.clock.now);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use crate::agent::{AgentEvent, ToolStatus};
    use crate::conversation::{CallId, Effort};
    use crate::tui::testing::{Session, start_turn};
    use crate::tui::view::tests::snapshot;

    fn listed() -> Vec<Listed> {
        let one = |n: u64, title: &str, folder: &str, minutes: u64| Listed {
            path: format!("/state/{n}").into(),
            id: format!("2026112{n}"),
            title: title.into(),
            folder: folder.into(),
            here: folder == "/work/project",
            branch: Some("main".into()),
            messages: n as usize,
            age: Duration::from_secs(minutes * 60),
        };
        vec![
            one(1, "make total add the prices", "/work/project", 0),
            one(2, "why is the cache cold?", "/work/other", 90),
            one(3, "rename greet to welcome", "/work/project", 60 * 24 * 9),
        ]
    }

    fn sessions(session: &mut Session) {
        session.agent(HistoryEvent::Sessions(listed()).into());
    }

    fn messages(session: &mut Session) {
        let message = |turn, text: &str, patches| Message {
            turn: TurnId(turn),
            text: text.into(),
            patches,
        };
        let all = vec![
            message(1, "make total add the prices", 2),
            message(2, "\n  and the taxes\nplease", 1),
            message(3, "thanks", 0),
        ];
        session.agent(HistoryEvent::Messages(all).into());
    }

    #[test]
    fn lists_as_they_are_drawn() {
        snapshot("sessions", |session| {
            sessions(session);
            session.keys("<Tab>");
        });
        snapshot("messages", messages);
        snapshot("restored", restored);
    }

    #[test]
    fn a_conversation_is_chosen_of_this_folder_or_named_with_its_command() {
        for (keys, asked, said) in [
            ("<Enter>", vec![r#"resume("/state/1")"#], ""),
            ("<Down><Enter>", vec![r#"resume("/state/3")"#], ""),
            ("cold<Enter>", vec![], ""),
            (
                "<Tab>cold<Enter>",
                vec![],
                "go on with it by: descant -C /work/other resume 20261122",
            ),
            ("<Esc>", vec![], ""),
        ] {
            let mut session = Session::new(80, 24);
            session.keys("/resume<Enter>");
            assert_eq!(session.took(), ["listsessions"]);
            sessions(&mut session);
            session.keys(keys);
            assert_eq!(session.took(), asked, "{keys}");
            assert!(session.screen().contains(said), "{keys}");
        }
    }

    #[test]
    fn esc_twice_goes_back_when_nothing_else_is_meant() {
        for (keys, asked) in [
            ("<Esc><Esc>", vec!["listmessages"]),
            ("<Esc>a<Backspace><Esc>", vec![]),
            ("draft<Esc><Esc>", vec![]),
            ("/rewind<Enter>", vec!["listmessages"]),
        ] {
            let mut session = Session::new(80, 24);
            session.keys(keys);
            assert_eq!(session.took(), asked, "{keys}");
        }
        let mut session = Session::new(80, 24);
        session.keys("<Esc>");
        assert!(session.screen().contains("Esc again goes back"));
        session.now += TWICE;
        session.keys("<Esc>");
        assert_eq!(session.took(), [""; 0], "too late");
        start_turn(&mut session.model);
        session.keys("<Esc><Esc>");
        assert_eq!(session.took(), ["interrupt", "interrupt"]);
    }

    #[test]
    fn going_back_takes_the_files_along_when_asked() {
        for (keys, asked) in [
            ("<Enter>", "rewind { turn: turnid(3), files: false }"),
            ("<Down><Enter>", "rewind { turn: turnid(2), files: false }"),
            ("<End>f", "rewind { turn: turnid(1), files: true }"),
            ("/total<Ctrl+F>", "rewind { turn: turnid(1), files: true }"),
        ] {
            let mut session = Session::new(80, 24);
            messages(&mut session);
            session.keys(keys);
            assert_eq!(session.took(), [asked], "{keys}");
            let message = "and the taxes".to_owned();
            session.agent(HistoryEvent::Rewound { message }.into());
            assert_eq!(session.model.composer.text(), "and the taxes");
        }
    }

    fn restored(session: &mut Session) {
        start_turn(&mut session.model);
        session.agent(AgentEvent::AnswerDelta("of another conversation".into()));
        let call = CallId(1);
        let events = [
            AgentEvent::TurnStarted {
                turn: TurnId(1),
                prompt: "make total add the prices".into(),
            },
            AgentEvent::ReasoningDone("I should read it.".into()),
            AgentEvent::ToolStarted {
                call,
                tool: "read_file".into(),
                arguments: "{}".into(),
                summary: "read calc.py".into(),
            },
            AgentEvent::ToolFinished {
                call,
                status: ToolStatus::Completed,
                output: "def total(items):".into(),
                exit_code: None,
                elapsed: Duration::from_secs(2),
            },
            AgentEvent::AnswerDone {
                text: "It adds **nothing** yet.".into(),
                last: true,
            },
        ];
        let mut past: Vec<Past> = events.into_iter().map(Past::Event).collect();
        past.push(Past::Ended {
            end: TurnEnd::Answered,
            usage: Usage {
                generated_tokens: 40,
                reasoning_tokens: 6,
                ..Usage::default()
            },
            elapsed: Duration::from_secs(7),
        });
        let effort = Effort::High;
        session.agent(
            HistoryEvent::Restored(Box::new(Restored {
                past,
                effort,
                more: false,
            }))
            .into(),
        );
    }

    /// A conversation of `turns`, of which each says something in both panes.
    fn long(turns: u64) -> Vec<Vec<Past>> {
        let turn = |number: u64| {
            let call = CallId(number);
            let events = [
                AgentEvent::TurnStarted {
                    turn: TurnId(number),
                    prompt: format!("question {number}"),
                },
                AgentEvent::ReasoningDone(format!("thought {number}")),
                AgentEvent::ToolStarted {
                    call,
                    tool: "shell".into(),
                    arguments: "{}".into(),
                    summary: format!("run {number}"),
                },
                AgentEvent::ToolFinished {
                    call,
                    status: ToolStatus::Completed,
                    output: format!("printed {number}"),
                    exit_code: None,
                    elapsed: Duration::from_secs(2),
                },
                AgentEvent::AnswerDone {
                    text: format!("answer {number}\n\nin two paragraphs"),
                    last: true,
                },
            ];
            let mut past: Vec<Past> = events.into_iter().map(Past::Event).collect();
            past.push(Past::Ended {
                end: TurnEnd::Answered,
                usage: Usage::default(),
                elapsed: Duration::from_secs(7),
            });
            past
        };
        (1..=turns).map(turn).collect()
    }

    fn restored_in(session: &mut Session, turns: &[Vec<Past>]) {
        let restored = Restored {
            past: turns.concat(),
            effort: Effort::Low,
            more: true,
        };
        session.agent(HistoryEvent::Restored(Box::new(restored)).into());
    }

    #[test]
    fn a_conversation_that_comes_from_its_end_is_the_one_that_came_at_once() {
        let turns = long(30);
        let mut whole = Session::new(100, 30);
        restored_in(&mut whole, &turns);
        let mut pieces = Session::new(100, 30);
        restored_in(&mut pieces, &turns[26..]);
        for part in [20..26, 7..20, 0..7] {
            pieces.agent(HistoryEvent::Earlier(turns[part].concat()).into());
        }
        for keys in [
            "",
            "<PageUp>",
            "<PageUp><PageUp>",
            "<Tab>g",
            "G",
            "kkkk<Tab>",
            "g",
        ] {
            whole.keys(keys);
            pieces.keys(keys);
            assert_eq!(pieces.screen(), whole.screen(), "{keys}");
        }
        let moments = |session: &Session| -> Vec<_> {
            let cells = session.model.reasoning.transcript.cells();
            cells.iter().map(|cell| cell.moment).collect()
        };
        assert_eq!(moments(&pieces), moments(&whole));
    }

    #[test]
    fn what_is_read_stays_where_it_is_while_the_rest_comes() {
        let turns = long(30);
        let mut session = Session::new(100, 30);
        restored_in(&mut session, &turns[20..]);
        session.keys("<Tab>");
        for keys in ["<PageUp>", "k", "/answer 25<Enter>", "<Esc>g"] {
            session.keys(keys);
            let before = session.screen();
            let part = match keys {
                "<PageUp>" => 18..20,
                "k" => 15..18,
                "<Esc>g" => 0..10,
                _ => 10..15,
            };
            session.agent(HistoryEvent::Earlier(turns[part].concat()).into());
            // Nothing moves; what was empty above the first line of a pane may fill.
            let after = session.screen();
            assert_eq!(after.lines().count(), before.lines().count());
            for (was, is) in before.lines().zip(after.lines()) {
                let kept = was
                    .chars()
                    .zip(is.chars())
                    .all(|(was, is)| was == ' ' || was == is);
                assert!(
                    kept && is.chars().count() >= was.chars().count(),
                    "{keys}: {was:?} became {is:?}"
                );
            }
        }
        session.keys("g");
        assert!(
            session.screen().contains("question 1\n") || session.screen().contains("question 1 "),
            "{}",
            session.screen()
        );
        // What is being said meanwhile is no part of it.
        let mut session = Session::new(100, 30);
        restored_in(&mut session, &turns[20..]);
        session.agent(AgentEvent::Queued {
            text: "question 3".into(),
        });
        start_turn(&mut session.model);
        session.agent(HistoryEvent::Earlier(turns[..20].concat()).into());
        assert_eq!(session.model.queued, ["question 3"]);
        assert!(session.model.running.is_some());
        assert!(!session.model.conversation.has_news());
    }

    #[test]
    fn what_was_said_takes_the_place_of_what_was_on_screen() {
        let mut session = Session::new(100, 40);
        restored(&mut session);
        let screen = session.screen();
        assert!(!screen.contains("of another conversation"), "{screen}");
        for part in ["add the prices", "read calc.py", "adds nothing yet", "7.0s"] {
            assert!(screen.contains(part), "{part}\n{screen}");
        }
        assert!(session.model.running.is_none());
        assert_eq!(session.model.status.effort, Effort::High);
    }
}
