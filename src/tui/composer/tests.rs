use super::*;
use crate::tui::keymap;

fn typed(composer: &mut Composer, text: &str) {
    for c in text.chars() {
        composer.key(keymap::parse(&c.to_string()).unwrap());
    }
    composer.measure(40, 8);
}

/// The rows that are seen, with `|` for the cursor.
fn seen(composer: &mut Composer, width: u16, height: u16) -> String {
    composer.measure(width, height);
    let (rows, (row, column)) = composer.visible(height);
    let (buffer, _) = composer.drawn();
    let mut out = Vec::new();
    for (n, range) in rows.iter().enumerate() {
        let mut text = buffer.marked()[range.clone()].to_owned();
        if n == usize::from(row) {
            text.insert(buffer.cursor() - range.start, '|');
            assert!(column <= width, "{column}");
        }
        out.push(text);
    }
    out.join("/")
}

#[test]
fn history_walks_and_returns_to_the_draft() {
    let mut composer = Composer::default();
    composer.load_history(vec!["one".into(), "two\nlines".into()]);
    typed(&mut composer, "draft");
    let mut step = |up: bool| {
        if up {
            composer.up()
        } else {
            composer.down()
        }
        composer.measure(40, 8);
        composer.text()
    };
    assert_eq!(step(true), "two\nlines");
    assert_eq!(step(true), "one");
    assert_eq!(step(true), "one");
    assert_eq!(step(false), "two\nlines");
    // The cursor is on its last line, so Down leaves the entry.
    assert_eq!(step(false), "draft");
    assert_eq!(step(false), "draft");
}

#[test]
fn a_megabyte_is_a_chip_and_is_sent_whole() {
    let mut composer = Composer::default();
    typed(&mut composer, "see ");
    let paste = "0123456789\n".repeat(100_000);
    composer.paste(&paste);
    typed(&mut composer, " end");
    assert_eq!(composer.shown(), "see [pasted 100000 lines] end");
    assert_eq!(composer.text(), format!("see {paste} end"));
    for _ in 0..5 {
        composer.backspace();
    }
    assert_eq!(composer.shown(), "see ", "the chip goes with one key");
    assert_eq!(composer.text(), "see ");
    composer.undo();
    assert_eq!(
        composer.text(),
        format!("see {paste} end"),
        "and comes back"
    );
}

#[test]
fn a_chip_unfolds_into_text_and_folds_with_undo() {
    let mut composer = Composer::default();
    let paste = "line\n".repeat(20);
    typed(&mut composer, "a");
    composer.paste(&paste);
    assert!(composer.unfold());
    assert_eq!(composer.shown(), format!("a{paste}"));
    assert!(!composer.unfold());
    composer.undo();
    assert_eq!(composer.shown(), "a[pasted 20 lines]");
    composer.go(Motion::Left);
    assert!(composer.unfold(), "the cursor may stand before it");
}

#[test]
fn small_pastes_are_text_without_what_hides() {
    let mut composer = Composer::default();
    composer.paste("a\r\nb\u{1b}[31m\u{202e}");
    assert_eq!(composer.text(), "a\nb[31m");
}

#[test]
fn backslash_continues() {
    let mut composer = Composer::default();
    typed(&mut composer, "one\\");
    assert!(composer.take_continuation());
    typed(&mut composer, "two");
    assert!(!composer.take_continuation());
    assert_eq!(composer.text(), "one\ntwo");
}

#[test]
fn what_was_cleared_or_replaced_comes_back() {
    let mut composer = Composer::default();
    typed(&mut composer, "precious");
    composer.clear();
    assert_eq!(composer.text(), "");
    composer.undo();
    assert_eq!(composer.text(), "precious");
    composer.replace("from the editor");
    composer.undo();
    composer.undo();
    assert_eq!(composer.text(), "precious");
}

