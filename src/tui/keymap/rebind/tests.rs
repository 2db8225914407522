#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;

fn one(layer: usize, place: &str, context: &str, left: &str, right: &str) -> KeySetting {
    KeySetting {
        layer,
        place: place.into(),
        context: context.into(),
        left: left.into(),
        right: Meant::One(right.into()),
    }
}

fn list(place: &str, context: &str, left: &str, right: &[&str]) -> KeySetting {
    KeySetting {
        layer: 0,
        place: place.into(),
        context: context.into(),
        left: left.into(),
        right: Meant::List(right.iter().map(|key| (*key).to_owned()).collect()),
    }
}

fn does(settings: &[KeySetting], context: Context, key: &str) -> Option<Action> {
    let keymap = Keymap::with(settings).unwrap_or_else(|error| panic!("{error}"));
    keymap.lookup(context, &key::parse(key).unwrap())
}

#[test]
fn a_key_is_given_moved_and_taken_away() {
    let add = one(0, "c:1", "composer", "ctrl+x", "newline");
    assert_eq!(
        does(std::slice::from_ref(&add), Context::Composer, "Ctrl+X"),
        Some(Action::Newline)
    );
    // The defaults stay beside it.
    assert_eq!(
        does(&[add], Context::Composer, "Ctrl+J"),
        Some(Action::Newline)
    );
    let only = list("c:1", "composer", "newline", &["ctrl+x"]);
    assert_eq!(
        does(std::slice::from_ref(&only), Context::Composer, "Ctrl+J"),
        None
    );
    let unbound = one(0, "c:1", "pane", "i", "none");
    assert_eq!(does(&[unbound], Context::Pane, "i"), None);
    // Two keys change places.
    let swapped = [
        list("c:1", "pane", "line-up", &["down", "k"]),
        list("c:2", "pane", "line-down", &["up", "j"]),
    ];
    assert_eq!(does(&swapped, Context::Pane, "Up"), Some(Action::LineDown));
    // A command, and what is bound everywhere, in one context.
    let command = one(0, "c:1", "everywhere", "f5", "/diff");
    assert_eq!(
        does(&[command], Context::Pane, "F5"),
        Some(Action::Command("diff"))
    );
    let alias = one(0, "c:1", "pane", "x", "/exit");
    assert_eq!(
        does(&[alias], Context::Pane, "x"),
        Some(Action::Command("quit"))
    );
}

#[test]
fn a_stronger_layer_says_it_again() {
    let settings = [
        one(0, "c:1", "composer", "ctrl+x", "newline"),
        one(2, "-c", "composer", "Ctrl+X", "submit"),
    ];
    assert_eq!(
        does(&settings, Context::Composer, "Ctrl+X"),
        Some(Action::Submit)
    );
}

#[test]
fn where_a_key_was_bound_is_known() {
    let keymap = Keymap::with(&[one(0, "c:7", "pane", "x", "top")]).unwrap();
    let row = keymap
        .of_context(Context::Pane)
        .find(|row| row.action == Action::Top)
        .unwrap();
    let shown: Vec<(&str, Option<&str>)> = row
        .keys
        .iter()
        .map(|key| (key.name.as_str(), key.place.as_deref()))
        .collect();
    assert_eq!(shown, [("Home", None), ("g", None), ("x", Some("c:7"))]);
}

