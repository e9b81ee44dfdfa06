//! Ephemeral models become common table expressions of the query that uses them.

use std::ops::Range;

/// A text put together from pieces of several templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The text.
    pub sql: String,
    /// Where each piece went: bytes of the text, which template (0 is the query itself), and where in its rendering.
    pub pieces: Vec<Piece>,
}

/// A piece of an [`Assembled`] text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Bytes of the assembled text.
    pub range: Range<usize>,
    /// 0 for the query, 1 and more for the expressions in their order.
    pub origin: usize,
    /// Offset of the piece in its origin's rendering.
    pub offset: usize,
}

impl Assembled {
    /// Where a byte of the text comes from.
    pub fn locate(&self, range: &Range<usize>) -> Option<(usize, Range<usize>)> {
        let piece = self
            .pieces
            .iter()
            .find(|piece| piece.range.start <= range.start && range.start < piece.range.end.max(1))?;
        let shift = |at: usize| piece.offset + (at.clamp(piece.range.start, piece.range.end) - piece.range.start);
        Some((piece.origin, shift(range.start)..shift(range.end)))
    }
}

/// Name of the common table expression of an ephemeral model; dbt's.
pub fn cte_name(model: &str) -> String {
    format!("__dbt__cte__{model}")
}

/// Puts common table expressions (name and SQL, each after those it uses) in front of a query, merging with a `with`
/// that it has already.
pub fn inline(query: &str, expressions: &[(String, String)]) -> Assembled {
    let mut assembled = Assembled { sql: String::new(), pieces: Vec::new() };
    let head = leading_with(query);
    let split = head.as_ref().map_or_else(|| skip_blanks(query, 0), |head| head.end);
    if expressions.is_empty() {
        assembled.add(query, 0, 0);
        return assembled;
    }
    assembled.add(&query[..split], 0, 0);
    if head.is_none() {
        assembled.sql.push_str("with");
    }
    for (index, (name, sql)) in expressions.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        assembled.sql.push_str(&format!("{comma} {} as (\n", crate::base::ident::quote(name)));
        assembled.add(trim_statement(sql), index + 1, 0);
        assembled.sql.push_str("\n)");
    }
    assembled.sql.push_str(if head.is_some() { ", " } else { "\n" });
    assembled.add(&query[split..], 0, split);
    assembled
}

impl Assembled {
    fn add(&mut self, text: &str, origin: usize, offset: usize) {
        let start = self.sql.len();
        self.sql.push_str(text);
        self.pieces.push(Piece { range: start..self.sql.len(), origin, offset });
    }
}

/// A statement without the blanks and semicolons at its end.
pub fn trim_statement(sql: &str) -> &str {
    sql.trim_end_matches(|character: char| character.is_whitespace() || character == ';')
}

/// The offset of the first byte that is neither blank nor comment.
fn skip_blanks(sql: &str, from: usize) -> usize {
    let mut at = from;
    loop {
        let rest = &sql[at..];
        let blank = rest.len() - rest.trim_start().len();
        let rest = &rest[blank..];
        let comment = if rest.starts_with("--") {
            rest.find('\n').map_or(rest.len(), |end| end + 1)
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else {
            0
        };
        at += blank + comment;
        if comment == 0 {
            return at;
        }
    }
}

/// The bytes of a leading `with` or `with recursive`.
fn leading_with(sql: &str) -> Option<Range<usize>> {
    let start = skip_blanks(sql, 0);
    let mut end = keyword(sql, start, "with")?;
    if let Some(recursive) = keyword(sql, skip_blanks(sql, end), "recursive") {
        end = recursive;
    }
    Some(start..end)
}

fn keyword(sql: &str, at: usize, word: &str) -> Option<usize> {
    let found = sql.get(at..at + word.len())?;
    let ends = sql[at + word.len()..].chars().next().is_none_or(|next| !(next.is_alphanumeric() || next == '_'));
    (found.eq_ignore_ascii_case(word) && ends).then_some(at + word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_go_before_the_query_or_into_its_with() {
        let one = [("__dbt__cte__a".to_owned(), "select 1 as x;\n".to_owned())];
        let plain = inline("-- why\nselect * from \"__dbt__cte__a\"", &one);
        assert_eq!(plain.sql, "-- why\nwith \"__dbt__cte__a\" as (\nselect 1 as x\n)\nselect * from \"__dbt__cte__a\"");
        let merged = inline("With Recursive b as (select 2) select * from b", &one);
        assert_eq!(
            merged.sql,
            "With Recursive \"__dbt__cte__a\" as (\nselect 1 as x\n),  b as (select 2) select * from b"
        );
        assert_eq!(inline("with_x", &[]).sql, "with_x");
    }

    #[test]
    fn a_place_in_the_text_is_found_in_its_template() {
        let one = [("__dbt__cte__a".to_owned(), "select bad".to_owned())];
        let text = inline("select worse from a", &one);
        let bad = text.sql.find("bad").unwrap();
        assert_eq!(text.locate(&(bad..bad + 3)), Some((1, 7..10)));
        let worse = text.sql.find("worse").unwrap();
        assert_eq!(text.locate(&(worse..worse + 5)), Some((0, 7..12)));
    }
}
