//! Any text made safe is safe, and what was safe stays as it is.

#![no_main]

use descant::text;
use libfuzzer_sys::fuzz_target;

fn is_safe(text: &str, allowed: &[char]) -> bool {
    text.chars()
        .all(|c| allowed.contains(&c) || !text::is_unsafe(c))
}

fuzz_target!(|input: &str| {
    let visible = text::visible(input);
    assert!(is_safe(&visible, &['\n', '\t']));
    assert_eq!(text::visible(&visible), visible, "once is enough");
    let prose = text::prose(input);
    assert!(is_safe(&prose, &['\n']));
    assert_eq!(text::prose(&prose), prose, "once is enough");
    assert!(is_safe(&text::label(input), &[]));
    assert!(is_safe(&text::typed(input), &['\n', '\t']));
    let (exact, origin) = text::exact_with_origin(input);
    assert!(is_safe(&exact, &[]));
    assert_eq!(exact.len(), origin.len());
    assert!(origin.iter().all(|at| input.is_char_boundary(*at)));
    assert!(origin.is_sorted());
});
