//! The fixed prompt: what stays the same to the byte through a session, so that the engine's cache holds.

use super::ModelOptions;
use crate::conversation::{PromptProfile, PromptSpec};
use crate::harmony::render::INSTRUCTIONS;
use crate::tools;

/// What the model is told before the conversation. `python`: whether it can be offered.
pub(super) fn fixed(profile: PromptProfile, options: &ModelOptions, python: bool) -> PromptSpec {
    let own = INSTRUCTIONS.trim_end();
    let added = options.instructions.trim();
    PromptSpec {
        profile,
        effort: options.effort,
        date: options.date.clone(),
        instructions: if added.is_empty() {
            own.to_owned()
        } else {
            format!("{own}\n\n{added}")
        },
        python: python.then(|| options.python.clone()),
        functions: tools::functions(),
    }
}
