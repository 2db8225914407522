//! Keys of an open review, and what a review needs besides them.

use super::{interrupt, overlay, quit};
use crate::agent::AgentCommand;
use crate::tui::keymap::{Action, Context};
use crate::tui::model::{Colouring, Effect, Model, Purpose, Update};
use crate::tui::review::Outcome;
use crossterm::event::KeyEvent;
use std::sync::Arc;

/// A patch is here or on its way: from now on code is coloured, once the grammars are loaded.
pub(super) fn want_colours(model: &mut Model, out: &mut Update) {
    if matches!(model.colouring, Colouring::NotAsked) {
        model.colouring = Colouring::Loading;
        out.effects.push(Effect::LoadGrammars);
    }
}

pub(super) fn key(model: &mut Model, key: KeyEvent, out: &mut Update) {
    let half = usize::from(model.size.1 / 3).max(1);
    let keys = Arc::clone(&model.keys);
    let Some(review) = &mut model.review else {
        return;
    };
    match review.key(&keys, key) {
        Outcome::Open => {}
        Outcome::Help => overlay::open_help(model),
        Outcome::Edit(text) => out.effects.push(Effect::Edit(text)),
        Outcome::ScrollHalf { down: true } => {
            review.scroll = (review.scroll + half).min(review.max_scroll)
        }
        Outcome::ScrollHalf { down: false } => review.scroll = review.scroll.saturating_sub(half),
        Outcome::Done(decisions) => {
            if let Some(review) = model.review.take() {
                model.decided.push((review.id, decisions.clone()));
                let command = AgentCommand::Review {
                    review: review.id,
                    plan: review.plan,
                    decisions,
                };
                out.effects.push(Effect::Agent(command));
            }
            if model.purpose == Purpose::Review {
                out.effects.push(Effect::Quit);
            }
        }
        Outcome::Ignored => match keys.lookup(Context::Review, &key) {
            Some(Action::ClearInterruptQuit) if model.purpose == Purpose::Review => quit(out),
            Some(Action::ClearInterruptQuit) => interrupt(model, out),
            Some(Action::PageDown) => {
                review.scroll = (review.scroll + 2 * half).min(review.max_scroll)
            }
            Some(Action::PageUp) => review.scroll = review.scroll.saturating_sub(2 * half),
            Some(Action::Redraw) => out.effects.push(Effect::Redraw),
            Some(Action::Suspend) => out.effects.push(Effect::Suspend),
            Some(Action::Command("help")) => overlay::open_help(model),
            _ => {}
        },
    }
}
