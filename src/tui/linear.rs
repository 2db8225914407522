//! The interface for screen readers: lines on the normal screen, read from top to bottom.
//!
//! A consumer of the agent of its own, beside the one that draws. It sends no escape sequence: lines are read as
//! the terminal gives them, with its own editing, and what was said is never said again another way. What an
//! event comes to in words is in [`speech`], a review as questions in [`questions`]; this is the loop.

mod answers;
mod lines;
mod questions;
mod speech;

use super::{TuiError, TuiOptions};
use crate::agent::{AgentCommand, AgentEvent, Inquiry};
use crate::text;
use crate::tui::command::{self, Command};
use crate::tui::terminal;
use crate::tui::update::sandbox;
use lines::Lines;
use questions::{Answered, Questions};
use speech::Speech;
use std::collections::VecDeque;
use std::io::{self, Write};
use tokio::sync::mpsc;
use tokio::time::Instant;

const PROMPT: &str = "You: ";
const MORE: &str = "more: ";
const WELCOME: &str = "Descant, line by line. Type a message and press Enter; a backslash at the end of a line \
                       goes on with the next. /help lists the commands, Ctrl+C interrupts, Ctrl+D leaves.";

struct Linear {
    speech: Speech,
    started: Instant,
    editor: String,
    questions: Option<Questions>,
    /// Lines that ended in a backslash.
    unfinished: String,
    /// Commands that wait for room in the agent's queue.
    outbox: VecDeque<AgentCommand>,
    /// The last thing written is a question that waits for a line.
    asking: bool,
    /// One more Ctrl+C leaves.
    quit_armed: bool,
    quit: bool,
}

/// Runs until the user leaves, a signal ends it or the terminal is gone.
pub async fn run(
    options: TuiOptions,
    commands: mpsc::Sender<AgentCommand>,
    mut events: mpsc::Receiver<AgentEvent>,
) -> Result<(), TuiError> {
    let mut signals = Signals::new()?;
    let mut lines = Lines::start();
    let mut this = Linear {
        speech: Speech::new(&options.model),
        started: Instant::now(),
        editor: options.editor,
        questions: None,
        unfinished: String::new(),
        outbox: VecDeque::new(),
        asking: false,
        quit_armed: false,
        quit: false,
    };
    this.write(&format!("{WELCOME}\n"))?;
    if let Some(prompt) = options.prompt {
        this.write(&format!("{PROMPT}{}\n", text::visible(&prompt)))?;
        this.line(&prompt)?;
    }
    this.ask()?;
    let mut agent_gone = false;
    while !this.quit {
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Came::Interrupt => this.interrupt()?,
                Came::End => break,
            },
            line = lines.next() => {
                this.asking = false;
                match line {
                    Some(line) => this.line(&line)?,
                    None => this.end_of_input()?,
                }
                if !this.quit {
                    this.ask()?;
                }
            }
            permit = commands.reserve(), if !this.outbox.is_empty() => match permit {
                Ok(permit) => if let Some(command) = this.outbox.pop_front() {
                    permit.send(command);
                },
                Err(_closed) => this.outbox.clear(),
            },
            event = events.recv(), if !agent_gone => match event {
                Some(event) => this.event(event)?,
                None => {
                    agent_gone = true;
                    this.say("The agent stopped; this is a bug in Descant. What was said is on record: descant resume --last.\n")?;
                }
            },
        }
    }
    for command in this.outbox {
        if commands.try_send(command).is_err() {
            break;
        }
    }
    Ok(())
}

impl Linear {
    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// What comes while a question waits begins on a line of its own.
    fn say(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let text = text::visible(text);
        if std::mem::take(&mut self.asking) {
            self.write("\n")?;
        }
        self.write(&text)
    }

    /// The question that waits now: of a review, else for a message, which waits for the end of a turn.
    fn ask(&mut self) -> io::Result<()> {
        let question = match &self.questions {
            Some(questions) => questions.question().to_owned(),
            None if !self.unfinished.is_empty() => MORE.to_owned(),
            None if self.speech.running() => return Ok(()),
            None => PROMPT.to_owned(),
        };
        self.asking = true;
        self.write(&question)
    }

