//! Answers to what the user asked about the program, taken into the model.

use super::choices;
use super::review::want_colours;
use crate::agent::{Answer, ApprovalPolicy, Check, Facts, Rest, SandboxState};
use crate::config::Asking;
use crate::patch::Overall;
use crate::text;
use crate::tui::meter::Meter;
use crate::tui::model::{Model, ModelState, Update};
use crate::tui::overlay::Overlay;
use crate::tui::overlay::changes::Changes;

pub(super) fn answer(model: &mut Model, answer: Answer, out: &mut Update) {
    match answer {
        Answer::Models(models) => choices::open_models(model, models),
        Answer::Changes(Ok(overall)) => changes(model, overall, out),
        Answer::Changes(Err(problem)) => model.conversation.transcript.problem(&problem),
        Answer::Facts(facts) => {
            let told = status(model, &facts);
            model.conversation.transcript.notice(&told);
        }
        Answer::Checkup(checks) => model.conversation.transcript.notice(&report(&checks)),
    }
}

/// Opens the screen, or brings an open one up to date where it stands.
fn changes(model: &mut Model, overall: Overall, out: &mut Update) {
    want_colours(model, out);
    let mut opened = Changes::new(overall);
    if let Some(Overlay::Changes(open)) = &mut model.overlay {
        opened.scroll = open.scroll;
        opened.search = std::mem::take(&mut open.search);
    }
    model.overlay = Some(Overlay::Changes(Box::new(opened)));
}

pub(super) fn switching(model: &mut Model, name: String) {
    model.status.model = ModelState::Loading {
        name,
        progress: None,
    };
}

/// Said where the user did not do it.
pub(super) fn resting(model: &mut Model, name: String, why: Rest) {
    let told = match why {
        Rest::FirstUse => None,
        Rest::Idle(after) => {
            let minutes = after.as_secs() / 60;
            let s = if minutes == 1 { "" } else { "s" };
            let name = text::label(&name);
            Some(format!(
                "{name} was not used for {minutes} minute{s} and is let go"
            ))
        }
        Rest::MemoryShort => Some(format!("memory is short: {} is let go", text::label(&name))),
    };
    if let Some(told) = told {
        let rest = "the conversation stays; the next message loads it again";
        model
            .conversation
            .transcript
            .notice(&format!("{told}\n{rest}"));
    }
    model.status.model = ModelState::Resting { name };
}

pub(super) fn approvals(model: &mut Model, policy: ApprovalPolicy) {
    model.status.approvals = policy;
    let told = choices::policy_in_words(policy);
    model.conversation.transcript.notice(&told);
}

fn lines(rows: &[(&str, String)]) -> String {
    let rows = rows
        .iter()
        .map(|(name, value)| format!("{name:<10} {value}"));
    rows.collect::<Vec<_>>().join("\n")
}

fn status(model: &Model, facts: &Facts) -> String {
    let status = &model.status;
    let engine = match &status.model {
        ModelState::Loading { name, .. } => format!("{name}, loading"),
        ready @ ModelState::Ready { .. } => ready.shown(),
        ModelState::Failed { name } => format!("{name}, failed to load"),
        ModelState::Resting { name } => format!("{name}, loaded with the next message"),
    };
    let context = context(&status.context);
    let container = match &status.sandbox {
        None | Some(SandboxState::Starting) => "starting".to_owned(),
        Some(SandboxState::Fetching(progress)) => progress.to_string(),
        Some(SandboxState::Ready { description }) => description.clone(),
        Some(SandboxState::Unavailable { reason }) => format!("not available: {reason}"),
    };
    let folder = facts.workspace.display();
    let workspace = match &status.branch {
        Some(branch) => format!("{folder} on {branch}"),
        None => folder.to_string(),
    };
    let notes = match facts.context_files.as_slice() {
        [] => "no AGENTS.md".to_owned(),
        files => files.join(", "),
    };
    let session = match &facts.session {
        Some(file) => format!("{}\n{:<11}{}", file.id, "", file.path.display()),
        None => "not recorded".to_owned(),
    };
    let patches = match facts.patches {
        1 => "1 patch".to_owned(),
        n => format!("{n} patches"),
    };
    let journal = match &facts.journal {
        Ok((folder, bytes)) => {
            format!("{} KiB in {}", bytes.div_ceil(1024), folder.display())
        }
        Err(problem) => problem.clone(),
    };
    lines(&[
        ("model", engine),
        ("effort", status.effort.as_str().to_owned()),
        ("sampling", sampling(&facts.asking)),
        ("context", context),
        (
            "approvals",
            choices::policy_in_words(status.approvals).replacen("approvals: ", "", 1),
        ),
        ("container", container),
        ("workspace", workspace),
        ("notes", notes),
        ("session", session),
        ("changes", format!("{patches} in this conversation (/diff)")),
        ("journal", journal),
    ])
}

/// What differs from OpenAI's recommendation, after the temperature.
fn sampling(asking: &Asking) -> String {
    let usual = Asking::default().rows();
    let rows = asking.rows().into_iter().enumerate();
    let told = rows
        .filter(|(at, row)| *at == 0 || !usual.contains(row))
        .map(|(_, (key, value))| format!("{key} {value}"));
    format!("{} (/sampling)", told.collect::<Vec<_>>().join(", "))
}

/// The tokens, a bar of them, and a line for each part.
fn context(meter: &Meter) -> String {
    let mut out = meter.summary();
    let bar = meter.bar();
    let parts = meter.parts();
    let widest = parts.iter().map(|(_, name, _)| name.len()).max();
    let parts = parts.iter().map(|(sign, name, tokens)| {
        format!(
            "{sign} {name:<width$} {tokens:>7}",
            width = widest.unwrap_or(0)
        )
    });
    for line in bar.into_iter().chain(parts) {
        out.push_str(&format!("\n{:<11}{line}", ""));
    }
    out
}

pub fn report(checks: &[Check]) -> String {
    let mut out = Vec::new();
    for check in checks {
        let mark = if check.ok { "ok" } else { "--" };
        out.push(format!(
            "{mark} {:<12} {}",
            check.name,
            text::prose(&check.detail)
        ));
        if let Some(hint) = &check.hint {
            out.push(format!("{:<15} {}", "", text::prose(hint)));
        }
    }
    out.join("\n")
}
