//! Downloads of models, and the question what to go on with: `/pull`, the list of a download that runs, the first start
//! without a model, a model that does not fit.

use super::{choices, command};
use crate::agent::{AgentCommand, EngineError, PullProgress, PullState, PullStep};
use crate::text;
use crate::tui::command::Command;
use crate::tui::model::{Effect, Focus, Model, Update};
use crate::tui::picker::{Picked, Picker, Row, Subject};

/// The models that are offered by name, with what they take.
const OFFERED: [(&str, &str); 2] = [
    (
        "gpt-oss-20b",
        "13.8 GB; needs 16 GB of GPU or unified memory",
    ),
    (
        "gpt-oss-120b",
        "65.2 GB; needs 80 GB of GPU or unified memory",
    ),
];

/// What the words after `/pull` ask for.
pub fn meant(words: &str) -> PullStep {
    match words.trim() {
        "yes" => PullStep::Go,
        "cancel" => PullStep::Cancel,
        name => PullStep::Ask(name.to_owned()),
    }
}

/// What can be downloaded, or how far the download is.
pub(super) fn open(model: &mut Model) {
    let rows = match &model.pull {
        Some(progress) => running(progress),
        None => downloads(),
    };
    let title = match &model.pull {
        Some(progress) => format!("Downloading {}", progress.repo),
        None => "Download a model from the hub (/pull ORG/NAME takes any)".to_owned(),
    };
    model.picker = Some(Picker::new(Subject::Pull, &title, rows));
}

fn downloads() -> Vec<Row> {
    let row = |(name, doc): (&str, &str)| Row::new(format!("pull {name}"), name, doc);
    OFFERED.map(row).into()
}

fn running(progress: &PullProgress) -> Vec<Row> {
    let mut rows = vec![
        Row::new("close", &progress.in_words(), ""),
        Row::new(
            "close",
            &format!(
                "file {} of {}: {}",
                progress.number, progress.files, progress.file
            ),
            "",
        ),
    ];
    rows.push(Row::new(
        "cancel",
        "cancel",
        "stop it; what is there is kept, and /pull goes on with it",
    ));
    rows
}

pub(super) fn event(model: &mut Model, state: PullState) {
    match state {
        PullState::Offered { name, words } => {
            model.conversation.transcript.notice(&words);
            let missing = words.lines().next().unwrap_or_default();
            let rows = vec![
                Row::new("yes", "download it", missing),
                Row::new("cancel", "leave it", "nothing is downloaded"),
            ];
            let title = format!("Download {}?", text::label(&name));
            // A list that is open keeps the keys; `/pull yes` says the same.
            if model.picker.is_none() {
                model.picker = Some(Picker::new(Subject::Pull, &title, rows));
            } else {
                let told = "/pull yes downloads it, /pull cancel leaves it";
                model.conversation.transcript.notice(told);
            }
        }
        PullState::Progress(progress) => {
            let was_running = model.pull.is_some();
            if let Some(picker) = &mut model.picker
                && picker.subject == Subject::Pull
                && was_running
            {
                picker.set_rows(running(&progress));
            }
            model.pull = Some(progress);
        }
        PullState::Over => {
            model.pull = None;
            if model
                .picker
                .as_ref()
                .is_some_and(|p| p.subject == Subject::Pull)
            {
                model.picker = None;
            }
        }
    }
}

/// The first start without a model.
pub fn open_start(model: &mut Model) {
    let mut rows: Vec<Row> = OFFERED
        .iter()
        .map(|(name, doc)| Row::new(format!("pull {name}"), &format!("download {name}"), doc))
        .collect();
    rows.extend(elsewhere());
    rows.push(Row::new(
        "demo",
        "the demo model",
        "built in: small requests on small files; do not ask again",
    ));
    let title = "No model is on this machine yet. What to work with?";
    model.picker = Some(Picker::new(Subject::Start, title, rows));
}

/// A model that does not fit; the table is in the conversation.
pub(super) fn open_shortage(model: &mut Model, error: &EngineError) {
    let EngineError::NotEnoughMemory(short) = error else {
        return;
    };
    let name = model.status.model.name().to_owned();
    let mut rows = Vec::new();
    if let Some(tokens) = short.fits {
        let what = format!("a context of {tokens} tokens");
        rows.push(Row::new(
            format!("context {tokens}"),
            &what,
            "fits; until this session ends",
        ));
    }
    rows.push(Row::new(
        "again",
        "try again",
        "after other programs were closed",
    ));
    rows.push(Row::new(
        "models",
        "another model",
        "from those on this machine",
    ));
    rows.extend(elsewhere());
    let title = format!("{} does not fit. What to work with?", text::label(&name));
    if model.picker.is_none() {
        model.picker = Some(Picker::new(Subject::Start, &title, rows));
    }
}