    fn event(&mut self, event: AgentEvent) -> io::Result<()> {
        let now = self.started.elapsed();
        let was_running = self.speech.running();
        if let AgentEvent::ReviewRequested { review, plan, .. } = event {
            let words = self.speech.break_line();
            let questions = Questions::new(review, plan);
            let opened = questions.opened();
            self.questions = Some(questions);
            self.say(&format!("{words}{opened}"))?;
            return self.ask();
        }
        let asked = self.asking;
        let words = self.speech.event(event, now);
        self.say(&words)?;
        if was_running && !self.speech.running() {
            self.questions = None;
        }
        let turn_over = was_running && !self.speech.running();
        if turn_over || (asked && !self.asking) {
            self.ask()?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.quit_armed = false;
        if let Some(questions) = &mut self.questions {
            return match questions.answer(line) {
                Answered::Again(words) => self.say(&words),
                Answered::Edit(text) => {
                    let editor = self.editor.clone();
                    let edited = tokio::task::block_in_place(|| {
                        terminal::edit(&editor, &text, terminal::Edited::Hunk)
                    });
                    let words = self.questions.as_mut().map(|open| open.edited(edited));
                    self.say(&words.unwrap_or_default())
                }
                Answered::Done(command) => {
                    self.questions = None;
                    self.outbox.push_back(*command);
                    Ok(())
                }
            };
        }
        if let Some(begun) = line.strip_suffix('\\') {
            self.unfinished.push_str(begun);
            self.unfinished.push('\n');
            return Ok(());
        }
        let message = std::mem::take(&mut self.unfinished) + line;
        let message = text::typed(message.trim());
        if message.is_empty() {
            return Ok(());
        }
        match command::parse(&message) {
            Some(Ok(command)) => self.run(command),
            Some(Err(problem)) => self.say(&format!("{problem}\n")),
            None => {
                self.speech.submitted();
                self.outbox.push_back(AgentCommand::Submit(message));
                Ok(())
            }
        }
    }

    fn run(&mut self, command: Command) -> io::Result<()> {
        match command {
            Command::Help => self.say(&help()),
            Command::Undo(on_changed) => {
                self.outbox.push_back(AgentCommand::Undo(on_changed));
                Ok(())
            }
            Command::Redo(on_changed) => {
                self.outbox.push_back(AgentCommand::Redo(on_changed));
                Ok(())
            }
            Command::New => {
                self.outbox.push_back(AgentCommand::NewConversation);
                self.say("A new conversation. The one before stays on record.\n")
            }
            Command::Effort(None) => self.say("Say how much: /effort low, /effort medium or /effort high.\n"),
            Command::Effort(Some(effort)) => {
                self.outbox.push_back(AgentCommand::SetEffort(effort));
                self.say(&format!("Reasoning effort: {}.\n", effort.as_str()))
            }
            Command::Reasoning => {
                let words = self.speech.reasoning();
                self.say(&words)
            }
            Command::Theme(_) => self.say("There are no colours in this mode.\n"),
            Command::Compact(said) => {
                let instructions = said.unwrap_or_default();
                self.outbox.push_back(AgentCommand::Compact { instructions });
                Ok(())
            }
            Command::Fork => {
                self.outbox.push_back(AgentCommand::Fork);
                Ok(())
            }
            Command::Export(file) => {
                self.outbox.push_back(AgentCommand::Export { file: file.map(Into::into) });
                Ok(())
            }
            Command::Model(None) => self.inquire(Inquiry::Models),
            Command::Model(Some(name)) => {
                self.outbox.push_back(AgentCommand::SwitchModel(name));
                Ok(())
            }
            Command::Approvals(None) => self.say("Say which: /approvals ask, /approvals auto or /approvals none.\n"),
            Command::Approvals(Some(policy)) => {
                self.outbox.push_back(AgentCommand::SetApprovals(policy));
                Ok(())
            }
            Command::Diff => self.inquire(Inquiry::Changes),
            Command::Status => self.inquire(Inquiry::Facts),
            Command::Doctor => self.inquire(Inquiry::Checkup),
            Command::Sandbox(None) => self.say("Say what to change: /sandbox pull, /sandbox import FILE, /sandbox pin, /sandbox cancel, /sandbox network on or /sandbox network off.\n"),
            Command::Sandbox(Some(words)) => match sandbox::meant(&words) {
                Ok(change) => {
                    self.outbox.push_back(AgentCommand::Sandbox(change));
                    Ok(())
                }
                Err(problem) => self.say(&format!("{problem}\n")),
            },
            Command::Rewind
            | Command::Copy(_)
            | Command::Mouse | Command::Raw
            | Command::Resume(_)
            | Command::Keys => self.say(
                "This command belongs to the full interface. On the command line there is descant resume.\n",
            ),
            Command::Quit => {
                self.leave();
                Ok(())
            }
        }
    }

    fn inquire(&mut self, inquiry: Inquiry) -> io::Result<()> {
        self.outbox.push_back(AgentCommand::Inquire(inquiry));
        Ok(())
    }

    fn leave(&mut self) {
        self.outbox.push_back(AgentCommand::Shutdown);
        self.quit = true;
    }

    /// Ctrl+D leaves, out of a review too: what is undecided there is not applied.
    fn end_of_input(&mut self) -> io::Result<()> {
        self.leave();
        self.write("\n")
    }

    /// Ctrl+C. The terminal has thrown away what was typed.
    fn interrupt(&mut self) -> io::Result<()> {
        self.asking = false;
        self.write("\n")?;
        if self.speech.running() || self.questions.is_some() {
            self.questions = None;
            self.outbox.push_back(AgentCommand::Interrupt);
            return self.say("Interrupting.\n");
        }
        if std::mem::take(&mut self.unfinished).is_empty() {
            if std::mem::replace(&mut self.quit_armed, true) {
                self.leave();
                return Ok(());
            }
            self.say("Ctrl+C again leaves.\n")?;
        }
        self.ask()
    }
}

fn help() -> String {
    let mut out = String::from("Commands:\n");
    for spec in command::COMMANDS {
        out.push_str(&format!("/{}: {}.\n", spec.name, spec.doc));
    }
    out.push_str("Some of them belong to the full interface and say so.\n");
    out
}

enum Came {
    Interrupt,
    End,
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Signals, TuiError> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            term: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.interrupt.recv() => Came::Interrupt,
            _ = self.term.recv() => Came::End,
            _ = self.hangup.recv() => Came::End,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Signals, TuiError> {
        Ok(Signals)
    }

    async fn next(&mut self) -> Came {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Came::Interrupt,
            Err(_no_handler) => std::future::pending().await,
        }
    }
}
