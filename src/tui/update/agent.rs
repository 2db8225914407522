//! What the agent says, taken into the model.

use super::past;
use super::review::want_colours;
use super::{answers, composer, is_typing, pull, shell};
use crate::agent::{AgentEvent, SandboxState};
use crate::agent::{EngineInfo, Protocol};
use crate::conversation::{PromptProfile, Usage};
use crate::text;
use crate::tui::model::{Activity, Dirty, Effect, Focus, Model, ModelState, Running, Update};
use crate::tui::review::Review;
use crate::tui::transcript::cells;
use crate::tui::transcript::{Body, Cell, DiffCard, ToolState};
use std::time::Duration;

/// What a turn without an answer says.
pub(super) const NO_ANSWER: &str = "the model gave no answer\nask again, or in other words";

pub fn event(model: &mut Model, event: AgentEvent, out: &mut Update) {
    let said = &mut model.conversation.transcript;
    match event {
        AgentEvent::ModelLoading(progress) => {
            if let ModelState::Resting { name } | ModelState::Failed { name } = &model.status.model
            {
                let name = name.clone();
                answers::switching(model, name);
            }
            if let ModelState::Loading {
                progress: shown, ..
            } = &mut model.status.model
            {
                *shown = Some(progress);
            }
        }
        AgentEvent::ModelReady(info) => model_ready(model, info),
        AgentEvent::ModelFailed(error) => {
            let (ModelState::Loading { name, .. }
            | ModelState::Ready { name, .. }
            | ModelState::Failed { name }
            | ModelState::Resting { name }) = &model.status.model;
            model.status.model = ModelState::Failed { name: name.clone() };
            model.conversation.transcript.problem(&error.to_string());
            pull::open_shortage(model, &error);
        }
        AgentEvent::ModelSwitching { name } => answers::switching(model, name),
        AgentEvent::Effort(effort) => model.status.effort = effort,
        AgentEvent::ModelResting { name, why } => answers::resting(model, name, why),
        AgentEvent::Pull(state) => pull::event(model, state),
        AgentEvent::Approvals(policy) => answers::approvals(model, policy),
        AgentEvent::Answer(answer) => answers::answer(model, *answer, out),
        AgentEvent::Sandbox(state) => {
            if let SandboxState::Unavailable { reason } = &state {
                said.notice(&format!("python is not available: {reason}"));
            }
            model.status.sandbox = Some(state);
        }
        AgentEvent::TurnStarted { turn, prompt } => {
            let prompt = text::prose(&prompt).into_owned();
            if let Some(at) = model.queued.iter().position(|q| *q == prompt) {
                model.queued.remove(at);
            }
            said.now = said.now.next_turn();
            model.reasoning.transcript.now = said.now;
            said.push(Body::Prompt(prompt));
            model.running = Some(Running {
                turn,
                since: model.clock.now,
                activity: Activity::Waiting,
                interrupting: false,
            });
        }
        AgentEvent::Queued { text } => model.queued.push(text::prose(&text).into_owned()),
        AgentEvent::TakenBack { text } => composer::taken_back(model, text),
        AgentEvent::ShellStarted { run, command } => shell::started(model, run, &command),
        AgentEvent::ShellOutput { run, text } => shell::output(model, run, &text),
        AgentEvent::ShellFinished { run, end, elapsed } => {
            shell::finished(model, run, end, elapsed);
        }
        AgentEvent::Files(list) => {
            let wanted = model.composer.mentions.listed(list, model.clock.now);
            out.effects.extend(wanted.map(Effect::MatchFiles));
        }
        AgentEvent::History(event) => past::event(model, event, out),
        AgentEvent::Prefill { done, total } => activity(model, Activity::Prefill { done, total }),
        AgentEvent::ReasoningDelta(delta) => {
            reasons(model);
            model.reasoning.transcript.reasoning_delta(&delta);
            activity(model, Activity::Thinking);
        }
        AgentEvent::ReasoningDone(whole) => {
            if !whole.trim().is_empty() {
                reasons(model);
            }
            model.reasoning.transcript.reasoning_done(&whole);
        }
        AgentEvent::AnswerDelta(delta) => {
            said.answer_delta(&delta);
            activity(model, Activity::Answering);
            if has_code(&delta) {
                want_colours(model, out);
            }
        }
        AgentEvent::AnswerDone { text, last: _ } => {
            said.answer_done(&text);
            if has_code(&text) {
                want_colours(model, out);
            }
        }
        AgentEvent::ToolCallDelta { call, tool, delta } => {
            said.tool(call, &tool, |card| card.append_arguments(&delta));
            if tool == "apply_patch" {
                want_colours(model, out);
            }
            activity(model, Activity::Writing(text::label(&tool)));
        }
        AgentEvent::ToolStarted {
            call,
            tool,
            arguments,
            summary,
        } => {
            let now = model.clock.now;
            said.tool(call, &tool, |card| {
                card.tool = text::label(&tool);
                card.arguments = text::prose(&arguments).into_owned();
                card.summary = text::label(&summary);
                card.preview = None;
                card.state = ToolState::running(now);
            });
            activity(model, Activity::Tool(text::label(&tool)));
        }
        AgentEvent::ToolOutput { call, text } => {
            said.tool(call, "tool", |card| card.append_output(&text))
        }
        AgentEvent::ToolFinished {
            call,
            status,
            output,
            exit_code,
            elapsed,
        } => {
            said.tool(call, "tool", |card| {
                if card.output.is_empty() {
                    card.append_output(&output);
                }
                card.output.end();
                card.state = ToolState::Done {
                    status,
                    exit_code,
                    elapsed,
                };
            });
            activity(model, Activity::Waiting);
        }
        AgentEvent::ToolUnavailable { tool, reason } => {
            said.problem(&format!(
                "{tool} is not available: {reason}\nthe answer will be incomplete"
            ));
        }
        AgentEvent::ReviewRequested {
            review,
            call: _,
            plan,
        } => {
            let guarded = is_typing(model);
            let mut opened = Review::new(review, plan, model.clock.now, guarded);
            // The layout's cache knows a review by its revision: it goes on from the last review's.
            opened.revision = model.reviewed + 1;
            model.review = Some(opened);
            if model.look.unfocused {
                out.effects.push(Effect::Call("Descant: a review waits"));
            }
            want_colours(model, out);
            out.dirty = Dirty::Now;
        }
        AgentEvent::ReviewDone {
            review,
            mut plan,
            applied,
            declined_hunks,
        } => {
            for file in &mut plan.files {
                // The card shows hunks; the images are the journal's.
                (file.pre, file.post) = (None, None);
            }
            let at = model.decided.iter().position(|(id, _)| *id == review);
            let decisions = at.map(|at| model.decided.remove(at).1);
            said.push(Body::Diff(DiffCard {
                plan,
                decisions,
                checkpoint: applied.map(|a| a.checkpoint),
                declined: declined_hunks,
            }));
            if model.review.as_ref().is_some_and(|r| r.id == review) {
                model.review = None;
            }
            model.composer.mentions.files_changed();
        }
        AgentEvent::Context(told) => model.status.context.tell(told),
        AgentEvent::Generating { tokens, elapsed } => {
            model.status.context.running = tokens;
            if tokens > 1 && !elapsed.is_zero() {
                let speed = tokens as f64 / elapsed.as_secs_f64();
                model.status.tokens_per_second = Some(speed);
            }
        }
        AgentEvent::Generation(usage) => {
            if let Some(speed) = usage.tokens_per_second() {
                model.status.tokens_per_second = Some(speed);
            }
        }
        AgentEvent::TurnDone {
            turn: _,
            usage,
            answered,
        } => {
            if !answered {
                said.problem(NO_ANSWER);
            }
            turn_over(model, usage, "", out);
        }
        AgentEvent::TurnFailed {
            turn: _,
            usage,
            error,
            unavailable: _,
        } => {
            said.problem(&error);
            turn_over(model, usage, "failed after ", out);
        }
        AgentEvent::TurnInterrupted { turn: _, usage } => {
            turn_over(model, usage, "interrupted after ", out)
        }
        AgentEvent::Notice(text) => said.notice(&text),
        AgentEvent::Problem(text) => said.problem(&text),
    }
}

