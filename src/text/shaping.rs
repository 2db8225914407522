//! Where a joiner or a variation selector shapes what stands beside it, and so belongs to the text.
//!
//! The zero width joiner makes one sign of several emoji, and with the non-joiner it chooses the form of letters in
//! scripts that join (Persian plurals, Indic conjuncts). Anywhere else neither says anything, and hides.

/// Emoji, in the words of Unicode the extended pictographs (emoji-data.txt), by blocks: what is no emoji in them takes
/// no joiner in any text.
const PICTOGRAPHS: &[(char, char)] = &[
    ('\u{a9}', '\u{a9}'),
    ('\u{ae}', '\u{ae}'),
    ('\u{203c}', '\u{203c}'),
    ('\u{2049}', '\u{2049}'),
    ('\u{2122}', '\u{2122}'),
    ('\u{2139}', '\u{2139}'),
    ('\u{2194}', '\u{21aa}'),
    ('\u{231a}', '\u{23ff}'),
    ('\u{24c2}', '\u{24c2}'),
    ('\u{25aa}', '\u{25fe}'),
    ('\u{2600}', '\u{27bf}'),
    ('\u{2934}', '\u{2935}'),
    ('\u{2b05}', '\u{2b55}'),
    ('\u{3030}', '\u{303d}'),
    ('\u{3297}', '\u{3299}'),
    ('\u{1f000}', '\u{1f1e5}'),
    ('\u{1f200}', '\u{1f3fa}'),
    ('\u{1f400}', '\u{1faff}'),
];

/// Skin tones, which stand between an emoji and its joiner.
const TONES: &[(char, char)] = &[('\u{1f3fb}', '\u{1f3ff}')];

/// Scripts whose letters change with their neighbours, marks included (Scripts.txt, by blocks).
const JOINING: &[(char, char)] = &[
    // Arabic, Syriac, Thaana, N'Ko, Samaritan, Mandaic.
    ('\u{610}', '\u{8ff}'),
    // Devanagari to Sinhala.
    ('\u{900}', '\u{dff}'),
    // Tibetan, Myanmar.
    ('\u{f00}', '\u{109f}'),
    // Khmer, Mongolian.
    ('\u{1780}', '\u{18af}'),
    // Tai Tham, Balinese, Sundanese, Batak, Lepcha.
    ('\u{1a20}', '\u{1c4f}'),
    // Syloti Nagri, Phags-pa, Saurashtra, Devanagari Extended.
    ('\u{a800}', '\u{a8ff}'),
    // Javanese, Myanmar Extended.
    ('\u{a980}', '\u{aaff}'),
    // Meetei Mayek.
    ('\u{abc0}', '\u{abff}'),
    // Arabic presentation forms.
    ('\u{fb50}', '\u{fdff}'),
    ('\u{fe70}', '\u{fefe}'),
    // Brahmi and what came of it.
    ('\u{11000}', '\u{11fff}'),
    // Adlam.
    ('\u{1e900}', '\u{1e95f}'),
];

/// Makes one sign of what it stands between.
pub const JOINER: char = '\u{200d}';
const EMOJI_STYLE: char = '\u{fe0f}';
const KEYCAP: char = '\u{20e3}';

fn is_in(ranges: &[(char, char)], c: char) -> bool {
    ranges
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&c))
}

fn joins(c: char) -> bool {
    is_in(JOINING, c) && super::class(c) == super::Class::Plain
}

/// Whether `c`, a joiner or a variation selector, says something between these two.
pub(super) fn shapes(before: Option<char>, c: char, after: Option<char>) -> bool {
    let (Some(before), after) = (before, after.unwrap_or(' ')) else {
        return false;
    };
    let letters = joins(before) && joins(after);
    match c {
        EMOJI_STYLE => {
            let keycap = before.is_ascii_digit() || matches!(before, '#' | '*');
            is_in(PICTOGRAPHS, before) || keycap && after == KEYCAP
        }
        JOINER => {
            let emoji = is_in(PICTOGRAPHS, before) || is_in(TONES, before) || before == EMOJI_STYLE;
            letters || emoji && is_in(PICTOGRAPHS, after)
        }
        '\u{200c}' => letters,
        _ => false,
    }
}

/// Whether a grapheme is one sign of several emoji.
pub fn is_joined_emoji(grapheme: &str) -> bool {
    grapheme.contains(JOINER) && grapheme.starts_with(|c| is_in(PICTOGRAPHS, c))
}

#[cfg(test)]
mod tests {
    use super::super::prose;

    #[test]
    fn joiners_stay_where_they_shape_and_go_where_they_hide() {
        for kept in [
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "👩🏽\u{200d}🚀",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}\u{200d}🩹",
            "☎\u{fe0f} ©\u{fe0f} #\u{fe0f}\u{20e3}",
            "نامه\u{200c}ای",
            "क\u{94d}\u{200d}ष",
            "ක\u{dca}\u{200d}ර",
            "ᠠ\u{200d}ᠪ",
        ] {
            assert_eq!(prose(kept), kept);
        }
        for (said, shown) in [
            ("pass\u{200d}word", "password"),
            ("a\u{200c}b", "ab"),
            ("\u{200d}👩", "👩"),
            ("👩\u{200d}x", "👩x"),
            ("👩\u{200d}\u{200d}👩", "👩\u{200d}👩"),
            ("x\u{fe0f}", "x"),
            ("7\u{fe0f}", "7"),
            ("👩\u{fe0e}", "👩"),
            ("\u{202e}\u{200d}م", "<U+202E>م"),
            ("漢\u{fe00}", "漢"),
        ] {
            assert_eq!(prose(said), shown, "{said:?}");
        }
    }
}
