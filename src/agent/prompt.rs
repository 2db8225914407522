//! The fixed prompt: what stays the same to the byte through a session, so that the engine's cache holds.

use super::ModelOptions;
use crate::conversation::{PromptProfile, PromptSpec};
use crate::harmony::render::INSTRUCTIONS;
use crate::tools::{self, Tool};

/// Which of the container's tools can be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) python: bool,
    pub(super) shell: bool,
}

impl Offer {
    pub(super) const NONE: Offer = Offer {
        python: false,
        shell: false,
    };

    /// What a conversation was offered so far.
    pub(super) fn of(spec: &PromptSpec) -> Offer {
        Offer {
            python: spec.python.is_some(),
            shell: spec
                .functions
                .iter()
                .any(|function| function.name == Tool::Shell.name()),
        }
    }
}

/// What the model is told before the conversation.
pub(super) fn fixed(profile: PromptProfile, options: &ModelOptions, offer: Offer) -> PromptSpec {
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
        python: offer.python.then(|| options.python.clone()),
        functions: tools::functions(offer.shell),
    }
}
