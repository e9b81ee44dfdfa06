//! The tokens of SQL, with spellings of other databases that the parser does not read written as it reads them.
//!
//! A token that is put in has the place of the one that it stands for, so that errors still point into the user's SQL.
//! What can be told apart only in the parsed statement is the work of [`dialect`](super::dialect).

use std::mem;
use std::ops::ControlFlow;

use datafusion::common::config::Dialect as Name;
use datafusion::common::{Result as EngineResult, plan_err};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, ExactNumberInfo, Expr, UnaryOperator, Value, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect, dialect_from_str};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{
    Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace, Word,
};

use crate::base::limits;
use crate::engine::dialect::build;

/// How SQL is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    name: Name,
    caret_is_power: bool,
}

/// The function that a lambda is written as: its parameters, then its body.
pub(super) const LAMBDA: &str = "__lambda";

/// Functions over lists whose arguments behind the first may be lambdas, and the name that the engine has for them.
pub(super) const OVER_LISTS: &[(&str, &str)] = &[
    ("list_transform", "array_transform"),
    ("list_apply", "array_transform"),
    ("array_transform", "array_transform"),
    ("array_apply", "array_transform"),
    ("apply", "array_transform"),
    ("transform", "array_transform"),
    ("list_filter", "array_filter"),
    ("array_filter", "array_filter"),
    ("filter", "array_filter"),
    ("list_any_match", "array_any_match"),
    ("array_any_match", "array_any_match"),
    ("any_match", "array_any_match"),
    ("list_reduce", "list_reduce"),
    ("array_reduce", "list_reduce"),
    ("reduce", "list_reduce"),
];

impl Syntax {
    /// The syntax with the parser's dialect of a name. Whether `^` is a power (`DuckDB`, Postgres) or exclusive or
    /// (`BigQuery`, Databricks, `MySQL`) is a matter of the database.
    pub fn new(name: Name, caret_is_power: bool) -> Self {
        Self { name, caret_is_power }
    }

    fn dialect(self) -> Box<dyn Dialect> {
        dialect_from_str(self.name).unwrap_or_else(|| Box::new(GenericDialect {}))
    }

    /// The tokens of a text.
    pub fn tokens(self, sql: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
        let tokens = Tokenizer::new(self.dialect().as_ref(), sql).tokenize_with_location()?;
        Ok(Writer { tokens, caret_is_power: self.caret_is_power }.written())
    }

    /// Reads the tokens of one statement.
    pub fn statement(self, tokens: Vec<TokenWithSpan>) -> EngineResult<Statement> {
        let dialect = self.dialect();
        let mut statements = DFParserBuilder::new(tokens)
            .with_dialect(dialect.as_ref())
            .with_recursion_limit(limits::SQL_RECURSION)
            .build()?
            .parse_statements()?;
        let Some(mut statement) = statements.pop_front() else { return plan_err!("there is no statement") };
        if let Statement::Statement(inner) = &mut statement {
            powers(inner.as_mut());
        }
        Ok(statement)
    }

    /// Reads a text, or what of it the parser is asked for.
    pub fn parse<T: VisitMut>(
        self,
        sql: &str,
        read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<T, ParserError> {
        self.parse_tokens(self.tokens(sql)?, read).map(|(read, _)| read)
    }

    /// Reads tokens, and gives the one behind what was read.
    pub fn parse_tokens<T: VisitMut>(
        self,
        tokens: Vec<TokenWithSpan>,
        read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
    ) -> Result<(T, Token), ParserError> {
        let dialect = self.dialect();
        let parser = Parser::new(dialect.as_ref()).with_recursion_limit(limits::SQL_RECURSION);
        let mut parser = parser.with_tokens_with_locations(tokens);
        let mut found = read(&mut parser)?;
        powers(&mut found);
        Ok((found, parser.next_token().token))
    }
}

/// Writes powers, which were read as the operator `^@` for its place among the others, as calls. A statement that is
/// printed and read again would otherwise have another meaning.
fn powers<T: VisitMut>(node: &mut T) {
    let _ = node.visit(&mut Powers);
}

struct Powers;

impl VisitorMut for Powers {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } = expr
            && let Some(base) = first_base(inner)
        {
            // A sign binds closer than a power, as in Postgres.
            let taken = mem::replace(base, Expr::Value(Value::Null.into()));
            *base = Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(taken) }));
            *expr = mem::replace(inner.as_mut(), Expr::Value(Value::Null.into()));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } = expr {
            let as_double = |side: &Expr| build::cast(side.clone(), DataType::Double(ExactNumberInfo::None));
            *expr = build::call("power", vec![as_double(left), as_double(right)]);
        }
        ControlFlow::Continue(())
    }
}

