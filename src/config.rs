//! Configuration: which folders are ours, and what the config file, the environment and the flags say.
//!
//! Layers, strongest first: flags (`-c key=value` and the named ones), `DESCANT_*` variables, the repository's
//! `.descant/config.toml` where the user agreed to it (`project`), the user's `config.toml`, the defaults here.
//! Nothing else in the crate reads the environment. A new key is one field here and one row of [`KEYS`].

mod edit;
mod keys;
mod layers;
mod paths;
mod project;
mod sampling;
mod servers;
mod trust;
mod ui;

pub use edit::set;
pub use keys::{KeySetting, Meant};
pub use layers::{ConfigError, Layers};
pub use paths::{Paths, create_private_dir};
pub use project::{PROJECT_FILE, PROJECT_LIMIT, Project};
pub use sampling::{Asking, CompactSettings, SamplingConfig};
pub use servers::{ProtocolSetting, SERVER_KEYS, ServerSettings};
pub use trust::Trust;
pub use ui::{Notify, UiSettings};

use crate::conversation::Effort;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Every key a user may set, with what it means. A test holds `docs/guide.md` to it.
pub const KEYS: &[(&str, &str)] = &[
    (
        "model",
        "model to run: auto, demo, gpt-oss-20b, gpt-oss-120b, a hub id, or a checkpoint folder",
    ),
    (
        "server",
        "a model server in place of a model in process: its URL, or NAME of [servers.NAME]; none",
    ),
    ("effort", "reasoning effort: low, medium, high"),
    (
        "approvals",
        "patches in the interface: ask (review), auto (apply unreviewed), none (only propose)",
    ),
    (
        "theme",
        "auto, a built-in theme (docs/themes.md), plain, or one of your own in themes/",
    ),
    (
        "context",
        "tokens of context to reserve memory for; unset: the longest that fits",
    ),
    (
        "engine.load",
        "when the model is loaded: start (with the program), first-use (with the first message)",
    ),
    (
        "engine.unload_after_min",
        "minutes without use after which the model is let go until the next message; 0 is never",
    ),
    ("max_output_tokens", "most tokens of one generation"),
    (
        "offline",
        "true forbids every connection but to servers on this machine, also those asked for by name",
    ),
    (
        "sampling.temperature",
        "0 is greedy; OpenAI recommends 1.0 for GPT-OSS",
    ),
    ("sampling.top_p", "nucleus sampling, 0 < p <= 1"),
    (
        "sampling.min_p",
        "drop tokens less likely than this share of the likeliest",
    ),
    (
        "sampling.seed",
        "the same seed and prompt give the same answer",
    ),
    (
        "sampling.grammar",
        "false: the model may say what does not parse, and patches that fit no file",
    ),
    (
        "sampling.reasoning_budget",
        "tokens of reasoning before each answer or tool call; 0 is no limit",
    ),
    (
        "sampling.repetition_guard",
        "an answer ends when its last tokens, so many, only repeat themselves; 0 is never",
    ),
    (
        "sampling.stop",
        "texts at which the answer ends, e.g. [\"</answer>\"]; at most 4",
    ),
    ("sandbox.enabled", "false: never offer python and shell"),
    ("sandbox.image", "container image with python3 in it"),
    (
        "sandbox.memory_mib",
        "memory of the container, swap included",
    ),
    ("sandbox.pids", "processes and threads in the container"),
    ("sandbox.cpus", "CPUs the container may use"),
    ("sandbox.timeout_s", "wall-clock seconds of one cell"),
    ("sandbox.output_kib", "output kept of one cell"),
    (
        "sandbox.shell_timeout_s",
        "wall-clock seconds of one shell command",
    ),
    (
        "sandbox.disk_mib",
        "room for what commands write below /workspace",
    ),
    (
        "sandbox.view",
        "how /workspace is made: auto, overlay, copy, or read-only, which leaves shell out",
    ),
    (
        "sandbox.allow",
        "patterns of git-ignored files that the container may see",
    ),
    (
        "sandbox.mounts",
        "more files and folders, read-only, each SOURCE:TARGET",
    ),
    (
        "ui.mouse",
        "false: the mouse is the terminal's, for its own selection",
    ),
    ("ui.title", "false: leave the terminal's title alone"),
    (
        "ui.notify",
        "when a turn ends or a review waits and nobody looks: off, bell, osc9, both",
    ),
    (
        "ui.screen_reader",
        "true: lines on the normal screen, for screen readers (docs/screen-reader.md)",
    ),
    (
        "journal.max_mib",
        "room for what undo needs, in this folder's journal; 0 is no limit",
    ),
    (
        "journal.max_age_days",
        "how long a patch can be undone; 0 is no limit",
    ),
    (
        "compact.auto",
        "false: a full conversation is compacted only by /compact",
    ),
    (
        "compact.reserve",
        "tokens of the context that stay free: fewer, and the conversation is compacted",
    ),
];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub model: String,
    /// A URL or a name of `servers`; `none` and nothing are the same.
    pub server: Option<String>,
    pub servers: BTreeMap<String, ServerSettings>,
    pub effort: Effort,
    pub approvals: Approvals,
    pub theme: String,
    /// Tokens; `None`: what the model and the memory allow.
    pub context: Option<usize>,
    pub engine: EngineSettings,
    pub max_output_tokens: usize,
    pub offline: bool,
    pub sampling: SamplingConfig,
    pub sandbox: SandboxSettings,
    pub journal: JournalSettings,
    pub compact: CompactSettings,
    /// Keys as the user wants them, not checked yet.
    #[serde(skip)]
    pub keys: Vec<KeySetting>,
    pub ui: UiSettings,
}

