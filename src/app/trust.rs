//! A repository's own settings: read, and used only after the user agreed to these very bytes.

use super::{Setup, config};
use crate::agent::{ApprovalPolicy, Check, Settled};
use crate::cli::confirm;
use crate::cli::output::stderr_line;
use crate::config::{Approvals, Asking, Config, PROJECT_FILE, PROJECT_LIMIT, Project, Trust};
use crate::text;
use crate::workspace::{Workspace, WorkspaceError, WorkspacePath};
use anyhow::Context;
use std::path::Path;

/// What a repository brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Settings {
    None,
    /// The user agreed.
    Used(Project),
    /// The user declined.
    Left(Project),
    /// The user was not asked yet.
    Undecided(Project),
    /// They cannot be used, whatever the user says; why.
    Unusable(String),
}

impl Settings {
    /// `users`: the user's own configuration. Nothing is followed, nothing but the one file is read.
    pub(super) fn look(state: &Path, workspace: &Workspace, users: &Config) -> Settings {
        let Ok(path) = WorkspacePath::parse(PROJECT_FILE) else {
            return Settings::None;
        };
        let bytes = match workspace.read_up_to(&path, PROJECT_LIMIT) {
            Ok(content) => content.bytes,
            Err(WorkspaceError::NotFound { .. }) => return Settings::None,
            Err(error) => return Settings::Unusable(error.to_string()),
        };
        match Project::read(workspace.root(), &bytes, users) {
            Err(reason) => Settings::Unusable(format!("{PROJECT_FILE}: {reason}")),
            Ok(project) => match Trust::new(state).of(&project.hash) {
                Some(true) => Settings::Used(project),
                Some(false) => Settings::Left(project),
                None => Settings::Undecided(project),
            },
        }
    }

    /// What counts of them.
    pub(super) fn used(&self) -> Option<&Project> {
        match self {
            Settings::Used(project) => Some(project),
            Settings::None | Settings::Left(_) | Settings::Undecided(_) | Settings::Unusable(_) => {
                None
            }
        }
    }

    /// What the user can still decide about.
    pub(super) fn project(&self) -> Option<&Project> {
        match self {
            Settings::Used(project) | Settings::Left(project) | Settings::Undecided(project) => {
                Some(project)
            }
            Settings::None | Settings::Unusable(_) => None,
        }
    }
}

/// The line of `doctor`; none where the repository brings nothing.
pub(super) fn check(settings: &Settings) -> Option<Check> {
    let (ok, detail, hint) = match settings {
        Settings::None => return None,
        Settings::Used(project) => (true, project.sets.join(", "), None),
        Settings::Left(_) => (true, "left out, as you said".to_owned(), None),
        Settings::Undecided(_) => (
            false,
            format!("{PROJECT_FILE} is not used: you were not asked yet"),
            Some("/trust in the interface shows what it says and asks".to_owned()),
        ),
        Settings::Unusable(reason) => (
            false,
            format!("not used: {reason}"),
            Some(format!("mend or remove {PROJECT_FILE}")),
        ),
    };
    Some(Check {
        name: "settings",
        ok,
        detail,
        hint,
    })
}

/// What they would do and what they may not, for the user to decide.
pub(super) fn listed(project: &Project) -> String {
    let mut out = format!("This repository brings settings of its own ({PROJECT_FILE}):");
    let mut add = |line: &str| {
        out.push_str("\n  ");
        out.push_str(&text::label(line));
    };
    for line in &project.sets {
        add(line);
    }
    if project.sets.is_empty() {
        add("nothing that it may set");
    }
    for line in &project.refused {
        add(&format!("left out in any case: {line}"));
    }
    out
}

/// Before a turn without the interface: asks on a terminal, and says so where nobody can be asked.
pub(super) fn before_once(setup: &mut Setup, json: bool) -> anyhow::Result<()> {
    let project = match &setup.settings {
        Settings::Undecided(project) => project.clone(),
        Settings::Unusable(reason) => {
            stderr_line(&text::visible(&format!(
                "descant: the settings of this repository are not used: {reason}"
            )));
            return Ok(());
        }
        Settings::None | Settings::Used(_) | Settings::Left(_) => return Ok(()),
    };
    let streams = setup.streams;
    if !(streams.stdin_terminal && streams.stderr_terminal) || json {
        stderr_line(&format!(
            "descant: the settings of this repository ({PROJECT_FILE}) are not used: nobody has agreed to them yet\n  \
             to be asked, run descant here on a terminal"
        ));
        return Ok(());
    }
    stderr_line(&listed(&project));
    let uses = confirm::on_terminal("Use them from now on, until the file changes?")?;
    settle(setup, &project, uses).map_err(|error| anyhow::anyhow!(error))?;
    if uses {
        setup.config = config(&setup.args, &setup.paths, Some(&project))?;
        setup.places.servers.offline = setup.config.offline;
        setup.settings = Settings::Used(project);
    }
    Ok(())
}

/// Remembers what the user said, and gives what it changes at once.
pub(super) fn settle(setup: &Setup, project: &Project, uses: bool) -> Result<Settled, String> {
    Trust::new(&setup.paths.state)
        .say(&project.hash, setup.workspace.root(), uses)
        .context("it cannot be remembered, so they are not used")
        .map_err(|error| format!("{error:#}"))?;
    if !uses {
        return Ok(Settled::default());
    }
    let now = &setup.config;
    let new =
        config(&setup.args, &setup.paths, Some(project)).map_err(|error| error.to_string())?;
    let asking = (Asking::of(now), Asking::of(&new));
    Ok(Settled {
        effort: (new.effort != now.effort).then_some(new.effort),
        approvals: (new.approvals != now.approvals).then_some(policy(new.approvals)),
        asking: (asking.0 != asking.1).then_some(asking.1),
        later: new.offline != now.offline || new.sandbox != now.sandbox,
    })
}

pub(super) fn policy(approvals: Approvals) -> ApprovalPolicy {
    match approvals {
        Approvals::Ask => ApprovalPolicy::Review,
        Approvals::Auto => ApprovalPolicy::ApplyAll,
        Approvals::None => ApprovalPolicy::ProposeOnly,
    }
}
