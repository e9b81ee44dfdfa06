//! What has to happen to a template's text before minijinja's parser can read it: dbt's own blocks and the few forms
//! of Jinja2 that minijinja lacks are replaced, and unbalanced blocks are found where they were opened.
//!
//! Works on minijinja's tokens, so comments, raw blocks and strings are never touched.

use std::ops::Range;
use std::sync::Arc;

use minijinja::machinery::{Token, tokenize};

use crate::base::diagnostic::Diagnostic;
use crate::template::syntax::{Origin, Span};

/// A template's text after rewriting, and the way back to the positions of the original.
pub(super) struct Rewritten {
    pub text: String,
    /// For each edit: where its replacement ends in the new text, and where the replaced text ends in the old one.
    edits: Vec<Edit>,
}

struct Edit {
    new: Range<usize>,
    old: Range<usize>,
}

impl Rewritten {
    /// The original span of a range of the new text.
    pub fn original(&self, range: Range<usize>) -> Span {
        Span { start: self.position(range.start, false), end: self.position(range.end, true) }
    }

    fn position(&self, offset: usize, is_end: bool) -> usize {
        let index = self.edits.partition_point(|edit| edit.new.start <= offset);
        let Some(edit) = index.checked_sub(1).and_then(|index| self.edits.get(index)) else { return offset };
        if offset < edit.new.end {
            // Inside a replacement there is no exact position: its edges stand for it.
            return if is_end { edit.old.end } else { edit.old.start };
        }
        offset - edit.new.end + edit.old.end
    }
}

/// A word of a block's header with its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderToken {
    /// The text of a name; `None` for anything else.
    pub name: Option<String>,
    /// Its bytes.
    pub range: Range<usize>,
}

/// A tag `{% … %}` as the scan sees it.
struct Tag {
    keyword: String,
    keyword_range: Range<usize>,
    /// From `{%` to `%}`.
    range: Range<usize>,
    tokens: Vec<HeaderToken>,
    /// Whether the tag has an `=` outside of brackets.
    assigns: bool,
    /// A `:` right before the end, outside of brackets.
    trailing_colon: Option<Range<usize>>,
}

/// A block of dbt (`snapshot`, `test`, `materialization`) found in a file.
#[derive(Debug)]
pub struct ScannedBlock {
    /// Keyword of the opening tag.
    pub keyword: String,
    /// The header's words after the keyword.
    pub header: Vec<HeaderToken>,
    /// From the opening to the closing tag.
    pub range: Range<usize>,
    /// Between the tags.
    pub body: Range<usize>,
}

/// The blocks of the given keywords at the top level of a text, and what is wrong with its tags.
pub fn scan_blocks(text: &str, origin: &Origin, keywords: &[&str]) -> (Vec<ScannedBlock>, Vec<Diagnostic>) {
    let (tags, error) = tags_of(text, origin);
    let mut diagnostics: Vec<Diagnostic> = error.into_iter().collect();
    let mut blocks = Vec::new();
    let mut open: Option<(Tag, String)> = None;
    for tag in tags {
        match open.take() {
            Some((opening, closing)) if tag.keyword == closing => blocks.push(ScannedBlock {
                keyword: opening.keyword,
                header: opening.tokens,
                range: opening.range.start..tag.range.end,
                body: opening.range.end..tag.range.start,
            }),
            Some(other) => open = Some(other),
            None if keywords.contains(&tag.keyword.as_str()) => {
                let closing = format!("end{}", tag.keyword);
                open = Some((tag, closing));
            }
            None => {}
        }
    }
    if let Some((opening, _)) = open {
        diagnostics.push(never_closed(&opening, origin));
    }
    (blocks, diagnostics)
}

fn never_closed(opening: &Tag, origin: &Origin) -> Diagnostic {
    let keyword = &opening.keyword;
    Diagnostic::error("jinja-syntax", format!("`{{% {keyword} %}}` is never closed"))
        .at(origin.location(span_of(&opening.range)), "opened here")
        .with_hint(format!("add `{{% end{keyword} %}}`"))
}

pub(super) fn span_of(range: &Range<usize>) -> Span {
    Span { start: range.start, end: range.end }
}