#[test]
fn mistakes_are_said_verbatim() {
    let rows: Vec<(Vec<KeySetting>, &str)> = vec![
        (
            vec![one(0, "c.toml:2", "composr", "ctrl+x", "newline")],
            "c.toml:2: there is no section [keys.composr]; the nearest is [keys.composer]",
        ),
        (
            vec![one(0, "c.toml:2", "composer", "ctrl+x", "newlin")],
            "c.toml:2: [keys.composer] has no action `newlin`; the nearest is `newline`\n  /keys lists the actions, and `none` unbinds a key",
        ),
        (
            vec![one(0, "c.toml:2", "review", "x", "/diff")],
            "c.toml:2: [keys.review] has no action `/diff`; the nearest is `edit`\n  /keys lists the actions, and `none` unbinds a key",
        ),
        (
            vec![one(0, "c.toml:2", "composer", "submitt", "f5")],
            "c.toml:2: `submitt` is neither a key nor an action of [keys.composer]; the nearest action is `submit`\n  keys are written as ctrl+x, alt+enter, f5, pagedown or y; /keys lists the actions",
        ),
        (
            vec![list(
                "c.toml:2",
                "composer",
                "submit",
                &["enter", "crtl+entr"],
            )],
            "c.toml:2: `crtl+entr` is no key; the nearest is `ctrl+enter`\n  keys are written as ctrl+x, alt+enter, f5, pagedown or y",
        ),
        (
            vec![one(0, "c.toml:2", "composer", "ctrl+u", "newline")],
            "c.toml:2: Ctrl+U cannot be `newline` in [keys.composer]: it is `delete-to-line-start` there, by default\n  to take the key from `delete-to-line-start`, say its keys in the same section: delete-to-line-start = []",
        ),
        (
            vec![one(0, "c.toml:2", "pane", "j", "top")],
            "c.toml:2: j cannot be `top` in [keys.pane]: it is `line-down` there, by default\n  to take the key from `line-down`, say its keys in the same section: line-down = [\"down\"]",
        ),
        (
            vec![
                one(0, "c.toml:2", "composer", "ctrl+x", "newline"),
                list("c.toml:3", "composer", "submit", &["enter", "Ctrl+X"]),
            ],
            "c.toml:3: Ctrl+X cannot be `submit` in [keys.composer]: it is `newline` there, by c.toml:2\n  one key does one thing in a section: change one of the two",
        ),
        (
            vec![
                one(0, "c.toml:2", "composer", "ctrl+x", "newline"),
                one(0, "c.toml:3", "composer", "Ctrl+X", "submit"),
            ],
            "c.toml:3: Ctrl+X cannot be `submit` in [keys.composer]: it is `newline` there, by c.toml:2\n  one of the two is enough",
        ),
        (
            vec![one(0, "c.toml:2", "composer", "ctrl+c", "newline")],
            "c.toml:2: Ctrl+C always clears, interrupts and quits: it cannot be bound to anything else or unbound\n  choose another key",
        ),
        (
            vec![one(0, "c.toml:2", "everywhere", "ctrl+c", "none")],
            "c.toml:2: Ctrl+C always clears, interrupts and quits: it cannot be bound to anything else or unbound\n  choose another key",
        ),
        (
            vec![list(
                "c.toml:2",
                "everywhere",
                "clear-interrupt-quit",
                &["f12"],
            )],
            "c.toml:2: Ctrl+C always clears, interrupts and quits: it cannot be bound to anything else or unbound\n  choose another key",
        ),
        (
            vec![list("c.toml:2", "composer", "submit", &[])],
            "c.toml:2: `submit` would have no key in [keys.composer], and without it there is no way on from there\n  leave it one key at least",
        ),
        (
            vec![one(0, "c.toml:2", "composer", "x", "newline")],
            "c.toml:2: x is a character that is typed in [keys.composer]\n  use it with ctrl+ or alt+, or a function key",
        ),
        (
            vec![one(0, "c.toml:2", "everywhere", "?", "/help")],
            "c.toml:2: ? is a character that is typed in [keys.everywhere]\n  use it with ctrl+ or alt+, or a function key",
        ),
    ];
    for (settings, expected) in rows {
        let error = Keymap::with(&settings).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn every_row_can_be_given_a_key_by_its_name() {
    for binding in crate::tui::keymap::BINDINGS {
        let (context, action) = (binding.context, binding.action);
        let settings = [one(0, "c:1", context.name(), "ctrl+f12", &action.name())];
        assert_eq!(does(&settings, context, "Ctrl+F12"), Some(action));
    }
}
