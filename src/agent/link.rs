//! The agent's side of its two queues, and the waiting in between.
//!
//! Whatever the agent waits for, it waits through [`Link::attend`], which takes commands meanwhile: a
//! submitted message is queued, an interrupt ends the wait, everything else is kept for its moment.

use super::inquiry::{Inquiries, SessionFile};
use super::outbox::Outbox;
use super::pull::Pulls;
use super::shell::{Finished, UserShell};
use super::{AgentCommand, AgentEvent, ApprovalPolicy, FileList, ReviewId, SandboxChange};
use crate::config::Asking;
use crate::conversation::{Effort, Item};
use crate::patch::{Decisions, Plan};
use crate::tools::files;
use crate::workspace::Workspace;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that may wait behind a running turn; one more is refused with a notice.
const QUEUED_ROOM: usize = 32;

/// How a wait ended.
#[derive(Debug)]
pub(super) enum Attended<T> {
    Done(T),
    /// The user wants the turn to stop; what was waited for was dropped.
    Interrupted,
}

/// A decided review, as it came.
#[derive(Debug)]
pub(super) struct Reviewed {
    pub(super) review: ReviewId,
    pub(super) plan: Box<Plan>,
    pub(super) decisions: Decisions,
}

/// What happens beside the turns.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) shell: UserShell,
    pub(super) workspace: Arc<Workspace>,
    /// For what is sent from tasks of their own.
    pub(super) events: mpsc::Sender<AgentEvent>,
    /// Ends the listing that runs.
    pub(super) listing: CancellationToken,
    pub(super) inquiries: Inquiries,
    pub(super) pulls: Pulls,
}

/// What comes while no turn runs.
#[derive(Debug)]
pub(super) enum Came {
    Command(AgentCommand),
    /// A command of the user's is over: see [`Link::take_attached`].
    Attached,
    /// The consumer is gone.
    End,
}

#[derive(Debug)]
pub(super) struct Link {
    commands: mpsc::Receiver<AgentCommand>,
    outbox: Outbox,
    beside: Beside,
    /// What the user's commands came to, until the history takes it.
    attached: Vec<Item>,
    /// Submitted and not begun yet.
    queued: VecDeque<String>,
    /// Cancelled by an interrupt; a new one with each turn.
    turn: CancellationToken,
    /// The last decided review, until the turn takes it.
    reviewed: Option<Reviewed>,
    /// What the next turn is to begin with.
    pub(super) effort: Option<Effort>,
    pub(super) model: Option<String>,
    /// Who decides about patches.
    pub(super) approvals: ApprovalPolicy,
    /// How the next generation samples.
    pub(super) asking: Asking,
    /// How long the call that runs has waited for the user.
    pub(super) waited: Duration,
    pub(super) forget: bool,
    pub(super) closing: bool,
    /// Stops what is fetched for the container.
    fetching: CancellationToken,
}

impl Link {
    pub(super) fn new(
        commands: mpsc::Receiver<AgentCommand>,
        events: mpsc::Sender<AgentEvent>,
        beside: Beside,
        approvals: ApprovalPolicy,
        asking: Asking,
    ) -> Link {
        Link {
            commands,
            outbox: Outbox::new(events),
            beside,
            attached: Vec::new(),
            queued: VecDeque::new(),
            turn: CancellationToken::new(),
            reviewed: None,
            effort: None,
            model: None,
            approvals,
            asking,
            waited: Duration::ZERO,
            forget: false,
            closing: false,
            fetching: CancellationToken::new(),
        }
    }

    pub(super) fn fetches(&mut self, cancel: CancellationToken) {
        self.fetching = cancel;
    }

    pub(super) fn fetching(&self) -> &CancellationToken {
        &self.fetching
    }

    pub(super) fn send(&mut self, event: AgentEvent) {
        self.outbox.push(event);
    }

    /// Waits until the consumer has room for everything that was sent.
    pub(super) async fn flush(&mut self) {
        while !self.outbox.is_empty() {
            self.outbox.flush_one().await;
        }
    }