/// Longest run of operators without a comma between them: the parser and the evaluator recurse once per operator.
const LONGEST_CHAIN: usize = 300;

/// All tags up to the first error of the lexer.
fn tags_of(text: &str, origin: &Origin) -> (Vec<Tag>, Option<Diagnostic>) {
    let mut tags = Vec::new();
    let mut current: Option<Tag> = None;
    let mut depth = 0_usize;
    let mut colon = None;
    let mut start = 0;
    let mut chain = 0_usize;
    for token in tokenize(text, false, minijinja::syntax::SyntaxConfig::default()) {
        let (token, span) = match token {
            Ok(found) => found,
            Err(error) => {
                let range = error.range().unwrap_or(text.len()..text.len());
                return (tags, Some(lexer_error(&error, range, origin, current.as_ref())));
            }
        };
        let range = span.start_offset as usize..span.end_offset as usize;
        chain = match &token {
            Token::Ident(word) if !matches!(*word, "and" | "or" | "not" | "in" | "is" | "if" | "else") => chain,
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_) => chain,
            Token::Comma | Token::Colon | Token::VariableStart | Token::BlockStart => 0,
            _ => chain + 1,
        };
        if chain > LONGEST_CHAIN {
            let message = format!("an expression has more than {LONGEST_CHAIN} operators in a row");
            let diagnostic = Diagnostic::error("jinja-limit", message).at(origin.location(span_of(&range)), "");
            return (tags, Some(diagnostic.with_hint("build long texts with a loop or a `join` filter")));
        }
        let Some(tag) = current.as_mut() else {
            match token {
                Token::BlockStart => {
                    start = range.start;
                    depth = 0;
                    colon = None;
                    current = Some(Tag {
                        keyword: String::new(),
                        keyword_range: range.end..range.end,
                        range: start..start,
                        tokens: Vec::new(),
                        assigns: false,
                        trailing_colon: None,
                    });
                }
                Token::VariableStart => start = range.start,
                _ => {}
            }
            continue;
        };
        let was_colon = colon.take();
        match token {
            Token::BlockEnd => {
                tag.range = start..range.end;
                tag.trailing_colon = was_colon;
                tags.extend(current.take());
                continue;
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => depth = depth.saturating_sub(1),
            Token::Assign if depth == 0 => tag.assigns = true,
            Token::Colon if depth == 0 => colon = Some(range.clone()),
            Token::Ident(name) if tag.keyword.is_empty() => {
                name.clone_into(&mut tag.keyword);
                tag.keyword_range = range;
                continue;
            }
            _ => {}
        }
        let name = match token {
            Token::Ident(name) => Some(name.to_owned()),
            _ => None,
        };
        tag.tokens.push(HeaderToken { name, range });
    }
    (tags, None)
}

fn lexer_error(error: &minijinja::Error, range: Range<usize>, origin: &Origin, open: Option<&Tag>) -> Diagnostic {
    let detail = error.detail().unwrap_or("the template cannot be read");
    let mut diagnostic = Diagnostic::error("jinja-syntax", detail.trim_end_matches('.').to_owned())
        .at(origin.location(span_of(&range)), "");
    if let Some(tag) = open.filter(|tag| !tag.keyword.is_empty()) {
        let place = origin.location(span_of(&tag.keyword_range));
        diagnostic = diagnostic.at(place, format!("in this `{}` tag", tag.keyword));
    }
    diagnostic
}

/// Which blocks a keyword opens, as the keyword that closes it.
fn closing_keyword(tag: &Tag) -> Option<&'static str> {
    match tag.keyword.as_str() {
        "if" => Some("endif"),
        "for" => Some("endfor"),
        "with" => Some("endwith"),
        "macro" => Some("endmacro"),
        "call" => Some("endcall"),
        "filter" => Some("endfilter"),
        "autoescape" => Some("endautoescape"),
        "block" => Some("endblock"),
        "test" => Some("endtest"),
        "data_test" => Some("enddata_test"),
        "materialization" => Some("endmaterialization"),
        "set" if !tag.assigns => Some("endset"),
        _ => None,
    }
}

