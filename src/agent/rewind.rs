//! Going back to an earlier message: the conversation alone, or the files with it.

use super::desk::Desk;
use super::task::Core;
use super::{AgentEvent, HistoryEvent, Message};
use crate::conversation::TurnId;
use crate::patch::{Journal, OnChanged};
use crate::session::Record;
use crate::workspace::Workspace;
use std::collections::BTreeSet;
use std::sync::PoisonError;

impl Core {
    pub(super) async fn list_messages(&mut self) {
        let applied = match self.applied().await {
            Ok(applied) => applied,
            Err(problem) => return self.link.send(AgentEvent::Problem(problem)),
        };
        let state = self.history.state();
        let messages = state.marks().map(|mark| Message {
            turn: mark.turn,
            text: mark.prompt.clone(),
            patches: state
                .checkpoints_since(mark.turn)
                .iter()
                .filter(|number| applied.contains(number))
                .count(),
        });
        let messages = messages.collect();
        self.link.send(HistoryEvent::Messages(messages).into());
    }

    /// Back to before `turn`. With `files`, first all patches since are taken back, or none and nothing
    /// else happens.
    pub(super) async fn rewind(&mut self, turn: TurnId, files: bool) {
        let mark = self.history.state().marks().find(|mark| mark.turn == turn);
        let Some(message) = mark.map(|mark| mark.prompt.clone()) else {
            return self.link.send(AgentEvent::Problem(
                "that message does not belong to this conversation any more".into(),
            ));
        };
        let mut undone = Vec::new();
        if files {
            match self.take_back(turn).await {
                Ok(numbers) => undone = numbers,
                Err(problem) => {
                    return self.link.send(AgentEvent::Problem(format!(
                        "the files were not taken back, and the conversation stays as it is\n{problem}"
                    )));
                }
            }
        }
        let told = match undone.len() {
            0 => None,
            1 => Some("1 patch was taken back; /redo applies it again.".to_owned()),
            count => Some(format!(
                "{count} patches were taken back; /redo applies them again, one by one."
            )),
        };
        let recorded = self.history.take(Record::Rewound { turn, undone }).await;
        self.report(recorded);
        if let Err(problem) = self.reread().await {
            self.link.send(AgentEvent::Notice(format!(
                "The conversation goes on before that message; what follows it stays on screen: {problem}"
            )));
        }
        if let Some(told) = told {
            self.say(AgentEvent::Notice(told)).await;
        }
        self.link.send(HistoryEvent::Rewound { message }.into());
    }

    /// The journal's checkpoints that are applied.
    async fn applied(&mut self) -> Result<BTreeSet<u64>, String> {
        on_desk(&self.desk, |journal, _| {
            let list = journal.list().map_err(|error| error.to_string())?;
            let applied = list.iter().filter(|checkpoint| !checkpoint.undone);
            Ok(applied.map(|checkpoint| checkpoint.number).collect())
        })
        .await
    }

    async fn take_back(&mut self, turn: TurnId) -> Result<Vec<u64>, String> {
        let ours: BTreeSet<u64> = self
            .history
            .state()
            .checkpoints_since(turn)
            .into_iter()
            .collect();
        on_desk(&self.desk, move |journal, workspace| {
            take_back(journal, workspace, &ours)
        })
        .await
    }
}

async fn on_desk<T: Send + 'static>(
    desk: &Desk,
    work: impl FnOnce(&mut Journal, &Workspace) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let desk = desk.clone();
    tokio::task::spawn_blocking(move || {
        let mut journal = desk.journal.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut journal, &desk.workspace)
    })
    .await
    .map_err(|error| format!("it broke off: {error}; this is our bug"))?
}

/// Undoes the applied checkpoints among `ours`, newest first. Where one cannot be undone, those before it are
/// applied again: all or nothing.
fn take_back(
    journal: &mut Journal,
    workspace: &Workspace,
    ours: &BTreeSet<u64>,
) -> Result<Vec<u64>, String> {
    let list = journal.list().map_err(|error| error.to_string())?;
    let mut wanted = ours.clone();
    wanted.retain(|number| {
        list.iter()
            .any(|checkpoint| checkpoint.number == *number && !checkpoint.undone)
    });
    let foreign = list
        .iter()
        .rev()
        .filter(|checkpoint| !checkpoint.undone)
        .take_while(|checkpoint| {
            wanted
                .first()
                .is_some_and(|first| checkpoint.number > *first)
        })
        .find(|checkpoint| !wanted.contains(&checkpoint.number));
    if let Some(checkpoint) = foreign {
        return Err(format!(
            "checkpoint {} ({}) was applied since and is not of this conversation\n  /undo takes it back first",
            checkpoint.number, checkpoint.title
        ));
    }
    let mut undone = Vec::new();
    while undone.len() < wanted.len() {
        match journal.undo(workspace, OnChanged::Refuse) {
            Ok(step) => undone.push(step.checkpoint),
            Err(error) => {
                let mut problem = error.to_string();
                for _ in &undone {
                    if let Err(error) = journal.redo(workspace, OnChanged::Refuse) {
                        problem.push_str(&format!(
                            "\nand what was taken back already could not be applied again: {error}\n  /redo tries that once more"
                        ));
                        break;
                    }
                }
                return Err(problem);
            }
        }
    }
    Ok(undone)
}