/// What stands before the first sign of power.
fn first_base(expr: &mut Expr) -> Option<&mut Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, .. } => {
            if matches!(left.as_ref(), Expr::BinaryOp { op: BinaryOperator::PGStartsWith, .. }) {
                return first_base(left);
            }
            Some(left.as_mut())
        }
        _ => None,
    }
}

/// Writes tokens anew.
struct Writer {
    tokens: Vec<TokenWithSpan>,
    caret_is_power: bool,
}

/// A bracket that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Of a function in which lambdas may stand.
    OverList,
    /// Any other one.
    Other,
}

impl Writer {
    fn written(mut self) -> Vec<TokenWithSpan> {
        self.comprehensions();
        let tokens = mem::take(&mut self.tokens);
        let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
        // Open brackets, and how many lambdas end with the argument that is being written.
        let mut open: Vec<(Open, usize)> = Vec::new();
        let mut at = 0;
        while let Some(found) = tokens.get(at) {
            let rest = tokens.get(at..).unwrap_or_default();
            if let Some((lambda, read)) = lambda_head(rest, &out, open.last()) {
                out.extend(lambda);
                if let Some((_, lambdas)) = open.last_mut() {
                    *lambdas += 1;
                }
                at += read;
                continue;
            }
            let mut read = 1;
            match &found.token {
                Token::LParen | Token::LBracket | Token::LBrace => {
                    let is_over_list = found.token == Token::LParen
                        && last(&out).is_some_and(is_over_list)
                        && before_last(&out) != Some(&Token::RParen);
                    open.push((if is_over_list { Open::OverList } else { Open::Other }, 0));
                    let is_condition = found.token == Token::LParen
                        && last(&out).is_some_and(|word| is_word(word, "filter"))
                        && before_last(&out) == Some(&Token::RParen)
                        && meaningful(rest, 1).is_some_and(|next| !is_word(&next.token, "where"));
                    out.push(found.clone());
                    if is_condition {
                        out.push(at_place(Token::make_keyword("WHERE"), found.span));
                    }
                }
                Token::RParen | Token::RBracket | Token::RBrace => {
                    let (_, lambdas) = open.pop().unwrap_or((Open::Other, 0));
                    out.extend(std::iter::repeat_n(at_place(Token::RParen, found.span), lambdas));
                    out.push(found.clone());
                }
                Token::Comma => {
                    if let Some((_, lambdas)) = open.last_mut() {
                        out.extend(std::iter::repeat_n(at_place(Token::RParen, found.span), mem::take(lambdas)));
                    }
                    out.push(found.clone());
                }
                Token::Number(digits, long) => match grouped_digits(rest) {
                    Some((more, end, tokens)) => {
                        let number = Token::Number(format!("{digits}{more}"), *long);
                        out.push(at_place(number, Span::new(found.span.start, end)));
                        read = tokens;
                    }
                    None => out.push(found.clone()),
                },
                Token::Mul if self.caret_is_power && rest.get(1).is_some_and(|next| next.token == Token::Mul) => {
                    out.push(at_place(Token::CaretAt, found.span));
                    read = 2;
                }
                // Powers bind closer than products; the parser gives that place to this token alone.
                Token::Caret if self.caret_is_power => out.push(at_place(Token::CaretAt, found.span)),
                Token::CaretAt => out.push(at_place(Token::CustomBinaryOperator("^@".to_owned()), found.span)),
                word if is_word(word, "notnull") && last(&out).is_some_and(ends_operand) => {
                    out.extend(words(&["IS", "NOT", "NULL"], found.span));
                }
                word if is_word(word, "isnull") && last(&out).is_some_and(ends_operand) => {
                    out.extend(words(&["IS", "NULL"], found.span));
                }
                word if is_word(word, "as") => {
                    out.push(found.clone());
                    read = 1 + materialized(rest);
                }
                _ => out.push(found.clone()),
            }
            at += read;
        }
        out
    }