/// Rewrites a template's text for minijinja's parser.
pub(super) fn rewrite(text: &str, origin: &Arc<Origin>) -> Result<Rewritten, Box<Diagnostic>> {
    let (tags, error) = tags_of(text, origin);
    if let Some(diagnostic) = error {
        return Err(Box::new(diagnostic));
    }
    check_balance(&tags, origin)?;
    let mut replacements: Vec<(Range<usize>, String)> = Vec::new();
    for tag in &tags {
        let keyword = tag.keyword_range.clone();
        match tag.keyword.as_str() {
            // minijinja's `do` takes calls only; the lowering knows the name of this variable.
            "do" => replacements.push((keyword, format!("set {DO_TARGET} ="))),
            "test" | "data_test" => {
                replacements.push((keyword, "macro".to_owned()));
                let Some(name) = tag.tokens.first().filter(|token| token.name.is_some()) else {
                    let diagnostic = Diagnostic::error("jinja-syntax", "a test block needs a name");
                    return Err(Box::new(diagnostic.at(origin.location(span_of(&tag.range)), "")));
                };
                replacements.push((name.range.start..name.range.start, "test_".to_owned()));
            }
            "endtest" | "enddata_test" | "endmaterialization" => {
                replacements.push((keyword, "endmacro".to_owned()));
            }
            "materialization" => {
                let name = tag.tokens.first().and_then(|token| token.name.clone()).unwrap_or_default();
                let end = tag.tokens.last().map_or(keyword.end, |token| token.range.end);
                let adapter = adapter_of(text.get(keyword.end..end).unwrap_or_default());
                replacements.push((keyword.start..end, format!("macro materialization_{name}_{adapter}()")));
            }
            "if" | "elif" | "else" | "for" => {
                if let Some(colon) = &tag.trailing_colon {
                    replacements.push((colon.clone(), String::new()));
                }
            }
            _ => {}
        }
    }
    let mut rewritten = Rewritten { text: String::with_capacity(text.len() + 64), edits: Vec::new() };
    let mut done = 0;
    for (old, replacement) in replacements {
        rewritten.text.push_str(&text[done..old.start]);
        let start = rewritten.text.len();
        rewritten.text.push_str(&replacement);
        done = old.end;
        rewritten.edits.push(Edit { new: start..rewritten.text.len(), old });
    }
    rewritten.text.push_str(&text[done..]);
    Ok(rewritten)
}

/// The adapter of `{% materialization name, adapter='duckdb' %}`; `default` without one.
fn adapter_of(arguments: &str) -> &str {
    let quoted = arguments.split_once("adapter").and_then(|(_, rest)| rest.trim_start().strip_prefix('='));
    let name = quoted.and_then(|rest| rest.split(['\'', '"']).nth(1));
    name.filter(|name| name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')).unwrap_or("default")
}

/// Name of the variable that `{% do %}` is rewritten to assign to.
pub(super) const DO_TARGET: &str = "__karat_do";

fn check_balance(tags: &[Tag], origin: &Arc<Origin>) -> Result<(), Box<Diagnostic>> {
    let mut open: Vec<(&Tag, &'static str)> = Vec::new();
    for tag in tags {
        if let Some(closing) = closing_keyword(tag) {
            open.push((tag, closing));
        } else if tag.keyword.starts_with("end") {
            match open.pop() {
                Some((_, closing)) if closing == tag.keyword => {}
                Some((opening, closing)) => {
                    let message = format!("`{}` cannot close `{}`, expected `{closing}`", tag.keyword, opening.keyword);
                    return Err(Box::new(
                        Diagnostic::error("jinja-syntax", message)
                            .at(origin.location(span_of(&tag.range)), "")
                            .at(origin.location(span_of(&opening.range)), "opened here"),
                    ));
                }
                None => {
                    let message = format!("`{{% {} %}}` closes nothing", tag.keyword);
                    return Err(Box::new(
                        Diagnostic::error("jinja-syntax", message).at(origin.location(span_of(&tag.range)), ""),
                    ));
                }
            }
        }
    }
    match open.pop() {
        Some((opening, _)) => Err(Box::new(never_closed(opening, origin))),
        None => Ok(()),
    }
}