fn elsewhere() -> [Row; 2] {
    [
        Row::new(
            "folder",
            "a folder",
            "a checkpoint that is on this machine already",
        ),
        Row::new(
            "server",
            "a server",
            "llama.cpp, vLLM, Ollama, LM Studio and others",
        ),
    ]
}

pub(super) fn picked(model: &mut Model, picked: Picked, out: &mut Update) {
    let Some(id) = choices::chosen(model, picked) else {
        return;
    };
    let (what, of) = id.split_once(' ').unwrap_or((&id, ""));
    let mut pull = |step| out.effects.push(Effect::Agent(AgentCommand::Pull(step)));
    match what {
        "pull" => pull(PullStep::Ask(of.to_owned())),
        "yes" => pull(PullStep::Go),
        "cancel" => pull(PullStep::Cancel),
        "folder" => {
            model.conversation.transcript.notice(
                "type the folder after /model: one with config.json, tokenizer.json and safetensors",
            );
            model.composer.replace("/model ~/");
            model.look.focus = Focus::Composer;
        }
        "server" => model
            .conversation
            .transcript
            .notice("leave, and start with its address: descant --server URL"),
        "demo" => {
            out.effects.push(Effect::KeepModel("demo"));
            command::run(model, Command::Model(Some("demo".to_owned())), out);
        }
        "models" => command::run(model, Command::Model(None), out),
        "again" | "context" => {
            if let Ok(tokens) = of.parse() {
                out.effects
                    .push(Effect::Agent(AgentCommand::SetContext(tokens)));
            }
            let name = model.status.model.name().to_owned();
            command::run(model, Command::Model(Some(name)), out);
        }
        _ => {}
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use crate::agent::{AgentEvent, PullStage};
    use crate::tui::testing::Session;
    use std::time::Duration;

    fn progress(done: u64) -> PullProgress {
        PullProgress {
            repo: "openai/gpt-oss-20b".into(),
            stage: PullStage::Downloading,
            done,
            total: 13_800_000_000,
            speed: Some(85_300_000.0),
            left: Some(Duration::from_secs(94)),
            file: "model-00000-of-00002.safetensors".into(),
            number: 1,
            files: 9,
            note: None,
        }
    }

    fn rows(session: &Session) -> Vec<String> {
        let picker = session.model.picker.as_ref().unwrap();
        picker.shown().map(|row| row.text.clone()).collect()
    }

    #[test]
    fn a_download_is_offered_shown_and_stopped() {
        let mut session = Session::new(100, 30);
        session.keys("/pull gpt-oss-20b<Enter>");
        assert_eq!(session.took(), ["pull(ask(\"gpt-oss-20b\"))"]);
        session.agent(AgentEvent::Pull(PullState::Offered {
            name: "gpt-oss-20b".into(),
            words: "openai/gpt-oss-20b at main: 9 files, 13.8 GB\ninto /cache".into(),
        }));
        assert_eq!(rows(&session), ["download it", "leave it"]);
        session.keys("<Enter>");
        assert_eq!(session.took(), ["pull(go)"]);
        session.agent(AgentEvent::Pull(PullState::Progress(progress(
            5_796_000_000,
        ))));
        let screen = session.screen();
        assert!(
            screen.contains("42% of 13.8 GB, 85.3 MB/s, 1:34 left"),
            "{screen}"
        );
        session.keys("/pull<Enter>");
        session.agent(AgentEvent::Pull(PullState::Progress(progress(
            6_900_000_000,
        ))));
        assert!(
            rows(&session)[0].starts_with("50% of 13.8 GB"),
            "{:?}",
            rows(&session)
        );
        session.keys("cancel<Enter>");
        assert_eq!(session.took(), ["pull(cancel)"]);
        session.agent(AgentEvent::Pull(PullState::Over));
        assert!(session.model.pull.is_none() && !session.screen().contains("50%"));
    }

    #[test]
    fn the_first_start_offers_four_ways() {
        let mut session = Session::new(100, 30);
        open_start(&mut session.model);
        assert_eq!(
            rows(&session),
            [
                "download gpt-oss-20b",
                "download gpt-oss-120b",
                "a folder",
                "a server",
                "the demo model"
            ]
        );
        session.keys("<Enter>");
        assert_eq!(session.took(), ["pull(ask(\"gpt-oss-20b\"))"]);
        open_start(&mut session.model);
        session.keys("folder<Enter>");
        assert_eq!(session.model.composer.text(), "/model ~/");
        session.model.composer.clear();
        open_start(&mut session.model);
        session.keys("demo<Enter>");
        assert_eq!(
            session.took(),
            ["keepmodel(\"demo\")", "switchmodel(\"demo\")"]
        );
    }
}
