//! The agent's task: what it holds, and what it does between turns.

use super::background::{Arrival, Model, Python, load_model, start_sandbox};
use super::desk::Desk;
use super::history::History;
use super::inquiry::{Inquiries, SessionFile};
use super::life::{Life, tired};
use super::link::{Beside, Came, Link};
use super::pull::Pulls;
use super::shell::UserShell;
use super::{AgentCommand, AgentEvent, AgentOptions, Host, Limits, ModelOptions, Words};
use crate::conversation::{PromptSpec, TurnId};
use crate::patch::{Direction, Journal, OnChanged};
use crate::session::{Record, State, Writer};
use crate::workspace::Workspace;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long the end waits for a container that is starting or stopping; what is left then is removed by
/// the sandbox's own clean-up.
const FAREWELL: Duration = Duration::from_secs(5);

/// All of an agent's state.
pub(super) struct Core {
    pub(super) link: Link,
    pub(super) history: History,
    pub(super) model: Model,
    pub(super) life: Life,
    pub(super) python: Python,
    pub(super) desk: Desk,
    pub(super) host: Arc<dyn Host>,
    pub(super) options: ModelOptions,
    pub(super) limits: Limits,
    /// Made with the first turn; dropped when the user changes the effort or begins anew.
    pub(super) fixed: Option<PromptSpec>,
    pub(super) words: Words,
    /// Generations so far: each samples with a seed of its own.
    pub(super) generations: u64,
    /// The seed that they are counted from.
    pub(super) seed: u64,
}

pub(super) async fn run(
    options: AgentOptions,
    commands: mpsc::Receiver<AgentCommand>,
    events: mpsc::Sender<AgentEvent>,
) {
    let root = options.workspace.root().to_owned();
    let desk = Desk {
        workspace: options.workspace,
        journal: Arc::new(Mutex::new(options.journal)),
        written: Arc::default(),
    };
    let beside = Beside {
        shell: UserShell::new(options.shell, root, events.clone()),
        workspace: Arc::clone(&desk.workspace),
        events: events.clone(),
        listing: CancellationToken::new(),
        pulls: Pulls::new(Arc::clone(&options.host), events.clone()),
        inquiries: Inquiries::new(
            desk.clone(),
            Arc::clone(&options.host),
            options.session.as_ref().map(SessionFile::of),
            options.model.context_files.clone(),
            events.clone(),
        ),
    };
    let seed = options
        .model
        .asking
        .sampling
        .seed
        .unwrap_or(options.model.seed);
    let loads = options.model_load.is_some();
    let mut core = Core {
        model: match options.model_load {
            Some(load) => load_model(load, events.clone()),
            None => Arrival::Lost,
        },
        life: Life::new(options.model_name, options.unload_after),
        link: {
            let asking = options.model.asking.clone();
            let mut link = Link::new(commands, events.clone(), beside, options.approvals, asking);
            link.fetches(options.sandbox.cancel.clone());
            link
        },
        python: start_sandbox(options.sandbox, None, events),
        history: History::new(State::default(), options.session),
        desk,
        host: options.host,
        options: options.model,
        limits: options.limits,
        fixed: None,
        words: options.words,
        generations: 0,
        seed,
    };
    for line in options.told {
        core.link.send(AgentEvent::Notice(line));
    }
    if options.asks_trust {
        core.trust(None).await;
    }
    if !loads {
        core.begin_resting();
    }
    while !core.link.closing {
        if let Some(prompt) = core.link.next_queued() {
            core.turn(prompt).await;
            continue;
        }
        let came = tokio::select! {
            biased;
            came = core.link.next() => came,
            why = tired(&mut core.model, &mut core.life, &core.host) => {
                core.rest(why);
                continue;
            }
        };
        match came {
            Came::Command(command) => {
                if let Some(command) = core.link.aside(command) {
                    core.obey(command).await;
                    core.share();
                }
            }
            Came::Attached => core.keep_attached().await,
            Came::End => break,
        }
    }
    core.link.drain(FAREWELL).await;
    core.keep_attached().await;
    core.end().await;
}

