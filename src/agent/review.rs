//! `apply_patch`: plan, the user's word, and the write.
//!
//! Nothing is written but what the approval policy or a [`super::AgentCommand::Review`] allows. When a file
//! changed under an open review, the patch is located anew and asked about again.

use super::desk::Desk;
use super::dispatch::Answer;
use super::link::Attended;
use super::stream::Call;
use super::task::Core;
use super::{AgentEvent, ApprovalPolicy, ReviewId, ToolStatus};
use crate::patch::{Applied, ApplyError, Decisions, Plan, apply, report};
use crate::session::Record;
use crate::tools::apply_patch::prepare;
use crate::workspace::WorkspacePath;
use std::sync::{Arc, PoisonError};

/// How often a patch is located anew because its files keep changing.
const ROUNDS: usize = 3;

impl Core {
    pub(super) async fn apply_patch(&mut self, call: &Call) -> Attended<Answer> {
        for _ in 0..ROUNDS {
            let plan = match self.plan(call).await {
                Attended::Done(Ok(plan)) => plan,
                Attended::Done(Err(answer)) => return Attended::Done(answer),
                Attended::Interrupted => return Attended::Interrupted,
            };
            match self.decide(call, plan).await {
                Attended::Done(Decided::Over { status, text }) => {
                    return Attended::Done(Answer {
                        status,
                        text,
                        exit_code: None,
                    });
                }
                Attended::Done(Decided::Changed(path)) => {
                    // The question is asked anew under a new number; this one has no end of its own.
                    self.say(AgentEvent::Notice(format!(
                        "{path} changed on disk meanwhile; the patch is located anew"
                    )))
                    .await;
                }
                // No end of the review: the failed call says what happened.
                Attended::Done(Decided::Failed(error)) => {
                    return Attended::Done(Answer::failed(error));
                }
                Attended::Interrupted => return Attended::Interrupted,
            }
        }
        Attended::Done(Answer::failed(
            "the files kept changing on disk while the patch was reviewed; read them again",
        ))
    }

    /// Asks about a plan, as far as the approval policy wants that, and writes what was accepted.
    pub(super) async fn decide(&mut self, call: &Call, plan: Plan) -> Attended<Decided> {
        let review = self.history.next_review();
        let (plan, decisions) = match self.link.approvals {
            ApprovalPolicy::ProposeOnly => {
                let text = report::proposed(&plan);
                let nothing = Decisions::default();
                self.done(call, review, (Box::new(plan), nothing), None, 0)
                    .await;
                let status = ToolStatus::Declined;
                return Attended::Done(Decided::Over { status, text });
            }
            ApprovalPolicy::ApplyAll => {
                let decisions = Decisions::accept_all(&plan);
                (Box::new(plan), decisions)
            }
            ApprovalPolicy::Review => {
                let plan = Box::new(plan);
                self.link.send(AgentEvent::ReviewRequested {
                    review,
                    call: call.id,
                    plan: plan.clone(),
                });
                match self.link.reviewed(review).await {
                    Attended::Done(reviewed) => (reviewed.plan, reviewed.decisions),
                    Attended::Interrupted => {
                        let nothing = Decisions::default();
                        let declined = report::declined_count(&plan, &nothing);
                        self.done(call, review, (plan, nothing), None, declined)
                            .await;
                        return Attended::Interrupted;
                    }
                }
            }
        };
        // Not interruptible: a write is short, and its outcome belongs in the record.
        match write(self.desk.clone(), plan.clone(), decisions.clone()).await {
            Ok(applied) => {
                let declined = report::declined_count(&plan, &decisions);
                let text = report::applied(&plan, &decisions, applied.as_ref());
                let status = if applied.is_some() {
                    ToolStatus::Completed
                } else {
                    ToolStatus::Declined
                };
                self.done(call, review, (plan, decisions), applied, declined)
                    .await;
                Attended::Done(Decided::Over { status, text })
            }
            Err(Unwritten::Changed(path)) => Attended::Done(Decided::Changed(path)),
            Err(Unwritten::Failed(error)) => Attended::Done(Decided::Failed(error)),
        }
    }

    async fn plan(&mut self, call: &Call) -> Attended<Result<Plan, Answer>> {
        let workspace = self.desk.workspace.clone();
        let arguments = call.arguments.clone();
        let planned = tokio::task::spawn_blocking(move || prepare(&workspace, &arguments));
        match self.link.attend(planned).await {
            Attended::Done(Ok(Ok(plan))) => Attended::Done(Ok(plan)),
            Attended::Done(Ok(Err(error))) => Attended::Done(Err(Answer::failed(error))),
            Attended::Done(Err(error)) => Attended::Done(Err(Answer::failed(format!(
                "the patch could not be planned: {error}"
            )))),
            Attended::Interrupted => Attended::Interrupted,
        }
    }

    async fn done(
        &mut self,
        call: &Call,
        review: ReviewId,
        (plan, decisions): (Box<Plan>, Decisions),
        applied: Option<Applied>,
        declined_hunks: usize,
    ) {
        let recorded = match (
            serde_json::to_value(&plan),
            serde_json::to_value(&decisions),
        ) {
            (Ok(plan), Ok(decisions)) => {
                let reviewed = Record::Reviewed {
                    call: call.id,
                    checkpoint: applied.as_ref().map(|applied| applied.checkpoint),
                    declined: declined_hunks,
                    plan,
                    decisions,
                };
                self.history.take(reviewed).await
            }
            (Err(error), _) | (_, Err(error)) => Err(format!(
                "the review is not on record: {error}; this is our bug"
            )),
        };
        self.report(recorded);
        self.link.send(AgentEvent::ReviewDone {
            review,
            plan,
            applied,
            declined_hunks,
        });
    }
}

/// What became of a plan.
pub(super) enum Decided {
    /// The user's word was carried out; `text` is what the model is told of it.
    Over {
        status: ToolStatus,
        text: String,
    },
    /// A file is not what the plan was made from; nothing was written.
    Changed(WorkspacePath),
    Failed(String),
}

/// Why nothing was written.
enum Unwritten {
    Changed(WorkspacePath),
    Failed(String),
}

/// Applies the accepted hunks on a blocking thread. `None`: nothing was accepted, so nothing was written.
async fn write(
    desk: Desk,
    plan: Box<Plan>,
    decisions: Decisions,
) -> Result<Option<Applied>, Unwritten> {
    let ours = Arc::clone(&desk.written);
    let written = tokio::task::spawn_blocking(move || {
        let mut journal = desk.journal.lock().unwrap_or_else(PoisonError::into_inner);
        apply(&desk.workspace, &plan, &decisions, &mut journal)
    });
    let written = written.await;
    if let Ok(Ok(applied)) = &written {
        let mut numbers = ours.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.insert(applied.checkpoint);
    }
    match written {
        Ok(Ok(applied)) => Ok(Some(applied).filter(|applied| !applied.changes.is_empty())),
        Ok(Err(ApplyError::Changed { path })) => Err(Unwritten::Changed(path)),
        Ok(Err(error)) => Err(Unwritten::Failed(error.to_string())),
        Err(error) => Err(Unwritten::Failed(format!(
            "the write broke off: {error}; this is a bug of Descant"
        ))),
    }
}
