//! What was probably meant by a word that is none.

/// The candidate that `word` begins, else the one with the least edit distance; the first of equals.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> &'a str {
    candidates
        .min_by_key(|c| {
            if c.starts_with(word) {
                0
            } else {
                distance(word, c)
            }
        })
        .unwrap_or_default()
}

/// Twice Levenshtein's distance in characters, and one more where the first letters differ.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    let cost = row.last().copied().unwrap_or_default() * 2;
    let same_start = a.chars().next() == b.first().copied();
    cost + usize::from(!same_start)
}
