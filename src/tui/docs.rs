//! `docs/keys.md`, from the tables of keys and commands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use crate::tui::command::COMMANDS;
use crate::tui::keymap::{BINDINGS, Context};
use std::path::Path;

fn page() -> String {
    let mut out = String::from(
        "# Keys and commands of the terminal interface\n\n\
         Written by a test from the tables in `src/tui/keymap.rs` and `src/tui/command.rs`; run the tests with\n\
         `DESCANT_BLESS=1` to write it again. [rebinding.md](rebinding.md) says how to move keys; `/keys` shows what is\n\
         bound in your session, and where it was bound. `Ctrl+P` finds a command by its name or what it does.\n\n## Commands\n\n| command | what it does |\n|---|---|\n",
    );
    let bar = |text: &str| text.replace('|', "\\|");
    for command in COMMANDS {
        let also: String = command.aliases.iter().map(|a| format!(" `/{a}`")).collect();
        out.push_str(&format!(
            "| `{}`{also} | {} |\n",
            bar(&command.usage()),
            command.doc
        ));
    }
    for context in Context::ALL {
        out.push_str(&format!(
            "\n## {}\n\nIn the configuration: `[keys.{}]`.\n\n| key | action | what it does |\n|---|---|---|\n",
            context.title(),
            context.name()
        ));
        for binding in BINDINGS.iter().filter(|b| b.context == context) {
            let keys: Vec<String> = binding.keys.iter().map(|k| format!("`{k}`")).collect();
            let action = binding.action.name();
            out.push_str(&format!(
                "| {} | `{action}` | {} |\n",
                keys.join(" "),
                binding.doc
            ));
        }
    }
    out.push_str(
        "\nThe mouse wheel scrolls the pane under the pointer. To select text with the mouse, hold Shift (Option on\n\
         a Mac), as in other programs that use the wheel. Pasting several lines never sends them; a large\n\
         paste is folded and sent whole ([composer.md](composer.md)).\n\n\
         A review that opens while you are typing leaves your keys to the message until you pause, so that a `y`\n\
         meant for a word accepts nothing.\n",
    );
    out
}

#[test]
fn the_page_of_keys_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keys.md");
    if std::env::var_os("DESCANT_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page(),
        "docs/keys.md is not what the tables say: run the tests with DESCANT_BLESS=1"
    );
}
