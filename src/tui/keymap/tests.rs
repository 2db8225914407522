#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::tui::command::COMMANDS;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeSet;

#[test]
fn every_key_of_the_table_is_found_where_it_says() {
    let keymap = Keymap::default();
    for binding in BINDINGS {
        for key in binding.keys {
            let event = parse(key).unwrap_or_else(|| panic!("{key} is no key"));
            assert_eq!(&key::name(&event), key);
            assert_eq!(
                keymap.lookup(binding.context, &event),
                Some(binding.action),
                "{key} in {:?}",
                binding.context
            );
        }
    }
}

#[test]
fn no_key_is_bound_twice_in_a_context_and_no_action_has_two_rows() {
    let mut keys = BTreeSet::new();
    let mut actions = BTreeSet::new();
    for binding in BINDINGS {
        let context = binding.context.name();
        for key in binding.keys {
            assert!(keys.insert((context, *key)), "{key} twice in {context}");
        }
        let action = binding.action.name();
        assert!(
            actions.insert((context, action.clone())),
            "{action} has two rows in {context}"
        );
    }
}

#[test]
fn a_key_that_runs_a_command_runs_one_that_is_there() {
    for binding in BINDINGS {
        if let Action::Command(name) = binding.action {
            assert!(COMMANDS.iter().any(|c| c.name == name), "/{name}");
        }
    }
}

#[test]
fn no_name_of_an_action_is_the_name_of_a_key() {
    for binding in BINDINGS {
        assert_eq!(parse(&binding.action.name()), None);
    }
}

#[test]
fn enhanced_keyboards_say_shift_with_the_letter() {
    let event = KeyEvent::new(KeyCode::Char('A'), KeyModifiers::SHIFT);
    assert_eq!(
        Keymap::default().lookup(Context::Review, &event),
        Some(Action::AcceptAll)
    );
}
