//! Answers to what the user asked about the program, as text that is read from its beginning.

use crate::agent::{AgentEvent, Answer, Facts, Past, Restored};
use crate::patch::{OverallFile, Since};
use crate::tui::meter::Meter;
use crate::tui::render::diff;
use crate::tui::update::answers::report;
use crate::tui::update::past::counted;

pub fn words(answer: &Answer) -> String {
    match answer {
        Answer::Models(models) => {
            let lines = models.iter().map(|m| format!("{}: {}", m.name, m.place));
            let lines: Vec<String> = lines.collect();
            format!(
                "Models on this machine; /model and a name goes on with it.\n{}",
                lines.join("\n")
            )
        }
        Answer::Changes(Ok(overall)) if overall.files.is_empty() => {
            "This conversation has changed no files.".to_owned()
        }
        Answer::Changes(Ok(overall)) => {
            let files: Vec<String> = overall.files.iter().map(file).collect();
            files.join("\n")
        }
        Answer::Changes(Err(problem)) => format!("Problem: {problem}"),
        Answer::Facts(facts) => self::facts(facts),
        Answer::Checkup(checks) => report(checks),
    }
}

/// A conversation from its beginning: how long it is, and the last of it.
pub fn restored(restored: &Restored) -> String {
    let (mut asked, mut messages, mut answer) = (None, 0, None);
    for past in &restored.past {
        match past {
            Past::Event(AgentEvent::TurnStarted { prompt, .. }) => {
                (asked, answer) = (Some(prompt), None);
                messages += 1;
            }
            Past::Event(AgentEvent::AnswerDone { text, .. }) => answer = Some(text),
            Past::Event(_) | Past::Reviewed { .. } | Past::Ended { .. } => {}
        }
    }
    let Some(asked) = asked else {
        return "The conversation is at its beginning.".to_owned();
    };
    let messages = counted(messages, "message");
    let mut out = format!("The conversation goes on: {messages}. Your last message: {asked}");
    if let Some(answer) = answer {
        out.push_str(&format!("\nThe last answer:\n{}", answer.trim_end()));
    }
    out
}

/// What fills the context, in words.
pub fn context(meter: &Meter) -> String {
    let parts = meter.parts();
    let parts: Vec<String> = parts
        .iter()
        .map(|(_, name, tokens)| format!("{name} {tokens}"))
        .collect();
    format!(
        "Context: {}. Of them: {}",
        meter.summary(),
        parts.join(", ")
    )
}

fn file(file: &OverallFile) -> String {
    let since = match file.since {
        Since::AsWritten => "",
        Since::Edited => ", changed by somebody else too, shown as it is now",
        Since::Back => ", as it was before this conversation",
    };
    let note = file
        .note
        .as_deref()
        .map_or_else(String::new, |note| format!(", {note}"));
    let title = diff::file_title(&file.plan);
    format!(
        "{title}{since}{note}.\n{}",
        file.plan.unified_diff().trim_end()
    )
}

fn facts(facts: &Facts) -> String {
    let session = match &facts.session {
        Some(file) => format!("{}, in {}", file.id, file.path.display()),
        None => "not recorded".to_owned(),
    };
    let journal = match &facts.journal {
        Ok((folder, bytes)) => format!("{} KiB in {}", bytes.div_ceil(1024), folder.display()),
        Err(problem) => problem.clone(),
    };
    format!(
        "Workspace: {}\nConversation: {session}\nPatches applied in it: {}\nJournal: {journal}",
        facts.workspace.display(),
        facts.patches
    )
}
