//! The command line: what the user typed ([`Args`]), and the commands that need no terminal UI.
//!
//! `once` runs one turn for scripts, `review` is the line-oriented choice of hunks. The subcommands themselves
//! are put together in `app`. This module speaks to the agent through its commands and events only. stdout carries
//! the answer; everything else goes to stderr.

pub mod confirm;
pub mod editor;
pub mod exit;
pub mod jsonl;
pub mod once;
pub mod output;
pub mod review;
pub mod signals;

use crate::conversation::Effort;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// A coding assistant in the terminal that runs GPT-OSS on this machine and writes only what you approve.
#[derive(Debug, Parser)]
#[command(
    name = "descant",
    version,
    about,
    max_term_width = 100,
    args_conflicts_with_subcommands = false
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What to ask; with --once, `-` or nothing reads standard input
    #[arg(value_name = "PROMPT")]
    pub prompt: Option<String>,

    #[command(flatten)]
    pub once: OnceArgs,

    #[command(flatten)]
    pub common: CommonArgs,
}

/// `--once` and what goes with it.
#[derive(Debug, ClapArgs)]
pub struct OnceArgs {
    /// One turn without the terminal UI
    #[arg(long)]
    pub once: bool,

    /// What happens to proposed changes [default: ask on a terminal, else none]
    #[arg(long, value_enum, requires = "once")]
    pub apply: Option<Apply>,

    /// One JSON object a line on stdout, in the event schema of `codex exec --json`
    #[arg(long, requires = "once")]
    pub json: bool,

    /// Write the last message to FILE as well
    #[arg(short = 'o', long, value_name = "FILE", requires = "once")]
    pub output_last_message: Option<PathBuf>,

    /// Give up after SECS seconds (exit code 124)
    #[arg(long, value_name = "SECS", requires = "once", value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout: Option<u64>,
}

/// Options of every command.
#[derive(Debug, Clone, ClapArgs)]
pub struct CommonArgs {
    /// Work in DIR instead of the current folder
    #[arg(short = 'C', long, value_name = "DIR", global = true)]
    pub cd: Option<PathBuf>,

    /// Model: demo, gpt-oss-20b, gpt-oss-120b, a hub id in the cache, a checkpoint folder, or MODEL@SERVER
    #[arg(short, long, value_name = "NAME|PATH", global = true)]
    pub model: Option<String>,

    /// Use a model server: its URL, or its name in the configuration; -m names the model there
    #[arg(long, value_name = "URL|NAME", global = true)]
    pub server: Option<String>,

    /// How much the model reasons
    #[arg(long, value_enum, global = true)]
    pub effort: Option<Effort>,

    /// Tokens of reasoning before each answer or tool call; 0 is no limit
    #[arg(long, value_name = "N", global = true)]
    pub reasoning_budget: Option<usize>,

    /// 0 always takes the likeliest token; OpenAI recommends 1
    #[arg(long, value_name = "T", global = true, allow_negative_numbers = true)]
    pub temperature: Option<f32>,

    /// End the answer where it says TEXT (may be given up to four times)
    #[arg(long, value_name = "TEXT", global = true)]
    pub stop: Vec<String>,

    /// The same seed and prompt give the same answer
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,

    /// Set a configuration key, e.g. -c sampling.temperature=0
    #[arg(short = 'c', value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,

    /// Forbid every network connection but to servers on this machine
    #[arg(long, global = true)]
    pub offline: bool,

    /// Colour in the output
    #[arg(long, value_enum, default_value = "auto", global = true)]
    pub color: ColorChoice,

    /// Log more to the log file (-v, -vv)
    #[arg(short, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

/// `python`: what to run, and which image it runs in from now on.
#[derive(Debug, Clone, ClapArgs)]
pub struct PythonArgs {
    /// The program; `-` or nothing reads standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Pull the image first; without FILE do no more
    #[arg(long, group = "image")]
    pub pull: bool,
    /// Import the image from TAR first (of `docker save`, or a root file system); without FILE do no more
    #[arg(long, value_name = "TAR", group = "image")]
    pub import: Option<PathBuf>,
    /// Use the image that its name stands for now, instead of the one used so far
    #[arg(long, group = "image")]
    pub pin: bool,
    /// Let the program reach the network
    #[arg(long)]
    pub network: bool,
}

/// What `undo` and `redo` do with files that changed since.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub struct MergeArgs {
    /// Merge files that changed since, where that leaves no conflict [default: ask on a terminal, else refuse]
    #[arg(long)]
    pub merge: bool,

    /// Merge, and leave conflicts between markers in the files
    #[arg(long)]
    pub conflict_markers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Apply {
    /// Propose: print the diff, write nothing
    None,
    /// Choose hunk by hunk
    Ask,
    /// Write everything
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Review and apply a patch: apply_patch (V4A) text or a unified diff
    Apply {
        /// The patch; `-` or nothing reads standard input
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Apply all of it without asking
        #[arg(long, conflicts_with = "check")]
        yes: bool,
        /// Only test whether it applies, and print the diff
        #[arg(long)]
        check: bool,
    },
    /// Take the last applied patch back
    Undo {
        #[command(flatten)]
        merge: MergeArgs,
    },
    /// Apply the patch that was undone last again
    Redo {
        #[command(flatten)]
        merge: MergeArgs,
    },
    /// List the applied patches that can be undone, and what the journal takes on disk
    Checkpoints,
    /// Run Python in the sandbox as the model would
    Python(PythonArgs),
    /// List, show or remove recorded conversations
    Sessions {
        #[command(subcommand)]
        command: Option<SessionsCommand>,
    },
    /// Continue a recorded conversation; without an id, choose from a list
    Resume {
        /// Its id or the beginning of it
        id: Option<String>,
        /// The last one of this folder
        #[arg(long, conflicts_with = "id")]
        last: bool,
    },
    /// List, download, verify or remove models
    Models {
        #[command(subcommand)]
        command: Option<ModelsCommand>,
    },
    /// Measure how fast a model runs on this machine
    Bench(BenchArgs),
    /// Say what works on this machine and what is missing
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Lengths of the prompts, in tokens
    #[arg(long, value_name = "TOKENS", value_delimiter = ',', default_values_t = [512, 2048])]
    pub prompt: Vec<usize>,
    /// Tokens to generate after each
    #[arg(long, value_name = "TOKENS", default_value_t = 128)]
    pub generate: usize,
    /// The median of so many runs is reported
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub runs: usize,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// A line each, newest first
    List,
    /// Print a conversation
    Show { id: String },
    /// Remove the record of a conversation
    Rm { id: String },
}

#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// A line each: name, size, state, folder
    List,
    /// Download a checkpoint into the Hugging Face cache; what is there already is not fetched again
    Pull {
        /// gpt-oss-20b, gpt-oss-120b, or a hub id, with @REVISION if need be
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Compute the checksums of a model again, or of all
    Verify {
        /// As models list shows it
        name: Option<String>,
    },
    /// Remove a model from the Hugging Face cache, or from Descant's own folder
    Rm {
        /// As models list shows it
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}
