//! Exit codes, as the contract with scripts gives them.

use std::process::ExitCode;

/// What a command ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Answered, and whatever was proposed was applied.
    Done,
    /// The turn failed or gave no answer.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Changes were proposed and not, or not all, applied.
    NotApplied,
    /// Model, server or memory not available.
    Unavailable,
    /// `--timeout` ran out.
    Timeout,
    /// Ctrl+C.
    Interrupted,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotApplied => 3,
            Exit::Unavailable => 4,
            Exit::Timeout => 124,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
