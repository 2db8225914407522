//! `/trust`: the settings that a repository brings, and the user's word on them.

use super::task::Core;
use super::{AgentEvent, ApprovalPolicy};
use crate::conversation::Effort;

/// Less is written without the user's word.
fn strictness(policy: ApprovalPolicy) -> u8 {
    match policy {
        ApprovalPolicy::ApplyAll => 0,
        ApprovalPolicy::Review => 1,
        ApprovalPolicy::ProposeOnly => 2,
    }
}

impl Core {
    /// `None`: says what there is to decide.
    pub(super) async fn trust(&mut self, uses: Option<bool>) {
        let Some(listed) = self.host.project() else {
            let none = "this repository brings no settings of its own that could be used";
            return self.link.send(AgentEvent::Notice(none.into()));
        };
        let Some(uses) = uses else {
            return self.link.send(AgentEvent::Notice(format!(
                "{listed}\n/trust yes uses them, /trust no leaves them; when the file changes you are asked again"
            )));
        };
        let host = self.host.clone();
        let settled = tokio::task::spawn_blocking(move || host.trust(uses)).await;
        let settled = match settled {
            Ok(Ok(settled)) => settled,
            Ok(Err(problem)) => return self.link.send(AgentEvent::Problem(problem)),
            Err(error) => {
                return self.link.send(AgentEvent::Problem(format!(
                    "it broke off: {error}; this is our bug"
                )));
            }
        };
        if !uses {
            let told =
                "the settings of this repository are left out, from the next start on in any case";
            return self.link.send(AgentEvent::Notice(told.into()));
        }
        if let Some(effort) = settled.effort {
            self.set_effort(effort);
            self.link.send(AgentEvent::Effort(effort));
        }
        if let Some(policy) = settled.approvals
            && strictness(policy) > strictness(self.link.approvals)
        {
            self.link.approvals = policy;
            self.link.send(AgentEvent::Approvals(policy));
        }
        if let Some(asking) = settled.asking {
            self.link.asking = asking;
        }
        let later = if settled.later {
            "; what they say about the container and connections counts from the next start on"
        } else {
            ""
        };
        self.link.send(AgentEvent::Notice(format!(
            "the settings of this repository are used{later}"
        )));
    }

    pub(super) fn set_effort(&mut self, effort: Effort) {
        self.options.effort = effort;
        if let Some(fixed) = &mut self.fixed {
            fixed.effort = effort;
        }
    }
}
