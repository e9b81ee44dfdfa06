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
use crate::engine::error::{SqlProblem, not_a_query};
use crate::engine::wording::lower_first;

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
            return Err(not_a_query(&word.value).at(range));
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

/// Classes of operators that chain, the weakest first. What binds stronger begins anew after what binds weaker.
#[derive(Debug, Clone, Copy)]
enum Class {
    /// `union` and the like: commas do not end them.
    Set,
    /// `join`, and a comma after `from`.
    Join,
    Or,
    And,
    /// Comparisons and all operators whose rank depends on the dialect.
    Other,
    Plus,
    /// `*`, `/`, `%` and the dot of qualified names.
    Times,
}

const CLASSES: usize = Class::Times as usize + 1;

/// What was counted between two brackets.
#[derive(Debug, Default)]
struct Level {
    chains: [usize; CLASSES],
    /// Tokens since the last comma or clause: bounds what chains without being an operator.
    tokens: usize,
    /// Whether a comma separates relations.
    in_from: bool,
}

impl Level {
    fn count(&mut self, class: Class) {
        for (at, chain) in self.chains.iter_mut().enumerate() {
            match at.cmp(&(class as usize)) {
                std::cmp::Ordering::Equal => *chain += 1,
                std::cmp::Ordering::Greater => *chain = 0,
                std::cmp::Ordering::Less => {}
            }
        }
    }

    /// A comma or a clause ends all expressions, but no set operations and joins.
    fn end_expressions(&mut self) {
        for chain in self.chains.iter_mut().skip(Class::Or as usize) {
            *chain = 0;
        }
        self.tokens = 0;
    }

    fn clause(&mut self, keyword: Keyword) {
        self.end_expressions();
        self.in_from = match keyword {
            Keyword::FROM => true,
            Keyword::ON => self.in_from,
            _ => false,
        };
        if keyword == Keyword::SELECT
            && let Some(joins) = self.chains.get_mut(Class::Join as usize)
        {
            *joins = 0;
        }
    }

    fn problem(&self) -> Option<String> {
        if self.chains.iter().any(|chain| *chain > limits::SQL_CHAIN) {
            Some(format!("an expression chains more than {} operators", limits::SQL_CHAIN))
        } else if self.tokens > limits::SQL_CHAIN_TOKENS {
            Some(format!("an expression has more than {} words and signs", limits::SQL_CHAIN_TOKENS))
        } else {
            None
        }
    }
}

/// Counts nesting, and operators of one rank between two brackets or commas.
fn check_shape(sql: &str, tokens: &[&TokenWithSpan]) -> Result<(), SqlProblem> {
    let mut levels = vec![Level::default()];
    for token in tokens {
        let opens = match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => true,
            Token::Word(word) => word.keyword == Keyword::CASE,
            _ => false,
        };
        let closes = match &token.token {
            Token::RParen | Token::RBracket | Token::RBrace => true,
            Token::Word(word) => word.keyword == Keyword::END,
            _ => false,
        };
        if closes && levels.len() > 1 {
            levels.pop();
        }
        let Some(level) = levels.last_mut() else { break };
        count_token(level, &token.token);
        let problem = level.problem().or_else(|| {
            (levels.len() > limits::SQL_NESTING)
                .then(|| format!("brackets and `case` are nested more than {} deep", limits::SQL_NESTING))
        });
        if let Some(message) = problem {
            return Err(SqlProblem::new("sql-limit", message)
                .at(SqlProblem::span_range(sql, token.span))
                .hint("split the expression: a list as `in (...)`, a sum over rows, or a join with a seed"));
        }
        if opens {
            levels.push(Level::default());
        }
    }
    Ok(())
}

fn count_token(level: &mut Level, token: &Token) {
    level.tokens += 1;
    match token {
        Token::Comma if level.in_from => {
            level.end_expressions();
            level.count(Class::Join);
        }
        Token::Comma | Token::SemiColon => level.end_expressions(),
        Token::Word(word) => match word.keyword {
            Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS => {
                level.clause(word.keyword);
                level.count(Class::Set);
            }
            Keyword::JOIN | Keyword::APPLY => {
                level.end_expressions();
                level.in_from = true;
                level.count(Class::Join);
            }
            Keyword::SELECT
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::HAVING
            | Keyword::QUALIFY
            | Keyword::GROUP
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::ON
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE => level.clause(word.keyword),
            Keyword::OR => level.count(Class::Or),
            Keyword::AND => level.count(Class::And),
            Keyword::NOT
            | Keyword::IS
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::RLIKE
            | Keyword::REGEXP
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::XOR
            | Keyword::DIV
            | Keyword::AT
            | Keyword::COLLATE
            | Keyword::OVERLAPS
            | Keyword::PRIOR
            | Keyword::INTERVAL => level.count(Class::Other),
            _ => {}
        },
        Token::Plus | Token::Minus => level.count(Class::Plus),
        Token::Mul | Token::Div | Token::Mod | Token::Period => level.count(Class::Times),
        Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::LParen
        | Token::RParen
        | Token::RBracket
        | Token::RBrace => {}
        // All other tokens are operators of some dialect; `[` is one, too, as in `x[1][1]`.
        _ => level.count(Class::Other),
    }
}

/// Checks that a plan only reads: no DDL, DML, COPY, SET, wherever in the tree.
pub fn check_plan(plan: &LogicalPlan) -> Result<(), SqlProblem> {
    let mut found = None;
    let walked = plan.apply_with_subqueries(|node| {
        found = match node {
            LogicalPlan::Ddl(DdlStatement::CreateExternalTable(_)) => Some("create external table"),
            LogicalPlan::Ddl(_) => Some("create"),
            LogicalPlan::Dml(_) => Some("insert"),
            LogicalPlan::Copy(_) => Some("copy"),
            LogicalPlan::Statement(_) => Some("set"),
            LogicalPlan::DescribeTable(_) => Some("describe"),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Some("explain"),
            _ => None,
        };
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    match (walked, found) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(what)) => Err(not_a_query(what)),
        (Err(error), _) => Err(SqlProblem::new("sql-error", error.message().to_string())),
    }
}

/// The position of a tokenizer location, which counts from 1 and says 0 for "unknown".
pub(crate) fn known(location: Location) -> Option<(u64, u64)> {
    (location.line > 0).then_some((location.line, location.column))
}
