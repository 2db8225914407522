//! `descant doctor`: what works on this machine, what is missing, and what to do about it.

use super::Setup;
use crate::agent::Check;
use crate::cli::exit::Exit;
use crate::cli::output::{Style, paint, stdout_text};
use crate::engine::models::{ModelSource, resolve};
use crate::sandbox::ImageWish;
use crate::text;
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

/// The engine, the image and the interpreter in it.
async fn container(setup: &Setup) -> Vec<Check> {
    let cancel = CancellationToken::new();
    let started = super::parts::start_sandbox(setup, ImageWish::Local, |_| {}, &cancel).await;
    let sandbox = match started {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let text = error.to_string();
            let (detail, hint) = text.split_once('\n').unwrap_or((&text, ""));
            return vec![bad("python", detail, hint.trim())];
        }
    };
    let report = sandbox.report();
    sandbox.stop().await;
    let engine = match report.missing.as_slice() {
        [] => good("engine", &report.engine),
        missing => bad(
            "engine",
            format!("{}: no {}", report.engine, missing.join(", no ")),
            "the engine cannot enforce this; docs/sandbox.md says what that means",
        ),
    };
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
    vec![engine, shown, good("python", &report.python)]
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
    let wanted = setup.model();
    checks.push(match resolve(&wanted, &setup.places) {
        Ok(ModelSource::Demo) => good("model", "demo (built in)"),
        Ok(ModelSource::Folder(path) | ModelSource::Scripted(path)) => {
            good("model", format!("{wanted}: {}", path.display()))
        }
        Err(error) => {
            let text = error.to_string();
            let (detail, hint) = text.split_once('\n').unwrap_or((&text, ""));
            bad("model", detail, hint.trim())
        }
    });
    checks.extend(container(setup).await);
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
