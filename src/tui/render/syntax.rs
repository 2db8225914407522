//! Which part of a line of code is what: keyword, string, comment.
//!
//! The grammars are bat's, by `two-face`, and run on `syntect`'s parser. It knows nothing of colours; a
//! theme has a style for every [`Token`]. Loading the grammars takes tens of milliseconds, so the loop does it on
//! another thread when a patch first appears; until then, and for files no grammar knows, lines stay plain.

use crate::patch::{FilePlan, Hunk, LineKind};
use std::ops::Range;
use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

/// What a theme can give a colour to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    Comment,
    Constant,
    Function,
    Keyword,
    String,
    Type,
}

/// Scope prefixes, the more specific first; a scope of none of them takes what encloses it. An operator and a
/// variable are plain: a line in which all is coloured has no colour.
const SCOPES: &[(&str, Option<Token>)] = &[
    ("comment", Some(Token::Comment)),
    ("string", Some(Token::String)),
    ("constant", Some(Token::Constant)),
    ("keyword.operator", None),
    ("keyword", Some(Token::Keyword)),
    ("storage", Some(Token::Keyword)),
    ("entity.name.function", Some(Token::Function)),
    ("entity.name.tag", Some(Token::Keyword)),
    ("entity.other.attribute-name", Some(Token::Function)),
    ("support.function", Some(Token::Function)),
    ("variable.function", Some(Token::Function)),
    ("entity.name", Some(Token::Type)),
    ("entity.other.inherited-class", Some(Token::Type)),
    ("support.type", Some(Token::Type)),
    ("support.class", Some(Token::Type)),
];

/// Lines above a hunk that are read for the state it begins in: a comment or a string over more lines than
/// this is coloured wrongly, and nothing else.
const LEAD: usize = 300;
/// Lines of a hunk that are coloured.
const MOST_LINES: usize = 1_000;
/// Longer lines are generated; a grammar may take long over them.
const MOST_COLUMNS: usize = 500;

/// Lines of one text that are coloured.
const MOST_CODE: usize = 5_000;
/// What models write after a fence, and no grammar is called.
const ALIASES: &[(&str, &str)] = &[
    ("shell", "sh"),
    ("console", "sh"),
    ("golang", "go"),
    ("csharp", "cs"),
    ("c#", "cs"),
    ("jsonc", "json"),
    ("docker", "dockerfile"),
    ("node", "js"),
    ("python3", "py"),
    ("plaintext", "txt"),
    ("text", "txt"),
];

/// Bytes of a line, and what they are. Ascending; what is left out is plain.
pub type Tokens = Vec<(Range<usize>, Token)>;

/// The tokens of a hunk's lines, in the order of [`Hunk::lines`]; shorter where lines are plain.
pub type HunkTokens = Vec<Tokens>;

pub struct Grammars {
    set: SyntaxSet,
    scopes: Vec<(Scope, Option<Token>)>,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    /// Takes tens of milliseconds.
    pub fn load() -> Grammars {
        let scopes = SCOPES
            .iter()
            .filter_map(|(name, token)| Some((Scope::new(name).ok()?, *token)))
            .collect();
        Grammars {
            set: two_face::syntax::extra_newlines(),
            scopes,
        }
    }