#[test]
fn rows_wrap_at_words_and_nothing_is_lost() {
    let mut composer = Composer::default();
    typed(&mut composer, &"word ".repeat(20));
    assert_eq!(seen(&mut composer, 40, 8), {
        let seven = "word ".repeat(7);
        format!("{seven}/{seven}/{}|", "word ".repeat(6))
    });
    composer.measure(120, 8);
    assert_eq!(composer.rows(), 1);
    let mut long = Composer::default();
    typed(&mut long, "0123456789abc");
    assert_eq!(seen(&mut long, 6, 8), "01234/56789/abc|");
    let mut wide = Composer::default();
    typed(&mut wide, "漢字漢字x");
    assert_eq!(seen(&mut wide, 6, 8), "漢字/漢字x|");
    // A row that is full: the cursor has a column of its own.
    let mut full = Composer::default();
    typed(&mut full, "01234");
    assert_eq!(seen(&mut full, 6, 8), "01234|");
    assert_eq!(full.visible(8).1, (0, 5));
    let mut tabs = Composer::default();
    tabs.paste("\ta\tb");
    assert_eq!(seen(&mut tabs, 9, 8), "\t/a\tb|");
}

#[test]
fn up_and_down_keep_to_the_column_through_soft_rows() {
    let mut composer = Composer::default();
    typed(&mut composer, "aaaa bbbb cc");
    composer.newline();
    composer.newline();
    typed(&mut composer, "dddd eee");
    composer.measure(6, 8);
    let mut step = |up: bool| {
        if up {
            composer.up()
        } else {
            composer.down()
        }
        seen(&mut composer, 6, 8)
    };
    assert_eq!(step(true), "aaaa /bbbb /cc//ddd|d /eee");
    assert_eq!(step(true), "aaaa /bbbb /cc/|/dddd /eee");
    assert_eq!(step(true), "aaaa /bbbb /cc|//dddd /eee");
    assert_eq!(step(true), "aaaa /bbb|b /cc//dddd /eee");
    assert_eq!(step(true), "aaa|a /bbbb /cc//dddd /eee");
    assert_eq!(step(true), "aaa|a /bbbb /cc//dddd /eee");
    for _ in 0..4 {
        step(false);
    }
    assert_eq!(step(false), "aaaa /bbbb /cc//dddd /eee|");
}

#[test]
fn the_view_stays_until_the_cursor_leaves_it() {
    let mut composer = Composer::default();
    composer.paste("a\nb\nc\nd\ne");
    assert_eq!(seen(&mut composer, 10, 3), "c/d/e|");
    composer.up();
    assert_eq!(seen(&mut composer, 10, 3), "c/d|/e");
    composer.up();
    composer.up();
    assert_eq!(seen(&mut composer, 10, 3), "b|/c/d");
    composer.down();
    composer.down();
    assert_eq!(seen(&mut composer, 10, 3), "b/c/d|");
    composer.down();
    assert_eq!(seen(&mut composer, 10, 3), "c/d/e|");
    composer.backspace();
    composer.backspace();
    assert_eq!(seen(&mut composer, 10, 3), "b/c/d|", "no empty rows below");
    composer.go(Motion::Start);
    assert_eq!(seen(&mut composer, 10, 3), "|a/b/c");
    assert_eq!(seen(&mut composer, 10, 1), "|a");
}

#[test]
fn a_search_shows_what_it_finds_and_leaves_the_draft() {
    let mut composer = Composer::default();
    composer.load_history(vec!["cargo test".into(), "git push".into()]);
    typed(&mut composer, "draft");
    composer.searched(SearchStep::Older);
    for c in "test".chars() {
        composer.searched(SearchStep::Typed(c));
    }
    let (found, hit) = composer.drawn();
    assert_eq!((found.marked(), hit), ("cargo test", Some(6..10)));
    composer.end_search(false);
    assert_eq!(composer.text(), "draft");
    composer.searched(SearchStep::Older);
    composer.searched(SearchStep::Typed('p'));
    composer.end_search(true);
    assert_eq!(composer.text(), "git push");
    composer.undo();
    assert_eq!(composer.text(), "draft");
}

#[test]
fn a_mention_takes_the_place_of_what_was_typed_of_it() {
    for (text, path, after) in [
        ("see @ma", "src/main.rs", "see @src/main.rs "),
        ("@", "a b.txt", "@\"a b.txt\" "),
        ("@sr", "src/", "@src/"),
        ("@my", "my dir/", "@\"my dir/"),
        ("@\"my dir/x", "my dir/x.rs", "@\"my dir/x.rs\" "),
        ("none", "x", "none"),
    ] {
        let mut composer = Composer::default();
        typed(&mut composer, text);
        composer.take_mention(path);
        assert_eq!(composer.text(), after);
    }
}
