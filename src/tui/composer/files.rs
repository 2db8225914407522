//! Which of the folder's files a few letters mean: the match behind `@`.
//!
//! It runs on a thread of its own, over a list that nobody changes; a search that nobody waits for any more
//! ends by itself.

use crate::agent::FileList;
use crate::tui::composer::FileMatch;
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use std::cmp::Reverse;

/// Names between two looks at whether the search is still wanted.
const STRIDE: usize = 2048;

/// The `most` best, best first; without a query the ones nearest to the root. `None`: not wanted any more.
pub fn best(
    list: &FileList,
    query: &str,
    most: usize,
    wanted: impl Fn() -> bool,
) -> Option<Vec<FileMatch>> {
    let mut matcher = Matcher::new(Config::DEFAULT.match_paths());
    let pattern = Pattern::new(
        query,
        CaseMatching::Smart,
        Normalization::Smart,
        AtomKind::Fuzzy,
    );
    let mut characters = Vec::new();
    let mut found = Vec::new();
    for (at, path) in list.paths.iter().enumerate() {
        if at % STRIDE == 0 && !wanted() {
            return None;
        }
        let score = if query.is_empty() {
            Some(0)
        } else {
            pattern.score(Utf32Str::new(path, &mut characters), &mut matcher)
        };
        if let Some(score) = score {
            let depth = path.trim_end_matches('/').matches('/').count();
            let near = if query.is_empty() { depth } else { 0 };
            found.push((Reverse(score), near, path.len(), at));
        }
    }
    if found.len() > most {
        found.select_nth_unstable(most);
        found.truncate(most);
    }
    found.sort_unstable();
    let matches = found.into_iter().filter_map(|(_, _, _, at)| {
        let path = list.paths.get(at)?;
        let mut hits = Vec::new();
        let text = Utf32Str::new(path, &mut characters);
        pattern.indices(text, &mut matcher, &mut hits);
        hits.sort_unstable();
        hits.dedup();
        Some(FileMatch {
            path: path.clone(),
            hits,
        })
    });
    Some(matches.collect())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    fn names(paths: &[&str], query: &str) -> Vec<String> {
        let list = FileList {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
            whole: true,
        };
        let found = best(&list, query, 8, || true).unwrap();
        found.into_iter().map(|m| m.path).collect()
    }

    #[test]
    fn letters_find_files_and_folders_best_first() {
        let paths = [
            "docs/",
            "docs/composer.md",
            "src/",
            "src/tui/",
            "src/tui/composer.rs",
            "src/tui/composer/",
            "src/main.rs",
            "README.md",
        ];
        assert_eq!(names(&paths, "main"), ["src/main.rs"]);
        assert_eq!(names(&paths, "tuicomp")[..1], ["src/tui/composer/"]);
        assert_eq!(names(&paths, "composer.rs"), ["src/tui/composer.rs"]);
        assert_eq!(names(&paths, "README"), ["README.md"]);
        assert_eq!(
            names(&paths, "readme"),
            ["README.md"],
            "small letters match all"
        );
        assert_eq!(names(&paths, "Main"), [""; 0], "capitals only themselves");
        assert_eq!(names(&paths, "zzz"), [""; 0]);
        assert_eq!(names(&paths, "")[..3], ["src/", "docs/", "README.md"]);
    }

    #[test]
    fn the_letters_that_match_are_named() {
        let list = FileList {
            paths: vec!["src/漢/main.rs".into()],
            whole: true,
        };
        let found = best(&list, "漢main", 8, || true).unwrap();
        assert_eq!(found[0].hits, [4, 6, 7, 8, 9]);
    }

    #[test]
    fn a_search_that_nobody_wants_ends() {
        let list = FileList {
            paths: vec!["a".into(); 10_000],
            whole: true,
        };
        let looks = std::cell::Cell::new(0);
        let wanted = || {
            looks.set(looks.get() + 1);
            looks.get() < 3
        };
        assert_eq!(best(&list, "a", 8, wanted), None);
        assert_eq!(looks.get(), 3);
    }
}
