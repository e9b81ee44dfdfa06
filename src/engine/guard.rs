//! The guard: what SQL must look like before it is parsed and planned.
//!
//! Model SQL is one query. The planner recurses once per operator, so length, nesting and chains are counted on the
//! tokens, before any recursive code sees them: a stack overflow could not be caught.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::base::limits;
use crate::engine::error::SqlProblem;

/// Checks the text of a statement against the limits and for being a single query.
pub fn check_text(sql: &str, dialect: &dyn Dialect) -> Result<(), SqlProblem> {
    if sql.len() > limits::SQL_BYTES {
        return Err(SqlProblem::new(
            "sql-limit",
            format!("the SQL has {} bytes, more than the limit of {}", sql.len(), limits::SQL_BYTES),
        ));
    }
    let tokens = Tokenizer::new(dialect, sql).tokenize_with_location().map_err(|error| {
        let at = SqlProblem::offset(sql, error.location.line, error.location.column);
        SqlProblem::new("sql-syntax", lower_first(&error.message)).at(at..at)
    })?;
    let meaningful: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect();
    if meaningful.len() > limits::SQL_TOKENS {
        return Err(SqlProblem::new(
            "sql-limit",
            format!("the SQL has {} tokens, more than the limit of {}", meaningful.len(), limits::SQL_TOKENS),
        ));
    }
    check_verb(sql, &meaningful)?;
    check_shape(sql, &meaningful)
}

/// The first word decides what a statement is; a `;` with more behind it makes it two.
fn check_verb(sql: &str, tokens: &[&TokenWithSpan]) -> Result<(), SqlProblem> {
    let Some(first) = tokens.iter().find(|token| token.token != Token::LParen) else {
        return Err(SqlProblem::new("empty-sql", "the SQL is empty; expected a query")
            .hint("a model is one `select` statement; a file that is not a model belongs elsewhere"));
    };
    let verb = match &first.token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    if !matches!(verb, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM) {
        let range = SqlProblem::span_range(sql, first.span);
        // A word that begins no statement is a syntax error; let the parser say which.
        if let Token::Word(word) = &first.token
            && word.keyword != Keyword::NoKeyword
        {
            return Err(SqlProblem::new("not-a-query", format!("expected a query, found `{}`", word.value))
                .at(range)
                .hint("model SQL is one `select` (or `with ... select`); karat itself creates and fills the table"));
        }
    }
    if let Some(at) = tokens.iter().position(|token| token.token == Token::SemiColon)
        && let Some(next) =
            tokens.get(at + 1..).and_then(|rest| rest.iter().find(|token| token.token != Token::SemiColon))
    {
        return Err(SqlProblem::new("not-a-query", "expected one statement, found a second one after `;`")
            .at(SqlProblem::span_range(sql, next.span)));
    }
    Ok(())
}

/// Counts nesting, and operators between two brackets or commas.
fn check_shape(sql: &str, tokens: &[&TokenWithSpan]) -> Result<(), SqlProblem> {
    let mut chains = vec![0_usize];
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => chains.push(0),
            Token::RParen | Token::RBracket | Token::RBrace => {
                if chains.len() > 1 {
                    chains.pop();
                }
            }
            Token::Comma => set_last(&mut chains, 0),
            Token::Word(word) if matches!(word.keyword, Keyword::CASE) => chains.push(0),
            Token::Word(word) if matches!(word.keyword, Keyword::END) && chains.len() > 1 => {
                chains.pop();
            }
            Token::Word(word) => match word.keyword {
                Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::UNION
                | Keyword::INTERSECT
                | Keyword::EXCEPT
                | Keyword::JOIN => add_to_last(&mut chains),
                Keyword::WHERE | Keyword::HAVING | Keyword::ON | Keyword::WHEN | Keyword::THEN => {
                    set_last(&mut chains, 0);
                }
                _ => {}
            },
            Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::Mod
            | Token::StringConcat
            | Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::Ampersand
            | Token::Pipe
            | Token::Caret
            | Token::DoubleColon
            | Token::ExclamationMark
            | Token::Tilde => add_to_last(&mut chains),
            _ => {}
        }
        let problem = if chains.len() > limits::SQL_NESTING {
            Some(format!("brackets are nested more than {} deep", limits::SQL_NESTING))
        } else if chains.last().is_some_and(|length| *length > limits::SQL_CHAIN) {
            Some(format!("an expression chains more than {} operators", limits::SQL_CHAIN))
        } else {
            None
        };
        if let Some(message) = problem {
            return Err(SqlProblem::new("sql-limit", message)
                .at(SqlProblem::span_range(sql, token.span))
                .hint("split the expression: a list as `in (...)`, a sum over rows, or a join with a seed"));
        }
    }
    Ok(())
}

fn set_last(chains: &mut [usize], value: usize) {
    if let Some(last) = chains.last_mut() {
        *last = value;
    }
}

fn add_to_last(chains: &mut [usize]) {
    if let Some(last) = chains.last_mut() {
        *last += 1;
    }
}

/// Checks that a plan only reads: no DDL, DML, COPY, SET, wherever in the tree.
pub fn check_plan(plan: &LogicalPlan) -> Result<(), SqlProblem> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|node| {
        found = match node {
            LogicalPlan::Ddl(DdlStatement::CreateExternalTable(_)) => Some("create external table"),
            LogicalPlan::Ddl(_) => Some("a definition (DDL)"),
            LogicalPlan::Dml(_) => Some("a change of data (DML)"),
            LogicalPlan::Copy(_) => Some("copy"),
            LogicalPlan::Statement(_) => Some("a session statement"),
            LogicalPlan::DescribeTable(_) => Some("describe"),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Some("explain"),
            _ => None,
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (walked, found) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(what)) => Err(SqlProblem::new("not-a-query", format!("expected a query, found {what}"))),
        (Err(error), _) => Err(SqlProblem::new("sql-error", error.message().to_string())),
    }
}

/// The position of a tokenizer location, which counts from 1 and says 0 for "unknown".
pub(crate) fn known(location: Location) -> Option<(u64, u64)> {
    (location.line > 0).then_some((location.line, location.column))
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}
