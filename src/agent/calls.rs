//! A turn's tool calls: which of them run, in what order, and what is said to those that do not.

use super::link::Attended;
use super::prompt::Offer;
use super::stream::Call;
use super::task::Core;
use super::turn::{Next, Outcome};
use crate::conversation::{Item, MessageEnd};
use crate::tools::{Tool, recipient_name};

/// A call that is made this often in a row ends the turn.
const IDENTICAL_CALLS: usize = 3;

/// The calls a turn has made so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: usize,
    /// The last call, and how often it was made in a row.
    repeated: Option<(String, String, usize)>,
    /// The last call was to no tool, or had no end, and was answered with the error.
    warned: bool,
}

impl Core {
    /// Runs the calls in order and appends each answer.
    pub(super) async fn answer_calls(&mut self, calls: Vec<Call>, tally: &mut Tally) -> Next {
        for (index, call) in calls.iter().enumerate() {
            let rest = calls.get(index..).unwrap_or_default();
            if let Some(failure) = tally.count(call, self.limits.tool_calls) {
                self.refuse(rest, "not run: the turn was ended").await;
                return Next::End(Outcome::Failed(failure));
            }
            let tool = match Tool::from_recipient(&call.recipient) {
                Some(tool) if call.end == MessageEnd::Call => tool,
                found => {
                    let complaint = match found {
                        Some(tool) => unended(tool),
                        None => unknown(&call.recipient, self.offer()),
                    };
                    self.complain(call, &complaint).await;
                    if std::mem::replace(&mut tally.warned, true) {
                        let after = calls.get(index + 1..).unwrap_or_default();
                        self.refuse(after, "not run: the turn was ended").await;
                        return Next::End(Outcome::Failed(format!(
                            "the model's tool calls cannot be understood: {complaint}\n  ask again, or say it in other words"
                        )));
                    }
                    continue;
                }
            };
            match self.call(call, tool).await {
                Attended::Done(text) => {
                    tally.warned = false;
                    self.push(Item::ToolResult {
                        call: call.id,
                        tool: tool.role().into(),
                        text,
                    })
                    .await;
                    // It answered, but only because it was told to stop.
                    if self.link.interrupt().is_cancelled() {
                        let after = calls.get(index + 1..).unwrap_or_default();
                        self.refuse(after, "interrupted by the user").await;
                        return Next::End(Outcome::Interrupted);
                    }
                }
                Attended::Interrupted => {
                    self.refuse(rest, "interrupted by the user").await;
                    return Next::End(Outcome::Interrupted);
                }
            }
        }
        Next::Generate
    }

    /// Answers calls that do not run, so that none stays open in the history.
    pub(super) async fn refuse(&mut self, calls: &[Call], why: &str) {
        for call in calls {
            let text = format!("Error: {why}");
            self.push(Item::ToolResult {
                call: call.id,
                tool: role(&call.recipient),
                text,
            })
            .await;
        }
    }

    /// A call that is none of ours: shown as failed, answered with what is wrong with it.
    async fn complain(&mut self, call: &Call, complaint: &str) {
        let text = format!("Error: {complaint}");
        self.show_failed(call, &text).await;
        self.push(Item::ToolResult {
            call: call.id,
            tool: role(&call.recipient),
            text,
        })
        .await;
    }
}

impl Tally {
    /// Counts a call; `Some`: why the turn ends instead of running it.
    fn count(&mut self, call: &Call, most: usize) -> Option<String> {
        self.calls += 1;
        if self.calls > most {
            return Some(format!(
                "the model made {most} tool calls in one turn and wants more\n  ask it to go on, or for a smaller step"
            ));
        }
        let (name, arguments) = (role(&call.recipient), call.arguments.trim());
        let times = match &self.repeated {
            Some((last, same, times)) if *last == name && same == arguments => times + 1,
            Some(_) | None => 1,
        };
        if times == IDENTICAL_CALLS {
            return Some(format!(
                "the model made the same call {IDENTICAL_CALLS} times in a row ({name}) and got no further\n  ask again, or say it in other words"
            ));
        }
        self.repeated = Some((name, arguments.to_owned(), times));
        None
    }
}

/// The role an answer to `recipient` speaks as.
pub(super) fn role(recipient: &str) -> String {
    match Tool::from_recipient(recipient) {
        Some(tool) => tool.role().to_owned(),
        None => match recipient_name(recipient) {
            name if name.is_empty() => "functions.unknown".into(),
            name if name.contains('.') => name,
            name => format!("functions.{name}"),
        },
    }
}

fn unknown(recipient: &str, offer: Offer) -> String {
    let tools: Vec<&str> = Tool::ALL
        .into_iter()
        .filter(|tool| match tool {
            Tool::Python => offer.python,
            Tool::Shell => offer.shell,
            Tool::ReadFile | Tool::ListFiles | Tool::Search | Tool::ApplyPatch => true,
        })
        .map(Tool::role)
        .collect();
    format!(
        "there is no tool {}; the tools are {}",
        recipient_name(recipient),
        tools.join(", ")
    )
}

fn unended(tool: Tool) -> String {
    format!(
        "the call to {} did not end as a call, so it was not run; make it again",
        tool.role()
    )
}
