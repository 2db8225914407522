use super::*;

/// With `|` for the cursor.
fn at(text: &str) -> Buffer {
    let cursor = text.find('|').unwrap();
    let mut buffer = Buffer::of(&text.replace('|', ""));
    buffer.place(cursor);
    buffer
}

fn shown(buffer: &Buffer) -> String {
    let mut text = buffer.marked().to_owned();
    text.insert(buffer.cursor(), '|');
    buffer.pastes.labelled(&text)
}

#[test]
fn motions() {
    use Motion::*;
    for (before, motion, after) in [
        ("ab|c", Left, "a|bc"),
        ("|abc", Left, "|abc"),
        ("a\n|b", Left, "a|\nb"),
        ("e\u{301}|", Left, "|e\u{301}"),
        ("|👩‍💻x", Right, "👩‍💻|x"),
        ("one two|", WordLeft, "one |two"),
        ("one two  |", WordLeft, "one |two  "),
        ("foo.bar|", WordLeft, "foo.|bar"),
        ("foo.|bar", WordLeft, "foo|.bar"),
        ("one\n|", WordLeft, "|one\n"),
        ("|one two", WordRight, "one| two"),
        ("one| two", WordRight, "one two|"),
        ("|  éa_1+", WordRight, "  éa_1|+"),
        ("x\nab|c", LineStart, "x\n|abc"),
        ("x|y\nabc", LineEnd, "xy|\nabc"),
        ("a\nb|\nc", Start, "|a\nb\nc"),
        ("a\n|b\nc", End, "a\nb\nc|"),
    ] {
        let mut buffer = at(before);
        buffer.go(motion);
        assert_eq!(shown(&buffer), after, "{motion:?} in {before}");
    }
}

#[test]
fn cuts_come_back_with_yank_and_with_undo() {
    use Cut::*;
    for (before, cut, after, kept) in [
        ("one two|", WordLeft, "one |", "two"),
        ("a foo.bar|", BlankLeft, "a |", "foo.bar"),
        ("a foo  |", BlankLeft, "a |", "foo  "),
        ("|one two", WordRight, "| two", "one"),
        ("x\nab|c", LineStart, "x\n|c", "ab"),
        ("x\n|abc", LineStart, "x|abc", "\n"),
        ("a|bc\nx", LineEnd, "a|\nx", "bc"),
        ("abc|\nx", LineEnd, "abc|x", "\n"),
    ] {
        let mut buffer = at(before);
        buffer.cut(cut);
        assert_eq!(shown(&buffer), after, "{cut:?} in {before}");
        assert_eq!(buffer.cut, kept, "{cut:?} in {before}");
        buffer.undo();
        assert_eq!(shown(&buffer), before);
        buffer.redo();
        assert_eq!(shown(&buffer), after);
    }
    let mut buffer = at("one two three|");
    buffer.cut(WordLeft);
    buffer.cut(WordLeft);
    assert_eq!(shown(&buffer), "one |");
    buffer.go(Motion::Start);
    buffer.yank();
    assert_eq!(shown(&buffer), "two three|one ", "cuts in a row are one");
    for cut in [WordLeft, WordRight, BlankLeft, LineStart, LineEnd] {
        let mut nothing = at("|");
        nothing.cut(cut);
        assert_eq!(shown(&nothing), "|");
        assert!(!nothing.undo());
    }
}

#[test]
fn a_step_back_takes_a_word_or_a_run_of_deletions() {
    let mut buffer = Buffer::default();
    for c in "one two  three".chars() {
        buffer.typed(c);
    }
    for left in ["one two  |", "one |", "|"] {
        assert!(buffer.undo());
        assert_eq!(shown(&buffer), left);
    }
    assert!(!buffer.undo());
    for right in ["one |", "one two  |", "one two  three|"] {
        assert!(buffer.redo());
        assert_eq!(shown(&buffer), right);
    }
    assert!(!buffer.redo());
    for _ in 0..5 {
        buffer.backspace();
    }
    assert_eq!(shown(&buffer), "one two  |");
    buffer.undo();
    assert_eq!(shown(&buffer), "one two  three|");
    buffer.undo();
    buffer.typed('x');
    assert!(!buffer.redo(), "what was typed anew ends the way forward");
    assert_eq!(shown(&buffer), "one two  x|");
}

#[test]
fn a_folded_paste_is_one_thing() {
    let mut buffer = at("see |end");
    buffer.fold(&"line\n".repeat(120));
    buffer.fold(&"line\n".repeat(120));
    let both = "see [pasted 120 lines][pasted 120 lines, 2]|end";
    assert_eq!(shown(&buffer), both);
    buffer.go(Motion::Left);
    assert_eq!(
        shown(&buffer),
        "see [pasted 120 lines]|[pasted 120 lines, 2]end"
    );
    buffer.go(Motion::WordRight);
    assert_eq!(shown(&buffer), both);
    for delete in [
        Buffer::backspace as fn(&mut Buffer),
        |b| b.cut(Cut::WordLeft),
        |b| b.cut(Cut::BlankLeft),
    ] {
        delete(&mut buffer);
        assert_eq!(shown(&buffer), "see [pasted 120 lines]|end");
        assert_eq!(buffer.whole(), format!("see {}end", "line\n".repeat(120)));
        buffer.undo();
        assert_eq!(shown(&buffer), both);
    }
    buffer.go(Motion::Start);
    buffer.go(Motion::WordRight);
    buffer.go(Motion::Right);
    buffer.delete();
    assert_eq!(shown(&buffer), "see |[pasted 120 lines, 2]end");
}

#[test]
fn nothing_that_hides_or_stands_for_a_paste_comes_in() {
    let mut buffer = Buffer::default();
    buffer.insert("a\r\nb\u{1b}[31m\u{202e}\u{10f000}");
    buffer.typed('\u{7}');
    buffer.typed('\u{10f000}');
    assert_eq!(buffer.whole(), "a\nb[31m\u{fffd}");
    let mut folded = Buffer::default();
    folded.fold("\u{10f000}\u{1b}x");
    assert_eq!(folded.whole(), "\u{fffd}x");
    assert_eq!(Buffer::of("\u{10f001}").whole(), "\u{fffd}");
}
