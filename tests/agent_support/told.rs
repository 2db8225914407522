//! What an agent tells, in a line each.

use descant::agent::AgentEvent;

pub fn is_end(event: &AgentEvent) -> bool {
    matches!(
        event,
        AgentEvent::TurnDone { .. }
            | AgentEvent::TurnFailed { .. }
            | AgentEvent::TurnInterrupted { .. }
    )
}

/// Events in words, those left out that depend on timing (deltas, progress, usage).
pub fn told(events: &[AgentEvent]) -> Vec<String> {
    events.iter().filter_map(tell).collect()
}

fn tell(event: &AgentEvent) -> Option<String> {
    Some(match event {
        AgentEvent::ModelFailed(error) => format!("model failed: {error}"),
        AgentEvent::TurnStarted { turn, prompt } => format!("turn {}: {prompt}", turn.0),
        AgentEvent::Queued { text } => format!("queued: {text}"),
        AgentEvent::ReasoningDone(text) => format!("reasoning: {text}"),
        AgentEvent::AnswerDone { text, last: true } => format!("answer: {text}"),
        AgentEvent::AnswerDone { text, last: false } => format!("preamble: {text}"),
        AgentEvent::ToolStarted { call, summary, .. } => format!("call {}: {summary}", call.0),
        AgentEvent::ToolOutput { call, text } => format!("output {}: {text}", call.0),
        AgentEvent::ToolFinished {
            call,
            status,
            output,
            exit_code,
            ..
        } => {
            let code = exit_code
                .map(|code| format!(" exit {code}"))
                .unwrap_or_default();
            format!("{status:?} {}{code}: {output}", call.0)
        }
        AgentEvent::ToolUnavailable { tool, reason } => format!("unavailable {tool}: {reason}"),
        AgentEvent::ReviewRequested { review, .. } => format!("review {}", review.0),
        AgentEvent::ReviewDone {
            review,
            applied,
            declined_hunks,
            ..
        } => {
            let written = applied.as_ref().map_or(0, |applied| applied.changes.len());
            format!(
                "reviewed {}: {written} files written, {declined_hunks} declined",
                review.0
            )
        }
        AgentEvent::TurnDone { answered, .. } => format!("done, answered: {answered}"),
        AgentEvent::TurnFailed { error, .. } => format!("failed: {error}"),
        AgentEvent::TurnInterrupted { .. } => "interrupted".into(),
        AgentEvent::Notice(text) => format!("notice: {text}"),
        AgentEvent::Problem(text) => format!("problem: {text}"),
        AgentEvent::ModelSwitching { name } => format!("switching to {name}"),
        AgentEvent::Approvals(policy) => format!("approvals: {policy:?}"),
        AgentEvent::Effort(effort) => format!("effort: {}", effort.as_str()),
        AgentEvent::Answer(answer) => format!("answer: {answer:?}"),
        AgentEvent::TakenBack { text } => format!("taken back: {text:?}"),
        AgentEvent::ShellStarted { run, command } => format!("shell {}: {command}", run.0),
        AgentEvent::ShellOutput { run, text } => format!("printed {}: {text}", run.0),
        AgentEvent::ShellFinished { run, end, .. } => format!("shell {} over: {end:?}", run.0),
        AgentEvent::Files(list) => format!("files: {}", list.paths.join(" ")),
        AgentEvent::ModelLoading(_)
        | AgentEvent::ModelResting { .. }
        | AgentEvent::Pull(_)
        | AgentEvent::ModelReady(_)
        | AgentEvent::Sandbox(_)
        | AgentEvent::Prefill { .. }
        | AgentEvent::ReasoningDelta(_)
        | AgentEvent::AnswerDelta(_)
        | AgentEvent::ToolCallDelta { .. }
        | AgentEvent::Context(_)
        | AgentEvent::Generating { .. }
        | AgentEvent::History(_)
        | AgentEvent::Generation(_) => return None,
    })
}
