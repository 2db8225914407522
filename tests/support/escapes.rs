//! Text that acts on a terminal, hides, or misleads: the corpus of every test about control characters.

/// More than 500 cases, each as it comes, in no particular surroundings.
pub fn corpus() -> Vec<String> {
    let mut out = Vec::new();
    for introducer in ["\u{1b}[", "\u{9b}"] {
        for body in CSI {
            out.push(format!("{introducer}{body}"));
        }
    }
    for introducer in ["\u{1b}]", "\u{9d}"] {
        for body in OSC {
            for end in ["\u{7}", "\u{1b}\\", "\u{9c}", ""] {
                out.push(format!("{introducer}{body}{end}"));
            }
        }
    }
    // Device control, application, privacy, start of string.
    for introducer in [
        "\u{1b}P", "\u{90}", "\u{1b}_", "\u{9f}", "\u{1b}^", "\u{9e}", "\u{1b}X", "\u{98}",
    ] {
        for body in STRINGS {
            for end in ["\u{1b}\\", "\u{9c}", "\u{7}", ""] {
                out.push(format!("{introducer}{body}{end}"));
            }
        }
    }
    for last in "c78=>DEHMNOVWZlmno|}~#6#8(0)B *F".split_inclusive(|_| true) {
        out.push(format!("\u{1b}{last}"));
    }
    // Cut off in the middle.
    for part in [
        "\u{1b}",
        "\u{1b}[",
        "\u{1b}[3",
        "\u{1b}[38;5;",
        "\u{1b}]",
        "\u{1b}]8;;http",
        "\u{9b}",
        "\u{9b}1;",
        "\u{1b}\u{1b}[A",
    ] {
        out.push(part.to_owned());
    }
    // What terminals answer to questions, as if it had been typed.
    for reply in [
        "\u{1b}[24;80R",
        "\u{1b}[?62;22c",
        "\u{1b}]11;rgb:ffff/ffff/ffff\u{7}",
        "\u{1b}P1$r0m\u{1b}\\",
        "\u{1b}[200~rm -rf\n\u{1b}[201~",
    ] {
        out.push(reply.to_owned());
    }
    let alone = (0..0x20)
        .chain(0x7f..0xa0)
        .filter(|c| !matches!(c, 0x09 | 0x0a));
    out.extend(
        alone
            .chain(HIDDEN.iter().flat_map(|(from, to)| *from..=*to))
            .filter_map(char::from_u32)
            .map(String::from),
    );
    // Ill-formed UTF-8 as it comes out of a decoder: overlong, surrogates, cut off, beyond the last.
    for bytes in [
        &b"\xc0\x9b[31m"[..],
        b"\xe0\x80\x9b]0;x\x07",
        b"\xed\xa0\x80[2J",
        b"\xed\xb0\x80",
        b"\xf0\x80\x80\x9b",
        b"\xc2",
        b"\xf4\x90\x80\x80",
        b"\x9b31m",
        b"\x9d0;x\x9c",
        b"\xff\xfe\x1b[m",
    ] {
        out.push(String::from_utf8_lossy(bytes).into_owned());
    }
    out
}

const CSI: &[&str] = &[
    "2J",
    "3J",
    "H",
    "1;1H",
    "31m",
    "38;2;1;2;3m",
    "8m",
    "0;0;0;0;0;0;0;0m",
    "?1049h",
    "?1049l",
    "?25l",
    "?2004h",
    "?1000h",
    "?1003h",
    "?2026h",
    "6n",
    "5n",
    "?6n",
    "c",
    ">c",
    "=c",
    "0x",
    "s",
    "u",
    "r",
    "1;5r",
    "1000A",
    "1000B",
    "10C",
    "10D",
    "5G",
    "10S",
    "10T",
    "4i",
    "5i",
    "!p",
    "21t",
    "8;1;1t",
    "14t",
    "1 q",
    "2K",
    "5P",
    "5X",
    "5@",
    "5L",
    "5M",
    "1$r",
    "?1$p",
    ">4;2m",
    "<u",
    ">1u",
    "20h",
    "4h",
    "1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17m",
];

const OSC: &[&str] = &[
    "0;title",
    "1;icon",
    "2;title",
    "8;;https://evil.example",
    "8;id=1;file:///etc/passwd",
    "8;;",
    "52;c;ZXZpbA==",
    "52;p;?",
    "4;1;?",
    "10;?",
    "11;?",
    "12;red",
    "9;note",
    "777;notify;a;b",
    "1337;File=inline=1:AAAA",
    "133;A",
    "7;file://host/",
    "104",
    "112",
    "50;font",
    "633;E;rm",
    "99;;note",
    "3008;start=x",
];

const STRINGS: &[&str] = &[
    "q",
    "$qm",
    "+q544e",
    "tmux;\u{1b}\u{1b}]52;c;AA==\u{7}",
    "Gf=24,a=T;AAAA",
    "0;1|17/ab",
    "=1s",
];

/// Ranges of code points that change the order, take no cell, or cannot be seen.
const HIDDEN: &[(u32, u32)] = &[
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x600, 0x605),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff9, 0xfffb),
    (0x1d173, 0x1d17a),
    (0xe0001, 0xe0001),
    (0xe0020, 0xe007f),
    (0xe0100, 0xe0110),
];

/// What is left of `sent` to a terminal when the sequences we write ourselves are taken out, if it acts or hides.
/// `allowed` are characters that may stand.
pub fn leaks(sent: &str, allowed: &[char], is_unsafe: fn(char) -> bool) -> Option<String> {
    let ours = regex::Regex::new(
        "\u{1b}\\[[0-9;:]*[mHJKGX]|\u{1b}\\[\\?(25|1049|2004|1000|1002|1003|1006|2026|1004|2027|2031|u|7)[hl]?|\u{1b}\\[[<>=]?[0-9]*u|\u{1b}\\[[0-9 ]*q|\u{1b}\\]8;(id=[0-9]+)?;((https?|mailto|file):[!-~]+)?\u{1b}\\\\|\u{1b}\\[c|\u{1b}\\]11;\\?(\u{1b}\\\\|\u{7})|\u{1b}\\[>[0-9]*q|\u{1b}\\[[?]?[0-9]*n",
    );
    let rest = ours.unwrap().replace_all(sent, "").into_owned();
    let bad = |c: char| !allowed.contains(&c) && (c.is_control() || is_unsafe(c));
    let at = rest.char_indices().find(|(_, c)| bad(*c))?.0;
    Some(
        rest.get(at..)
            .unwrap_or_default()
            .chars()
            .take(60)
            .flat_map(char::escape_debug)
            .collect(),
    )
}