/// Who decides about patches in the interface, in the words of `/approvals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approvals {
    Ask,
    Auto,
    None,
}

/// When a model in process is loaded and let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    pub load: LoadMoment,
    /// 0 is never.
    pub unload_after_min: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadMoment {
    Start,
    FirstUse,
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            load: LoadMoment::Start,
            unload_after_min: 30,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSettings {
    pub enabled: bool,
    pub image: String,
    pub memory_mib: u64,
    pub pids: i64,
    pub cpus: f64,
    pub timeout_s: u64,
    pub output_kib: usize,
    pub shell_timeout_s: u64,
    pub disk_mib: u64,
    pub view: ViewSetting,
    /// As in a `.gitignore`.
    pub allow: Vec<String>,
    /// Each `SOURCE:TARGET`.
    pub mounts: Vec<String>,
}

/// How the container's `/workspace` is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewSetting {
    #[default]
    Auto,
    Overlay,
    Copy,
    ReadOnly,
}

/// What the journal of a folder may hold; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalSettings {
    pub max_mib: u64,
    pub max_age_days: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            model: "auto".into(),
            server: None,
            servers: BTreeMap::new(),
            effort: Effort::Medium,
            approvals: Approvals::Ask,
            theme: "auto".into(),
            context: None,
            engine: EngineSettings::default(),
            max_output_tokens: 16_384,
            offline: false,
            sampling: SamplingConfig::default(),
            sandbox: SandboxSettings::default(),
            journal: JournalSettings::default(),
            compact: CompactSettings::default(),
            keys: Vec::new(),
            ui: UiSettings::default(),
        }
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        SandboxSettings {
            enabled: true,
            image: "python:3.13-slim".into(),
            memory_mib: 1024,
            pids: 128,
            cpus: 2.0,
            timeout_s: 60,
            output_kib: 64,
            shell_timeout_s: 300,
            disk_mib: 4096,
            view: ViewSetting::Auto,
            allow: Vec::new(),
            mounts: Vec::new(),
        }
    }
}

impl Default for JournalSettings {
    fn default() -> Self {
        JournalSettings {
            max_mib: 512,
            max_age_days: 90,
        }
    }
}