    /// Writes `[a + 1 for a in list if a > 1]` as `list_transform(list_filter(list, lambda a: a > 1), lambda a: a + 1)`.
    fn comprehensions(&mut self) {
        // From the last one on: one inside of another is written first.
        let mut starts: Vec<usize> = self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.token == Token::LBracket)
            .map(|(at, _)| at)
            .collect();
        while let Some(start) = starts.pop() {
            if let Some((end, written)) = self.comprehension(start) {
                self.tokens.splice(start..=end, written);
            }
        }
    }

    fn comprehension(&self, start: usize) -> Option<(usize, Vec<TokenWithSpan>)> {
        let tokens = &self.tokens;
        let place = tokens.get(start)?.span;
        let (mut depth, mut end) = (0_usize, None);
        let (mut of, mut within, mut only) = (None, None, None);
        // `case … end` in a part has no word of a comprehension.
        for (at, token) in tokens.iter().enumerate().skip(start + 1) {
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RBracket if depth == 0 => {
                    end = Some(at);
                    break;
                }
                Token::RParen | Token::RBracket | Token::RBrace => depth = depth.checked_sub(1)?,
                word if depth == 0 && of.is_none() && is_word(word, "for") => of = Some(at),
                word if depth == 0 && of.is_some() && within.is_none() && is_word(word, "in") => within = Some(at),
                word if depth == 0 && within.is_some() && only.is_none() && is_word(word, "if") => only = Some(at),
                _ => {}
            }
        }
        let (end, of, within) = (end?, of?, within?);
        let part = |from: usize, to: usize| tokens.get(from + 1..to).unwrap_or_default().to_vec();
        let (value, names, list) = (part(start, of), part(of, within), part(within, only.unwrap_or(end)));
        let call = |name: &str, list: Vec<TokenWithSpan>, body: Vec<TokenWithSpan>| {
            let mut written = vec![at_place(Token::make_word(name, None), place), at_place(Token::LParen, place)];
            written.extend(list);
            written.push(at_place(Token::Comma, place));
            written.push(at_place(Token::make_word("lambda", None), place));
            written.push(at_place(Token::Whitespace(Whitespace::Space), place));
            written.extend(names.iter().cloned());
            written.push(at_place(Token::Colon, place));
            written.extend(body);
            written.push(at_place(Token::RParen, place));
            written
        };
        let list = match only {
            Some(only) => call("list_filter", list, part(only, end)),
            None => list,
        };
        Some((end, call("list_transform", list, value)))
    }
}

/// `x ->`, `(x, y) ->`, `lambda x, y:` at the beginning of an argument: the call that takes its place up to the body,
/// and how many tokens it had.
fn lambda_head(
    rest: &[TokenWithSpan],
    out: &[TokenWithSpan],
    open: Option<&(Open, usize)>,
) -> Option<(Vec<TokenWithSpan>, usize)> {
    if open.map(|(open, _)| *open) != Some(Open::OverList) || last(out) != Some(&Token::Comma) {
        return None;
    }
    let place = rest.first()?.span;
    let mut found = rest.iter().enumerate().filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
    let (_, first) = found.next()?;
    let mut names = Vec::new();
    let mut end = None;
    if is_word(&first.token, "lambda") {
        for (at, token) in found {
            match &token.token {
                Token::Word(_) => names.push(token.clone()),
                Token::Comma | Token::LParen | Token::RParen => {}
                Token::Colon => {
                    end = Some(at);
                    break;
                }
                _ => return None,
            }
        }
    } else if let Token::Word(_) = first.token {
        names.push(first.clone());
        let (at, arrow) = found.next()?;
        end = (arrow.token == Token::Arrow).then_some(at);
    } else if first.token == Token::LParen {
        let mut is_closed = false;
        for (at, token) in found {
            match &token.token {
                Token::Word(_) if !is_closed => names.push(token.clone()),
                Token::Comma if !is_closed => {}
                Token::RParen if !is_closed => is_closed = true,
                Token::Arrow if is_closed => {
                    end = Some(at);
                    break;
                }
                _ => return None,
            }
        }
    }
    let end = end?;
    let mut written = vec![at_place(Token::make_word(LAMBDA, None), place), at_place(Token::LParen, place)];
    for name in names {
        let span = name.span;
        written.push(name);
        written.push(at_place(Token::Comma, span));
    }
    Some((written, end + 1))
}