/// An analysis message begins a part of the turn, and the first one its place in the reasoning pane.
fn reasons(model: &mut Model) {
    let (said, thought) = (
        &mut model.conversation.transcript,
        &mut model.reasoning.transcript,
    );
    if thought.reasons() {
        return;
    }
    if !thought.thinks() {
        thought.begin_thought(said.last_prompt());
    }
    said.now = said.now.next_part();
    thought.now = said.now;
}

fn activity(model: &mut Model, activity: Activity) {
    if let Some(running) = &mut model.running {
        running.activity = activity;
    }
}

/// Said once: it comes back to itself when another model cannot be loaded.
const DEMO: &str = "this is the built-in demo model: it changes, creates, deletes and shows small files, renames, and computes\n\
     for real work get GPT-OSS: descant models pull gpt-oss-20b, then descant -m gpt-oss-20b (needs a build with Metal or CUDA)";

/// A fence stands in it.
fn has_code(text: &str) -> bool {
    text.contains("```") || text.contains("~~~")
}

fn model_ready(model: &mut Model, info: EngineInfo) {
    let demo = info.profile == PromptProfile::Demo;
    let told = |cell: &Cell| matches!(&cell.body, Body::Notice(text) if text == DEMO);
    if demo && !model.conversation.transcript.cells().iter().any(told) {
        model.conversation.transcript.notice(DEMO);
    }
    let protocol = info.protocol.map(Protocol::short);
    // The built-in one; a server that has the demo is a server.
    let demo = demo && protocol.is_none();
    let name = if demo {
        "demo model".to_owned()
    } else {
        text::label(&info.name)
    };
    model.status.model = ModelState::Ready {
        name,
        demo,
        protocol,
    };
    model.status.context.told.limit = Some(info.context_length);
}

fn turn_over(model: &mut Model, usage: Usage, how: &str, out: &mut Update) {
    model.conversation.transcript.close_open();
    model.reasoning.transcript.close_open();
    // A turn that is over waits for nobody.
    model.review = None;
    out.effects.push(Effect::LookAtGit);
    if model.look.unfocused && !model.running.as_ref().is_some_and(|r| r.interrupting) {
        out.effects.push(Effect::Call("Descant: the turn is over"));
    }
    if let Some(running) = model.running.take() {
        let elapsed = model.clock.now.saturating_sub(running.since);
        // Not under the eyes of somebody who reads it.
        let fold = model.reasoning.follows() && model.look.focus != Focus::Reasoning;
        model
            .reasoning
            .transcript
            .end_thought(elapsed, usage.reasoning_tokens, fold);
        let aside = cost(how, elapsed, usage);
        model.conversation.transcript.push(Body::Aside(aside));
    }
}

/// What a turn took.
pub(super) fn cost(how: &str, elapsed: Duration, usage: Usage) -> String {
    let mut aside = format!("{how}{}", cells::duration(elapsed));
    if usage.generated_tokens > 0 {
        aside.push_str(&format!(" \u{b7} {} tokens", usage.generated_tokens));
        if usage.reasoning_tokens > 0 {
            aside.push_str(&format!(", {} of them reasoning", usage.reasoning_tokens));
        }
    }
    aside
}