    /// By the file's whole name (`Makefile`), its extension, or its first line (`#!/bin/sh`).
    fn grammar(&self, path: &str, first_line: &str) -> Option<&SyntaxReference> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        self.set
            .find_syntax_by_extension(name)
            .or_else(|| self.set.find_syntax_by_extension(extension?))
            .or_else(|| self.set.find_syntax_by_first_line(first_line))
    }

    /// The tokens of a hunk: its old side read after the lines above it in the pre-image, its new side after
    /// those in the post-image, as far as the plan holds them.
    pub fn hunk(&self, file: &FilePlan, hunk: &Hunk) -> HunkTokens {
        // Images are UTF-8, so this copies nothing.
        let (old, new) = (
            String::from_utf8_lossy(file.pre.as_deref().unwrap_or_default()),
            String::from_utf8_lossy(file.post.as_deref().unwrap_or_default()),
        );
        let first_line = [&old, &new]
            .into_iter()
            .find_map(|text| text.lines().next())
            .or_else(|| hunk.lines.first().map(|line| line.text.as_str()))
            .unwrap_or_default();
        let path = file.target.as_ref().unwrap_or(&file.path);
        let Some(grammar) = self.grammar(path.as_str(), first_line) else {
            return HunkTokens::new();
        };
        let side = |without: LineKind, image: &str, start: usize| {
            let lines: Vec<&str> = hunk
                .lines
                .iter()
                .filter(|line| line.kind != without)
                .map(|line| line.text.as_str())
                .collect();
            let first = start.saturating_sub(1);
            let skipped = first.saturating_sub(LEAD);
            let lead = image.lines().skip(skipped).take(first - skipped);
            self.lines(grammar, lead, &lines)
        };
        let mut old = side(LineKind::Added, &old, hunk.old_start).into_iter();
        let mut new = side(LineKind::Removed, &new, hunk.new_start).into_iter();
        hunk.lines
            .iter()
            .map(|line| match line.kind {
                LineKind::Removed => old.next(),
                LineKind::Added => new.next(),
                LineKind::Context => {
                    old.next();
                    new.next()
                }
            })
            .map(Option::unwrap_or_default)
            .collect()
    }

    /// The tokens of `lines`, after `lead`.
    fn lines<'a>(
        &self,
        grammar: &SyntaxReference,
        lead: impl Iterator<Item = &'a str>,
        lines: &[&str],
    ) -> Vec<Tokens> {
        let mut state = CodeState::of(grammar);
        for line in lead {
            if self.code_line(&mut state, line).is_none() {
                return Vec::new();
            }
        }
        lines
            .iter()
            .take(MOST_LINES)
            .map_while(|line| self.code_line(&mut state, line))
            .collect()
    }

    /// Where code in a language begins, by what a model calls it after a fence.
    pub fn code(&self, language: &str) -> Option<CodeState> {
        let name = language.to_ascii_lowercase();
        let name = ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name.as_str(), |(_, known)| known);
        let grammar = self
            .set
            .find_syntax_by_token(name)
            .filter(|_| !name.is_empty())?;
        Some(CodeState::of(grammar))
    }

    /// The tokens of the next line; `None` when the grammar fails or read enough, and then for good.
    pub fn code_line(&self, code: &mut CodeState, line: &str) -> Option<Tokens> {
        if code.lines >= MOST_CODE {
            return None;
        }
        code.lines += 1;
        if line.len() > MOST_COLUMNS {
            return Some(Tokens::new());
        }
        let tokens = code.line(self, line);
        if tokens.is_none() {
            code.lines = MOST_CODE;
        }
        tokens
    }

    fn token(&self, stack: &ScopeStack) -> Option<Token> {
        let of = |scope: &Scope| {
            self.scopes
                .iter()
                .find(|(prefix, _)| prefix.is_prefix_of(*scope))
                .map(|(_, token)| *token)
        };
        stack.as_slice().iter().rev().find_map(of).flatten()
    }
}

/// What a grammar knows after the lines so far.
#[derive(Debug, Clone)]
pub struct CodeState {
    state: ParseState,
    stack: ScopeStack,
    lines: usize,
}

impl CodeState {
    fn of(grammar: &SyntaxReference) -> CodeState {
        CodeState {
            state: ParseState::new(grammar),
            stack: ScopeStack::new(),
            lines: 0,
        }
    }

    fn line(&mut self, grammars: &Grammars, line: &str) -> Option<Tokens> {
        // These grammars want to see the newline.
        let text = format!("{line}\n");
        let ops = self.state.parse_line(&text, &grammars.set).ok()?;
        let mut tokens = Tokens::new();
        let mut at = 0;
        let mut push = |range: Range<usize>, token: Option<Token>| {
            let range = range.start..range.end.min(line.len());
            let Some(token) = token.filter(|_| !range.is_empty()) else {
                return;
            };
            match tokens.last_mut() {
                Some((last, same)) if *same == token && last.end == range.start => {
                    last.end = range.end;
                }
                _ => tokens.push((range, token)),
            }
        };
        for (end, op) in ops {
            push(at..end, grammars.token(&self.stack));
            self.stack.apply(&op).ok()?;
            at = end;
        }
        push(at..line.len().max(at), grammars.token(&self.stack));
        Some(tokens)
    }
}

#[cfg(test)]
mod tests;