impl Core {
    /// A command while no turn runs.
    async fn obey(&mut self, command: AgentCommand) {
        match command {
            AgentCommand::Submit(prompt) => self.turn(prompt).await,
            // Nothing runs, and no review is open.
            AgentCommand::Interrupt | AgentCommand::Review { .. } => {}
            // Obeyed beside the turns.
            AgentCommand::TakeBack
            | AgentCommand::Shell(_)
            | AgentCommand::InterruptShell
            | AgentCommand::ListFiles
            | AgentCommand::Pull(_)
            | AgentCommand::SetApprovals(_)
            | AgentCommand::Sampling(_)
            | AgentCommand::Inquire(_) => {}
            AgentCommand::SwitchModel(name) => self.switch_model(name),
            AgentCommand::SetContext(tokens) => self.life.context = Some(tokens),
            AgentCommand::Sandbox(change) => self.change_sandbox(change).await,
            AgentCommand::SetEffort(effort) => self.set_effort(effort),
            AgentCommand::Trust(uses) => self.trust(uses).await,
            AgentCommand::Undo(on_changed) => {
                self.step_journal(Direction::Undo, on_changed).await;
            }
            AgentCommand::Redo(on_changed) => {
                self.step_journal(Direction::Redo, on_changed).await;
            }
            AgentCommand::NewConversation => self.begin_anew(),
            AgentCommand::Resume(path) => self.resume(path).await,
            AgentCommand::ResumeNamed(id) => self.resume_named(id).await,
            AgentCommand::ListSessions => self.list_sessions().await,
            AgentCommand::Fork => self.fork().await,
            AgentCommand::ListMessages => self.list_messages().await,
            AgentCommand::Rewind { turn, files } => self.rewind(turn, files).await,
            AgentCommand::Compact { instructions } => self.compact(instructions).await,
            AgentCommand::Export { file } => self.export(file).await,
            AgentCommand::Shutdown => self.link.closing = true,
        }
    }

    /// Tells those who answer questions on the side which conversation this is. A patch stays one of its own when
    /// the user goes back to before it: the files still have it.
    fn share(&mut self) {
        let file = self.history.writer().map(SessionFile::of);
        let checkpoints = self.history.state().checkpoints_since(TurnId(0));
        let mut written = self
            .desk
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.link.conversation(file) {
            written.clear();
        }
        written.extend(checkpoints);
    }

    /// What the user's own commands came to belongs to the conversation from when they are over.
    pub(super) async fn keep_attached(&mut self) {
        for item in self.link.take_attached() {
            self.push(item).await;
        }
    }

    /// Tells the user of a record that could not be written.
    pub(super) fn report(&mut self, recorded: Result<(), String>) {
        if let Err(problem) = recorded {
            self.link.send(AgentEvent::Problem(problem));
        }
    }

    /// A line to the user that belongs to the conversation: shown again when it is resumed.
    pub(super) async fn say(&mut self, event: AgentEvent) {
        let said = match &event {
            AgentEvent::Notice(text) => Some((text.clone(), false)),
            AgentEvent::Problem(text) => Some((text.clone(), true)),
            _ => None,
        };
        // A record of nothing but our own lines would be a conversation in which nobody spoke.
        let begun = self.history.writer().is_some_and(Writer::has_begun);
        if let (Some((text, problem)), true) = (said, begun) {
            let recorded = self.history.take(Record::Said { text, problem }).await;
            self.report(recorded);
        }
        self.link.send(event);
    }

    async fn step_journal(&mut self, direction: Direction, on_changed: OnChanged) {
        let desk = self.desk.clone();
        let stepped = tokio::task::spawn_blocking(move || {
            let mut journal = desk.journal.lock().unwrap_or_else(PoisonError::into_inner);
            step(&mut journal, &desk.workspace, direction, on_changed)
        })
        .await;
        let event = match stepped {
            Ok(Ok(notice)) => AgentEvent::Notice(notice),
            Ok(Err(problem)) => AgentEvent::Problem(problem),
            Err(error) => AgentEvent::Problem(format!(
                "{} broke off: {error}; this is our bug",
                direction.word()
            )),
        };
        self.say(event).await;
    }

    async fn end(self) {
        self.model.abort();
        let python = match self.python {
            Arrival::Here(Ok(python)) => Some(python),
            Arrival::Awaited(receiver, task) => match timeout(FAREWELL, receiver).await {
                Ok(Ok(Ok(python))) => Some(python),
                Ok(_) => None,
                Err(_elapsed) => {
                    task.abort();
                    None
                }
            },
            Arrival::Here(Err(_)) | Arrival::Lost => None,
        };
        if let Some(python) = python {
            let _ = timeout(FAREWELL, python.stop()).await;
        }
    }
}

/// A step through the journal, and what to tell the user of it.
fn step(
    journal: &mut Journal,
    workspace: &Workspace,
    direction: Direction,
    on_changed: OnChanged,
) -> Result<String, String> {
    let (done, stepped) = match direction {
        Direction::Undo => ("Undone", journal.undo(workspace, on_changed)),
        Direction::Redo => ("Redone", journal.redo(workspace, on_changed)),
    };
    let applied = stepped.map_err(|error| {
        let word = match error.remedy() {
            Some(OnChanged::Merge) => "merge",
            Some(OnChanged::MergeWithMarkers) => "markers",
            Some(OnChanged::Refuse) | None => return error.to_string(),
        };
        format!("{error}\n  to merge: /{} {word}", direction.word())
    })?;
    let paths: Vec<&str> = applied
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    let files = if paths.len() == 1 { "file" } else { "files" };
    let mut told = format!("{done}: {} {files}: {}", paths.len(), paths.join(", "));
    for file in &applied.merged {
        told.push_str(&format!("\nmerged {file}"));
    }
    Ok(told)
}