/// `_000` right behind a number, where it ends, and how many tokens the number has with it.
fn grouped_digits(rest: &[TokenWithSpan]) -> Option<(String, Location, usize)> {
    let (number, next) = (rest.first()?, rest.get(1)?);
    let Token::Word(word) = &next.token else { return None };
    let is_joined = word.quote_style.is_none() && number.span.end == next.span.start;
    let is_digits = word.value.starts_with('_')
        && !word.value.ends_with('_')
        && !word.value.contains("__")
        && word.value.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit());
    if !is_joined || !is_digits {
        return None;
    }
    let digits = word.value.replace('_', "");
    match rest.get(2) {
        Some(TokenWithSpan { token: Token::Number(fraction, _), span })
            if fraction.starts_with('.') && span.start == next.span.end =>
        {
            Some((format!("{digits}{fraction}"), span.end, 3))
        }
        _ => Some((digits, next.span.end, 2)),
    }
}

/// How many tokens behind `as` say whether a table expression is kept: the engine decides that.
fn materialized(rest: &[TokenWithSpan]) -> usize {
    let mut behind = rest.iter().enumerate().skip(1).filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
    let mut next = behind.next();
    if next.is_some_and(|(_, token)| is_word(&token.token, "not")) {
        next = behind.next();
    }
    let opens = behind.next().is_some_and(|(_, token)| token.token == Token::LParen);
    match next {
        Some((at, token)) if opens && is_word(&token.token, "materialized") => at,
        _ => 0,
    }
}

fn at_place(token: Token, span: Span) -> TokenWithSpan {
    TokenWithSpan { token, span }
}

fn words(words: &[&str], span: Span) -> Vec<TokenWithSpan> {
    words.iter().map(|word| at_place(Token::make_keyword(word), span)).collect()
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

fn is_over_list(token: &Token) -> bool {
    OVER_LISTS.iter().any(|(name, _)| is_word(token, name))
}

/// The last token that is no white space.
fn last(tokens: &[TokenWithSpan]) -> Option<&Token> {
    tokens.iter().rev().map(|token| &token.token).find(|token| !matches!(token, Token::Whitespace(_)))
}

fn before_last(tokens: &[TokenWithSpan]) -> Option<&Token> {
    tokens.iter().rev().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))).nth(1)
}

/// The first token from a place on that is no white space.
fn meaningful(tokens: &[TokenWithSpan], from: usize) -> Option<&TokenWithSpan> {
    tokens.iter().skip(from).find(|token| !matches!(token.token, Token::Whitespace(_)))
}

/// Whether a token can end an operand, so that a postfix operator may follow.
fn ends_operand(token: &Token) -> bool {
    /// Words that want something behind them; all others may be names.
    const BEFORE_OPERANDS: [Keyword; 33] = [
        Keyword::ADD,
        Keyword::ALL,
        Keyword::AND,
        Keyword::AS,
        Keyword::BETWEEN,
        Keyword::BY,
        Keyword::CASE,
        Keyword::COLUMN,
        Keyword::DISTINCT,
        Keyword::DROP,
        Keyword::ELSE,
        Keyword::EXCEPT,
        Keyword::EXCLUDE,
        Keyword::FROM,
        Keyword::HAVING,
        Keyword::ILIKE,
        Keyword::IN,
        Keyword::INTERSECT,
        Keyword::INTO,
        Keyword::IS,
        Keyword::JOIN,
        Keyword::LIKE,
        Keyword::LIMIT,
        Keyword::NOT,
        Keyword::ON,
        Keyword::OR,
        Keyword::QUALIFY,
        Keyword::SELECT,
        Keyword::SET,
        Keyword::THEN,
        Keyword::UNION,
        Keyword::WHEN,
        Keyword::WHERE,
    ];
    match token {
        Token::RParen
        | Token::RBracket
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Word(Word { quote_style: Some(_), .. }) => true,
        Token::Word(word) => !BEFORE_OPERANDS.contains(&word.keyword),
        _ => false,
    }
}
