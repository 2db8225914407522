//! `descant doctor`: what works on this machine, what is missing, and what to do about it.

mod machine;

use super::Setup;
use crate::agent::Check;
use crate::cli::exit::Exit;
use crate::cli::output::{Style, paint, stdout_text};
use crate::engine::models::{ModelSource, resolve};
use crate::sandbox::{ImageWish, Report};
use crate::text;
use crate::tools::python::Interpreter;
use tokio_util::sync::CancellationToken;

fn good(name: &'static str, detail: impl Into<String>) -> Check {
    Check {
        name,
        ok: true,
        detail: detail.into(),
        hint: None,
    }
}

fn bad(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Check {
    Check {
        name,
        ok: false,
        detail: detail.into(),
        hint: Some(hint.into()),
    }
}

/// Looks and reports. Exit 0 also when something is missing: nothing but the report was asked for.
///
/// # Errors
/// When stdout fails.
pub async fn run(setup: &Setup, json: bool) -> anyhow::Result<Exit> {
    let checks = checks(setup).await;
    if json {
        let report = serde_json::json!({ "checks": checks }).to_string();
        stdout_text(&format!("{}\n", text::json(&report)))?;
        return Ok(Exit::Done);
    }
    let color = setup.streams.stdout_color;
    for check in &checks {
        let mark = if check.ok {
            paint(color, Style::Green, "ok ")
        } else {
            paint(color, Style::Red, "-- ")
        };
        stdout_text(&format!(
            "{mark} {:<12} {}\n",
            check.name,
            text::visible(&check.detail)
        ))?;
        if let Some(hint) = &check.hint {
            stdout_text(&format!("    {:<12} {}\n", "", text::visible(hint)))?;
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn checks(setup: &Setup) -> Vec<Check> {
    let mut checks = vec![good("version", env!("CARGO_PKG_VERSION"))];
    let features: Vec<&str> = [
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(feature = "metal"), "metal"),
        (cfg!(feature = "flash-attn"), "flash-attn"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    checks.push(if features.is_empty() {
        bad(
            "acceleration",
            "none compiled in; GPT-OSS cannot run in process",
            "build with --features cuda or --features metal",
        )
    } else {
        good("acceleration", features.join(", "))
    });
    let here = setup.clone();
    match tokio::task::spawn_blocking(move || machine::checks(&here)).await {
        Ok(found) => checks.extend(found),
        Err(error) => checks.push(bad(
            "device",
            format!("not looked at: {error}"),
            "this is our bug: report it",
        )),
    }
    let wanted = setup.model();
    checks.push(match resolve(&wanted, &setup.places) {
        Ok(ModelSource::Demo) => good("model", "demo (built in)"),
        Ok(ModelSource::Folder(path) | ModelSource::Scripted(path)) => {
            good("model", format!("{wanted}: {}", path.display()))
        }
        Ok(ModelSource::Server(target)) => super::servers::check(setup, *target).await,
        Err(error) => {
            let text = error.to_string();
            let (detail, hint) = text.split_once('\n').unwrap_or((&text, ""));
            bad("model", detail, hint.trim())
        }
    });
    checks.extend(container(setup).await);
    checks.extend(super::trust::check(&setup.settings));
    let root = setup.workspace.root().display();
    checks.push(if setup.workspace.is_git() {
        good("workspace", format!("{root} (git)"))
    } else {
        good(
            "workspace",
            format!("{root} (no git; edits can be undone all the same)"),
        )
    });
    checks.push(good(
        "config",
        setup.paths.config_file().display().to_string(),
    ));
    checks.push(good("state", setup.paths.state.display().to_string()));
    checks
}

/// The engine, its image, Python, and the shell with the way its view of the folder is made.
async fn container(setup: &Setup) -> Vec<Check> {
    let split = |text: &str| {
        let (detail, hint) = text.split_once('\n').unwrap_or((text, ""));
        (detail.to_owned(), hint.trim().to_owned())
    };
    let cancel = CancellationToken::new();
    let started = super::parts::start_sandbox(setup, ImageWish::Local, |_| {}, &cancel).await;
    let bench = match started {
        Ok(bench) => bench,
        Err(error) => {
            let (detail, hint) = split(&error.to_string());
            return ["python", "shell"]
                .map(|name| bad(name, detail.clone(), hint.clone()))
                .into();
        }
    };
    let sandbox = bench.sandbox();
    let python = good("python", &sandbox.report().python);
    let shell = match sandbox.view() {
        Ok(way) => {
            let why = sandbox.view_note().map(split);
            let why = why.map_or_else(String::new, |(why, _)| format!(" ({why})"));
            let ran = sandbox
                .run_command("true", |_| {}, &CancellationToken::new())
                .await;
            match ran {
                Ok(_) => good("shell", format!("bash, /workspace as {}{why}", way.name())),
                Err(error) => {
                    let (detail, hint) = split(&error.to_string());
                    bad("shell", detail, hint)
                }
            }
        }
        Err(reason) => {
            let (detail, hint) = split(reason);
            bad("shell", detail, hint)
        }
    };
    let suggestion = super::project::suggestion(&setup.workspace, &setup.config.sandbox.image);
    let report = sandbox.report();
    let (engine, image) = (engine(report), image(report));
    bench.stop().await;
    let shell = Check {
        hint: shell.hint.or(suggestion),
        ..shell
    };
    vec![engine, image, python, shell]
}

fn engine(report: &Report) -> Check {
    match report.missing.as_slice() {
        [] => good("engine", &report.engine),
        missing => bad(
            "engine",
            format!("{}: no {}", report.engine, missing.join(", no ")),
            "not enforced here; docs/sandbox.md says what that means",
        ),
    }
}

fn image(report: &Report) -> Check {
    let image = &report.image;
    let digest = image.digest.as_deref().unwrap_or(&image.id);
    let since = match &image.pinned {
        Some(day) => format!(", pinned on {day}"),
        None => ", not pinned".to_owned(),
    };
    let mut shown = good("image", format!("{}: {digest}{since}", image.name));
    if let Some(now) = &image.moved {
        shown.hint = Some(format!(
            "the name stands for {now} now; `descant python --pin` takes that one"
        ));
    }
    shown
}