    /// What comes next while no turn runs.
    pub(super) async fn next(&mut self) -> Came {
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    return command.map_or(Came::End, Came::Command);
                }
                () = self.outbox.flush_one() => {}
                finished = self.beside.shell.finished() => {
                    self.command_over(finished);
                    return Came::Attached;
                }
            }
        }
    }

    /// `None`: its task broke off, which the panic has said.
    fn command_over(&mut self, finished: Option<Finished>) {
        if let Some(Finished { item, event }) = finished {
            self.attached.push(item);
            self.send(event);
        }
    }

    pub(super) fn take_attached(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.attached)
    }

    /// Obeys what needs no turn's end; gives the rest back.
    pub(super) fn aside(&mut self, command: AgentCommand) -> Option<AgentCommand> {
        match command {
            AgentCommand::TakeBack => {
                let text = self.queued.pop_back();
                self.send(AgentEvent::TakenBack { text });
            }
            AgentCommand::Shell(command) => {
                if let Err(problem) = self.beside.shell.start(command) {
                    self.send(AgentEvent::Problem(problem));
                }
            }
            AgentCommand::InterruptShell => {
                self.beside.shell.interrupt();
            }
            AgentCommand::ListFiles => self.list_files(),
            AgentCommand::Inquire(inquiry) => {
                self.beside.inquiries.ask(inquiry, self.asking.clone());
            }
            AgentCommand::Sampling(change) => self.sampling(change.as_deref()),
            AgentCommand::Pull(step) => self.beside.pulls.step(step),
            AgentCommand::Sandbox(SandboxChange::Cancel) => self.fetching.cancel(),
            AgentCommand::SetApprovals(policy) => {
                self.approvals = policy;
                self.send(AgentEvent::Approvals(policy));
            }
            command => return Some(command),
        }
        None
    }

    fn sampling(&mut self, change: Option<&str>) {
        match change.map(|change| self.asking.with(change)) {
            Some(Err(problem)) => self.send(AgentEvent::Problem(problem)),
            Some(Ok(asking)) => {
                let before = self.asking.rows();
                let changed = asking
                    .rows()
                    .into_iter()
                    .filter(|row| !before.contains(row));
                let told: Vec<String> = changed
                    .map(|(key, value)| format!("{key} = {value}"))
                    .collect();
                self.asking = asking;
                self.send(AgentEvent::Notice(match told.as_slice() {
                    [] => "sampling is as it was".to_owned(),
                    told => format!("sampling: {}, from the next generation on", told.join(", ")),
                }));
            }
            None => {
                let rows = self.asking.rows().into_iter();
                let rows: Vec<String> = rows
                    .map(|(key, value)| format!("{key:<18}{value}"))
                    .collect();
                self.send(AgentEvent::Notice(format!(
                    "{}\nto change one until the end of the session: /sampling KEY=VALUE; for good: config.toml",
                    rows.join("\n")
                )));
            }
        }
    }

    /// On a thread of its own; a newer listing ends an older one.
    fn list_files(&mut self) {
        self.beside.listing.cancel();
        self.beside.listing = CancellationToken::new();
        let cancel = self.beside.listing.clone();
        let workspace = self.beside.workspace.clone();
        let events = self.beside.events.clone();
        tokio::task::spawn_blocking(move || {
            let (paths, whole) = files::list(&workspace, &cancel);
            if !cancel.is_cancelled() {
                let list = Arc::new(FileList { paths, whole });
                let _ = events.blocking_send(AgentEvent::Files(list));
            }
        });
    }

    /// Which record the conversation has; true when that is another than before.
    pub(super) fn conversation(&mut self, file: Option<SessionFile>) -> bool {
        let other = self.beside.inquiries.session != file;
        self.beside.inquiries.session = file;
        other
    }

    /// For what is told from tasks of their own.
    pub(super) fn events(&self) -> mpsc::Sender<AgentEvent> {
        self.beside.events.clone()
    }

    pub(super) fn next_queued(&mut self) -> Option<String> {
        self.queued.pop_front()
    }

    pub(super) fn forget_queued(&mut self) {
        self.queued.clear();
    }

    /// A turn begins: its own interrupt, and no word on reviews of earlier ones.
    pub(super) fn begin_turn(&mut self) {
        self.turn = CancellationToken::new();
        self.reviewed = None;
    }

    /// Cancelled as soon as the user interrupts the running turn.
    pub(super) fn interrupt(&self) -> &CancellationToken {
        &self.turn
    }

    /// Waits for `work` and serves the queues meanwhile. `work` is dropped on an interrupt; pass it by
    /// `&mut` where it has to be brought to an end afterwards.
    pub(super) async fn attend<T>(&mut self, work: impl Future<Output = T>) -> Attended<T> {
        let mut work = pin!(work);
        loop {
            if self.turn.is_cancelled() {
                return Attended::Interrupted;
            }
            tokio::select! {
                biased;
                () = self.serve() => {}
                done = &mut work => return Attended::Done(done),
            }
        }
    }

    /// As [`Link::attend`], for work whose events need room in the outbox: it is not polled without.
    pub(super) async fn attend_with_room<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Attended<T> {
        while self.outbox.is_full() {
            if self.turn.is_cancelled() {
                return Attended::Interrupted;
            }
            self.serve().await;
        }
        self.attend(work).await
    }

    /// Waits for the word on `review`.
    pub(super) async fn reviewed(&mut self, review: ReviewId) -> Attended<Reviewed> {
        let begun = Instant::now();
        let attended = loop {
            if self.turn.is_cancelled() {
                break Attended::Interrupted;
            }
            if let Some(reviewed) = self.reviewed.take_if(|reviewed| reviewed.review == review) {
                break Attended::Done(reviewed);
            }
            self.serve().await;
        };
        self.waited += begun.elapsed();
        attended
    }

    /// At the end: what waits goes out, if somebody still reads.
    pub(super) async fn drain(&mut self, limit: Duration) {
        self.beside.listing.cancel();
        self.beside.shell.end(limit).await;
        let outbox = &mut self.outbox;
        let all = async {
            while !outbox.is_empty() {
                outbox.flush_one().await;
            }
        };
        // A reader that does not read any more loses what it did not want.
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// Sends one waiting event or takes one command of a running turn. Cancel-safe.
    async fn serve(&mut self) {
        if self.closing {
            // The queue of commands is at its end and would be ready for ever.
            return self.outbox.flush_one().await;
        }
        tokio::select! {
            biased;
            command = self.commands.recv() => self.take(command),
            () = self.outbox.flush_one() => {}
            finished = self.beside.shell.finished() => self.command_over(finished),
        }
    }

    fn take(&mut self, command: Option<AgentCommand>) {
        let command = match command {
            Some(command) => match self.aside(command) {
                Some(command) => Some(command),
                None => return,
            },
            None => None,
        };
        match command {
            Some(AgentCommand::Submit(text)) => self.queue(text),
            Some(AgentCommand::Interrupt) => self.turn.cancel(),
            Some(AgentCommand::Review {
                review,
                plan,
                decisions,
            }) => {
                self.reviewed = Some(Reviewed {
                    review,
                    plan,
                    decisions,
                });
            }
            Some(AgentCommand::SetEffort(effort)) => self.effort = Some(effort),
            Some(AgentCommand::Undo(_)) => self.refuse("undo"),
            Some(AgentCommand::Resume(_) | AgentCommand::ResumeNamed(_)) => {
                self.refuse("go on with another conversation")
            }
            Some(AgentCommand::Fork) => self.refuse("fork"),
            Some(AgentCommand::Trust(_)) => self.refuse("decide about settings"),
            Some(AgentCommand::Rewind { .. } | AgentCommand::ListMessages) => {
                self.refuse("go back to an earlier message");
            }
            Some(AgentCommand::Compact { .. }) => self.refuse("compact"),
            Some(AgentCommand::Export { .. }) => self.refuse("export"),
            Some(AgentCommand::ListSessions) => self.refuse("list conversations"),
            Some(AgentCommand::Redo(_)) => self.refuse("redo"),
            Some(AgentCommand::NewConversation) => {
                self.forget = true;
                self.turn.cancel();
            }
            Some(AgentCommand::Sandbox(_)) => self.refuse("change the container"),
            Some(AgentCommand::SetContext(_)) => self.refuse("change the context"),
            Some(AgentCommand::SwitchModel(name)) => {
                self.send(AgentEvent::Notice(format!(
                    "{name} is loaded when the turn is over"
                )));
                self.model = Some(name);
            }
            // Obeyed above.
            Some(
                AgentCommand::Inquire(_)
                | AgentCommand::Sampling(_)
                | AgentCommand::Pull(_)
                | AgentCommand::SetApprovals(_)
                | AgentCommand::TakeBack
                | AgentCommand::Shell(_)
                | AgentCommand::InterruptShell
                | AgentCommand::ListFiles,
            ) => {}
            Some(AgentCommand::Shutdown) | None => {
                self.closing = true;
                self.turn.cancel();
            }
        }
    }

    fn queue(&mut self, text: String) {
        if self.queued.len() == QUEUED_ROOM {
            self.send(AgentEvent::Problem(format!(
                "{QUEUED_ROOM} messages are waiting already; this one was not taken\n  send it again when the turn is over"
            )));
            return;
        }
        self.queued.push_back(text.clone());
        self.send(AgentEvent::Queued { text });
    }

    fn refuse(&mut self, what: &str) {
        self.send(AgentEvent::Problem(format!(
            "cannot {what} while a turn is running\n  interrupt it first, or wait until it is over"
        )));
    }
}
