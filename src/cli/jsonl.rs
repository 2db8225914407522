//! `--json`: agent events as the JSON lines of `codex exec --json`, whose parsers then work unchanged.
//!
//! Pure: events in, values out. The caller writes them and ends the stream with exactly one of
//! [`Jsonl::completed`] and [`Jsonl::failed`].

use crate::agent::{AgentEvent, ToolStatus};
use crate::conversation::{CallId, Usage};
use crate::patch::{Change, ChangeKind, Plan};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The state of one stream: item numbers, and the calls whose end is still to come.
#[derive(Debug, Default)]
pub struct Jsonl {
    items: u64,
    open: HashMap<CallId, OpenCall>,
    ended: bool,
}

#[derive(Debug)]
struct OpenCall {
    id: String,
    tool: String,
    arguments: String,
    /// Set by the review, for `file_change`.
    changes: Value,
    /// `None` until a review ended.
    status: Option<&'static str>,
    declined_hunks: usize,
}

impl Jsonl {
    /// The two lines every stream begins with.
    pub fn begin(thread_id: &str) -> [Value; 2] {
        [
            json!({"type": "thread.started", "thread_id": thread_id}),
            json!({"type": "turn.started"}),
        ]
    }

    /// The lines one agent event becomes; most become none.
    pub fn event(&mut self, event: &AgentEvent) -> Vec<Value> {
        match event {
            AgentEvent::ReasoningDone(text) => vec![self.whole("reasoning", json!({"text": text}))],
            AgentEvent::AnswerDone { text, .. } => {
                vec![self.whole("agent_message", json!({"text": text}))]
            }
            AgentEvent::Notice(text) | AgentEvent::Problem(text) => {
                vec![self.whole("error", json!({"message": text}))]
            }
            AgentEvent::ToolStarted {
                call,
                tool,
                arguments,
                ..
            } => vec![self.started(*call, tool, arguments)],
            AgentEvent::ToolFinished {
                call,
                status,
                output,
                exit_code,
                ..
            } => self
                .finished(*call, status, output, *exit_code)
                .into_iter()
                .collect(),
            AgentEvent::ReviewRequested { call, plan, .. } => {
                if let Some(open) = self.open.get_mut(call) {
                    open.changes = changes(plan);
                }
                Vec::new()
            }
            AgentEvent::ReviewDone {
                plan,
                applied,
                declined_hunks,
                ..
            } => {
                // Only one review is open at a time, and its call is the one whose end is still to come.
                if let Some(open) = self.open.values_mut().find(|open| is_patch(&open.tool)) {
                    (open.changes, open.status) = match applied {
                        Some(applied) => (written(&applied.changes), Some("completed")),
                        None => (changes(plan), Some("declined")),
                    };
                    open.declined_hunks = *declined_hunks;
                }
                Vec::new()
            }
            AgentEvent::ModelLoading(_)
            | AgentEvent::ModelReady(_)
            | AgentEvent::ModelFailed(_)
            | AgentEvent::Sandbox(_)
            | AgentEvent::TurnStarted { .. }
            | AgentEvent::Queued { .. }
            | AgentEvent::TakenBack { .. }
            | AgentEvent::ShellStarted { .. }
            | AgentEvent::ShellOutput { .. }
            | AgentEvent::ShellFinished { .. }
            | AgentEvent::Files(_)
            | AgentEvent::ModelSwitching { .. }
            | AgentEvent::ModelResting { .. }
            | AgentEvent::Pull(_)
            | AgentEvent::Approvals(_)
            | AgentEvent::Effort(_)
            | AgentEvent::Answer(_)
            | AgentEvent::Prefill { .. }
            | AgentEvent::ReasoningDelta(_)
            | AgentEvent::AnswerDelta(_)
            | AgentEvent::ToolCallDelta { .. }
            | AgentEvent::ToolOutput { .. }
            | AgentEvent::ToolUnavailable { .. }
            | AgentEvent::Context(_)
            | AgentEvent::Generating { .. }
            | AgentEvent::Generation(_)
            | AgentEvent::History(_)
            | AgentEvent::TurnDone { .. }
            | AgentEvent::TurnFailed { .. }
            | AgentEvent::TurnInterrupted { .. } => Vec::new(),
        }
    }

    /// The last line of a turn that ended well; `None` if the stream has ended already.
    pub fn completed(&mut self, usage: &Usage) -> Option<Value> {
        (!std::mem::replace(&mut self.ended, true)).then(|| {
            json!({"type": "turn.completed", "usage": {
                "input_tokens": usage.prompt_tokens,
                "cached_input_tokens": usage.cached_tokens,
                "output_tokens": usage.generated_tokens,
                "reasoning_output_tokens": usage.reasoning_tokens,
            }})
        })
    }

    /// The last line of a turn that did not.
    pub fn failed(&mut self, message: &str) -> Option<Value> {
        (!std::mem::replace(&mut self.ended, true))
            .then(|| json!({"type": "turn.failed", "error": {"message": message}}))
    }

    fn next_id(&mut self) -> String {
        let id = format!("item_{}", self.items);
        self.items += 1;
        id
    }

    fn whole(&mut self, kind: &str, fields: Value) -> Value {
        let id = self.next_id();
        item("item.completed", &id, kind, fields)
    }

    fn started(&mut self, call: CallId, tool: &str, arguments: &str) -> Value {
        let id = self.next_id();
        let (kind, fields) = fields(tool, arguments, "in_progress", &json!([]), None, None);
        let line = item("item.started", &id, kind, fields);
        let open = OpenCall {
            id,
            tool: tool.to_owned(),
            arguments: arguments.to_owned(),
            changes: json!([]),
            status: None,
            declined_hunks: 0,
        };
        self.open.insert(call, open);
        line
    }

