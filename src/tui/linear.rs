//! The interface for screen readers: lines on the normal screen, read from top to bottom.
//!
//! A consumer of the agent of its own, beside the one that draws. It sends no escape sequence: lines are read as
//! the terminal gives them, with its own editing, and what was said is never said again another way. What an
//! event comes to in words is in [`speech`], a review as questions in [`questions`]; this is the loop.

mod answers;
mod choices;
mod lines;
mod questions;
mod signals;
mod speech;

use super::{TuiError, TuiOptions};
use crate::agent::{AgentCommand, AgentEvent, ApprovalPolicy, HistoryEvent, Inquiry};
use crate::text;
use crate::tui::command::{self, Command};
use crate::tui::terminal;
use crate::tui::update::choices::policy_in_words;
use crate::tui::update::{pull, sandbox};
use choices::{Choice, Chosen};
use lines::Lines;
use questions::{Answered, Questions};
use signals::{Came, Signals};
use speech::Speech;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The question for a message waits until nothing was said for so long: it is not read again and again while
/// something loads.
const QUIET: Duration = Duration::from_millis(300);

const PROMPT: &str = "You: ";
const MORE: &str = "more: ";
const WELCOME: &str = "Descant, line by line. Type a message and press Enter; a backslash at the end of a line \
                       goes on with the next. /help lists the commands, Ctrl+C interrupts, Ctrl+D leaves.";

struct Linear {
    speech: Speech,
    started: Instant,
    editor: String,
    questions: Option<Questions>,
    /// A list that is open.
    choice: Option<Choice>,
    /// When the next message is asked for.
    ask_at: Option<Instant>,
    /// The question was interrupted by how far a load is, and is repeated when that is over.
    owed: bool,
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
        choice: None,
        ask_at: None,
        owed: false,
        unfinished: String::new(),
        outbox: VecDeque::new(),
        asking: false,
        quit_armed: false,
        quit: false,
    };
    this.write(&format!("{WELCOME}\n"))?;
    if options.approvals != ApprovalPolicy::Review {
        let policy = policy_in_words(options.approvals);
        this.write(&format!("Notice: {policy}.\n"))?;
    }
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
            () = sleep_until(this.ask_at.unwrap_or_else(Instant::now)), if this.ask_at.is_some() => {
                this.ask_at = None;
                this.ask_now()?;
            }
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

    /// The question that waits: of a review or a list at once; for a message when it is quiet.
    fn ask(&mut self) -> io::Result<()> {
        (self.ask_at, self.owed) = (None, false);
        if self.questions.is_some() || self.choice.is_some() || !self.unfinished.is_empty() {
            return self.ask_now();
        }
        self.ask_at = Some(Instant::now() + QUIET);
        Ok(())
    }

    fn ask_now(&mut self) -> io::Result<()> {
        let question = match (&self.questions, &self.choice) {
            (Some(questions), _) => questions.question(),
            (None, Some(choice)) => choice.question(),
            (None, None) if !self.unfinished.is_empty() => MORE,
            (None, None) if self.speech.running() || self.asking => return Ok(()),
            (None, None) => PROMPT,
        };
        self.asking = true;
        self.write(question)
    }

    /// Opens a list, or says why there is none.
    fn choose(&mut self, choice: Result<Choice, String>) -> io::Result<()> {
        let words = self.speech.break_line();
        match choice {
            Ok(choice) => {
                let opened = choice.opened();
                self.choice = Some(choice);
                self.say(&format!("{words}{opened}"))?;
            }
            Err(said) => self.say(&format!("{words}{said}\n"))?,
        }
        self.ask()
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
        let event = match event {
            AgentEvent::History(HistoryEvent::Sessions(listed)) => {
                return self.choose(Choice::sessions(listed));
            }
            AgentEvent::History(HistoryEvent::Messages(messages)) => {
                return self.choose(Choice::messages(messages));
            }
            event => event,
        };
        let asked = self.asking || self.ask_at.is_some() || self.owed;
        if matches!(event, AgentEvent::ModelLoading(_)) {
            self.owed |= self.asking;
            let words = self.speech.event(event, now);
            return self.say(&words);
        }
        let words = self.speech.event(event, now);
        self.say(&words)?;
        if was_running && !self.speech.running() {
            self.questions = None;
        }
        let turn_over = was_running && !self.speech.running();
        if turn_over || (asked && !words.is_empty()) {
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
        if let Some(choice) = &self.choice {
            return match choice.answer(line) {
                Chosen::Again(words) => self.say(&words),
                Chosen::Nothing => {
                    self.choice = None;
                    Ok(())
                }
                Chosen::Command(command) => {
                    self.choice = None;
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
        if let Some(command) = message.strip_prefix('!').map(str::trim) {
            if command.is_empty() {
                return self.say("Say a command of your shell after the exclamation mark.\n");
            }
            let command = command.to_owned();
            self.outbox.push_back(AgentCommand::Shell(command));
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
            Command::Effort(None) => {
                self.say("Say how much: /effort low, /effort medium or /effort high.\n")
            }
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
                self.outbox
                    .push_back(AgentCommand::Compact { instructions });
                Ok(())
            }
            Command::Fork => {
                self.outbox.push_back(AgentCommand::Fork);
                Ok(())
            }
            Command::Export(file) => {
                self.outbox.push_back(AgentCommand::Export {
                    file: file.map(Into::into),
                });
                Ok(())
            }
            Command::Pull(None) => self.say("Say what: /pull and a model's name asks the hub, /pull yes downloads it, /pull cancel stops.\n"),
            Command::Pull(Some(words)) => {
                self.outbox.push_back(AgentCommand::Pull(pull::meant(&words)));
                Ok(())
            }
            Command::Model(None) => self.inquire(Inquiry::Models),
            Command::Model(Some(name)) => {
                self.outbox.push_back(AgentCommand::SwitchModel(name));
                Ok(())
            }
            Command::Trust(uses) => {
                self.outbox.push_back(AgentCommand::Trust(uses));
                Ok(())
            }
            Command::Sampling(change) => {
                self.outbox.push_back(AgentCommand::Sampling(change));
                Ok(())
            }
            Command::Approvals(None) => {
                self.say("Say which: /approvals ask, /approvals auto or /approvals none.\n")
            }
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
            Command::Rewind => {
                self.outbox.push_back(AgentCommand::ListMessages);
                Ok(())
            }
            Command::Resume(None) => {
                self.outbox.push_back(AgentCommand::ListSessions);
                Ok(())
            }
            Command::Resume(Some(id)) => {
                self.outbox.push_back(AgentCommand::ResumeNamed(id));
                Ok(())
            }
            Command::Copy(_) | Command::Mouse | Command::Raw | Command::Keys => {
                self.say("This command belongs to the full interface.\n")
            }
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
        if self.speech.commanding() {
            self.outbox.push_back(AgentCommand::InterruptShell);
            return self.say("Interrupting your command.\n");
        }
        if self.choice.take().is_some() {
            return self.ask();
        }
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