    fn finished(
        &mut self,
        call: CallId,
        status: &ToolStatus,
        output: &str,
        exit_code: Option<i32>,
    ) -> Option<Value> {
        let open = self.open.remove(&call)?;
        let status = open.status.unwrap_or(match status {
            ToolStatus::Completed => "completed",
            ToolStatus::Failed => "failed",
            ToolStatus::Declined => "declined",
        });
        let (kind, fields) = fields(
            &open.tool,
            &open.arguments,
            status,
            &open.changes,
            Some(output),
            exit_code,
        );
        let mut line = item("item.completed", &open.id, kind, fields);
        if open.declined_hunks > 0 {
            line["item"]["declined_hunks"] = json!(open.declined_hunks);
        }
        Some(line)
    }
}

fn is_patch(tool: &str) -> bool {
    tool.ends_with("apply_patch")
}

fn item(event: &str, id: &str, kind: &str, fields: Value) -> Value {
    let mut object = json!({"id": id, "type": kind});
    if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
        object.extend(fields);
    }
    json!({"type": event, "item": object})
}

fn fields(
    tool: &str,
    arguments: &str,
    status: &str,
    changes: &Value,
    output: Option<&str>,
    exit_code: Option<i32>,
) -> (&'static str, Value) {
    let name = tool.strip_prefix("functions.").unwrap_or(tool);
    match name {
        "python" | "shell" => (
            "command_execution",
            json!({"command": arguments, "aggregated_output": output.unwrap_or(""), "exit_code": exit_code,
                   "status": status}),
        ),
        "apply_patch" => ("file_change", json!({"changes": changes, "status": status})),
        _ => {
            let arguments = serde_json::from_str(arguments)
                .unwrap_or_else(|_| Value::String(arguments.to_owned()));
            let (result, error) = match (status, output) {
                (_, None) => (Value::Null, Value::Null),
                ("failed", Some(output)) => (Value::Null, json!({"message": output})),
                (_, Some(output)) => (
                    json!({"content": [{"type": "text", "text": output}], "structured_content": null}),
                    Value::Null,
                ),
            };
            (
                "mcp_tool_call",
                json!({"server": "descant", "tool": name, "arguments": arguments, "result": result, "error": error,
                       "status": status}),
            )
        }
    }
}

fn changes(plan: &Plan) -> Value {
    let files = plan.files.iter();
    files
        .map(|file| change(file.kind, &file.path, file.target.as_ref()))
        .collect()
}

fn written(changes: &[Change]) -> Value {
    let files = changes.iter();
    files
        .map(|done| change(done.kind, &done.path, done.target.as_ref()))
        .collect()
}

fn change(kind: ChangeKind, path: &impl ToString, target: Option<&impl ToString>) -> Value {
    let kind_name = match kind {
        ChangeKind::Add => "add",
        ChangeKind::Delete => "delete",
        ChangeKind::Update | ChangeKind::Move => "update",
    };
    let mut change = json!({"path": path.to_string(), "kind": kind_name});
    if let Some(to) = target {
        // The schema has no move: an update that names where the file went.
        change["move_path"] = json!(to.to_string());
    }
    change
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn finished(call: u64, status: ToolStatus, output: &str, exit_code: Option<i32>) -> AgentEvent {
        AgentEvent::ToolFinished {
            call: CallId(call),
            status,
            output: output.into(),
            exit_code,
            elapsed: Duration::ZERO,
        }
    }

    fn started(call: u64, tool: &str, arguments: &str) -> AgentEvent {
        AgentEvent::ToolStarted {
            call: CallId(call),
            tool: tool.into(),
            arguments: arguments.into(),
            summary: String::new(),
        }
    }

    #[test]
    fn a_python_call_is_a_command_execution() {
        let mut jsonl = Jsonl::default();
        let begun = jsonl.event(&started(1, "python", "print(1)"));
        let done = jsonl.event(&finished(1, ToolStatus::Completed, "1\n", Some(0)));
        assert_eq!(
            begun,
            [
                json!({"type": "item.started", "item": {"id": "item_0", "type": "command_execution",
            "command": "print(1)", "aggregated_output": "", "exit_code": null, "status": "in_progress"}})
            ]
        );
        assert_eq!(
            done,
            [
                json!({"type": "item.completed", "item": {"id": "item_0", "type": "command_execution",
            "command": "print(1)", "aggregated_output": "1\n", "exit_code": 0, "status": "completed"}})
            ]
        );
    }

    #[test]
    fn a_read_is_a_tool_call_of_our_own_server() {
        let mut jsonl = Jsonl::default();
        jsonl.event(&started(7, "functions.read_file", r#"{"path":"a"}"#));
        let done = jsonl.event(&finished(
            7,
            ToolStatus::Failed,
            "Error: a: no such file",
            None,
        ));
        assert_eq!(
            done,
            [
                json!({"type": "item.completed", "item": {"id": "item_0", "type": "mcp_tool_call",
            "server": "descant", "tool": "read_file", "arguments": {"path": "a"}, "result": null,
            "error": {"message": "Error: a: no such file"}, "status": "failed"}})
            ]
        );
    }

    #[test]
    fn only_one_terminal_event_comes() {
        let mut jsonl = Jsonl::default();
        assert!(jsonl.failed("x").is_some());
        assert!(jsonl.completed(&Usage::default()).is_none());
        assert!(jsonl.failed("y").is_none());
    }
}
