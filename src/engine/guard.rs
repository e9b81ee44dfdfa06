//! The guard: what SQL must look like before it is parsed and planned.
//!
//! Model SQL is one query. The planner recurses once per operator, so length, nesting and chains are counted on the
//! tokens, before any recursive code sees them: a stack overflow could not be caught.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::logical_expr::{DdlStatement, LogicalPlan};
use datafusion::sql::sqlparser::ast::{self, Visit as _, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};

use crate::base::limits;
use crate::engine::error::{SYNTAX_HINT, SqlProblem, not_a_query};
use crate::engine::syntax::Syntax;
use crate::engine::wording::lower_first;

/// Checks the text of a statement against the limits and for being a single query, and gives its tokens.
pub fn check_text(sql: &str, syntax: Syntax) -> Result<Vec<TokenWithSpan>, SqlProblem> {
    let tokens = tokens_of(sql, syntax)?;
    let meaningful: Vec<&TokenWithSpan> = tokens.iter().filter(|token| is_meaningful(token)).collect();
    check_verb(sql, &meaningful)?;
    check_numbers(sql, &tokens)?;
    check_shape(sql, &meaningful)?;
    Ok(tokens)
}

/// Checks the text of one or several statements against the limits, and gives the place and the first word of each.
pub fn split_statements(sql: &str, syntax: Syntax) -> Result<Vec<(Range<usize>, Keyword)>, SqlProblem> {
    let tokens = tokens_of(sql, syntax)?;
    check_numbers(sql, &tokens)?;
    let meaningful: Vec<&TokenWithSpan> = tokens.iter().filter(|token| is_meaningful(token)).collect();
    let mut statements = Vec::new();
    for statement in meaningful.split(|token| token.token == Token::SemiColon) {
        let (Some(first), Some(last)) = (statement.first(), statement.last()) else { continue };
        check_shape(sql, statement)?;
        let range = SqlProblem::span_range(sql, first.span).start..SqlProblem::span_range(sql, last.span).end;
        let verb = match statement.iter().map(|token| &token.token).find(|token| **token != Token::LParen) {
            Some(Token::Word(word)) => word.keyword,
            _ => Keyword::NoKeyword,
        };
        statements.push((range, verb));
    }
    Ok(statements)
}

fn is_meaningful(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

fn tokens_of(sql: &str, syntax: Syntax) -> Result<Vec<TokenWithSpan>, SqlProblem> {
    if sql.len() > limits::SQL_BYTES {
        return Err(SqlProblem::new(
            "sql-limit",
            format!("the SQL has {} bytes, more than the limit of {}", sql.len(), limits::SQL_BYTES),
        ));
    }
    let tokens = syntax.tokens(sql).map_err(|error| {
        let at = SqlProblem::offset(sql, error.location.line, error.location.column);
        SqlProblem::new("sql-syntax", lower_first(&error.message)).at(at..at).hint(SYNTAX_HINT)
    })?;
    let count = tokens.iter().filter(|token| is_meaningful(token)).count();
    if count > limits::SQL_TOKENS {
        let message = format!("the SQL has {count} tokens, more than the limit of {}", limits::SQL_TOKENS);
        return Err(SqlProblem::new("sql-limit", message));
    }
    Ok(tokens)
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
            .at(SqlProblem::span_range(sql, next.span))
            .hint("a model is one query; move the second statement to a model or a hook of its own"));
    }
    Ok(())
}

/// A number with `_` in it would be read as a shorter number with the rest as its name.
fn check_numbers(sql: &str, tokens: &[TokenWithSpan]) -> Result<(), SqlProblem> {
    for pair in tokens.windows(2) {
        if let [TokenWithSpan { token: Token::Number(..), .. }, next] = pair
            && let Token::Word(word) = &next.token
            && word.quote_style.is_none()
            && word.value.starts_with('_')
        {
            let problem = SqlProblem::new("sql-syntax", format!("a number has `{}` behind it", word.value))
                .at(SqlProblem::span_range(sql, next.span));
            return Err(problem.hint("write the number in digits"));
        }
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

/// Checks that common table expressions do not multiply: each use of one plans it anew, so a chain in which each uses
/// the one before twice doubles at each step, while its text stays short. Counted before the planner sees it.
pub fn check_uses(statement: &ast::Statement) -> Result<(), SqlProblem> {
    let mut uses = Uses::default();
    // The visitor never stops early.
    let _ = statement.visit(&mut uses);
    grown(uses.total, limits::SQL_RELATIONS, "reads relations", "times")
}

fn grown(size: u64, limit: u64, does: &str, unit: &str) -> Result<(), SqlProblem> {
    if size <= limit {
        return Ok(());
    }
    let found = if size == u64::MAX { "endlessly many".to_owned() } else { size.to_string() };
    let message = format!(
        "the query {does} {found} {unit}, more than the limit of {limit}, because what it reads is used over and over"
    );
    Err(SqlProblem::new("sql-limit", message).hint(
        "store what is used many times: as a model of its own with `materialized: table`, not as a `with`, a view or an \
         ephemeral model",
    ))
}

/// Counts how often a statement reads relations, those within common table expressions as often as these are used.
#[derive(Debug, Default)]
struct Uses {
    /// The queries around the present place, the innermost last.
    queries: Vec<QueryUses>,
    /// The common table expressions whose queries were not visited yet: the address of the query, and the name.
    defined: HashMap<*const ast::Query, String>,
    total: u64,
}

#[derive(Debug, Default)]
struct QueryUses {
    count: u64,
    /// The common table expressions that are defined so far, by name in lower case.
    expressions: HashMap<String, u64>,
}

impl Visitor for Uses {
    type Break = ();

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
        for expression in query.with.iter().flat_map(|with| &with.cte_tables) {
            let address: *const ast::Query = &raw const *expression.query;
            self.defined.insert(address, expression.alias.name.value.to_lowercase());
        }
        self.queries.push(QueryUses::default());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &ast::Query) -> ControlFlow<()> {
        let count = self.queries.pop().map_or(0, |query| query.count);
        let address: *const ast::Query = query;
        match (self.queries.last_mut(), self.defined.remove(&address)) {
            (Some(outer), Some(name)) => {
                outer.expressions.insert(name, count);
            }
            (Some(outer), None) => outer.count = outer.count.saturating_add(count),
            (None, _) => self.total = self.total.saturating_add(count),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ast::ObjectName) -> ControlFlow<()> {
        let name = match relation.0.as_slice() {
            [ast::ObjectNamePart::Identifier(name)] => name.value.to_lowercase(),
            _ => String::new(),
        };
        let known = self.queries.iter().rev().find_map(|query| query.expressions.get(&name).copied());
        if let Some(query) = self.queries.last_mut() {
            query.count = query.count.saturating_add(known.unwrap_or(1).max(1));
        }
        ControlFlow::Continue(())
    }
}

/// Checks that a plan does not grow without measure: a relation that is used twice is planned twice, so a chain of
/// relations that each use the one before twice doubles at each step, while its SQL stays short.
///
/// Parts that are used several times are one value in memory, so counting is quick however large the plan would be.
pub fn check_size(plan: &LogicalPlan) -> Result<(), SqlProblem> {
    grown(size_of(plan, &mut HashMap::new()), limits::SQL_PLAN_STEPS, "has a plan of", "steps")
}

/// The steps of a plan, those of a shared part as often as it is used. `known` has the sizes of parts by their address.
fn size_of(plan: &LogicalPlan, known: &mut HashMap<*const LogicalPlan, u64>) -> u64 {
    let mut size: u64 = 1;
    for input in plan.inputs() {
        size = size.saturating_add(shared_size(input, known));
    }
    // The closure cannot fail, and counting must not stop early.
    let _ = plan.apply_subqueries(|subquery| {
        if let LogicalPlan::Subquery(subquery) = subquery {
            size = size.saturating_add(shared_size(&subquery.subquery, known));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    size
}

fn shared_size(part: &LogicalPlan, known: &mut HashMap<*const LogicalPlan, u64>) -> u64 {
    let address: *const LogicalPlan = part;
    if let Some(size) = known.get(&address) {
        return *size;
    }
    let size = size_of(part, known);
    known.insert(address, size);
    size
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

/// Whether a query of one relation asks another query for a value, which may have become a join already.
pub fn has_subquery(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let walked = plan.apply(|node| {
        found |= matches!(node, LogicalPlan::Join(_));
        node.apply_subqueries(|_| {
            found = true;
            Ok(TreeNodeRecursion::Stop)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_ok() && found
}

/// The position of a tokenizer location, which counts from 1 and says 0 for "unknown".
pub(crate) fn known(location: Location) -> Option<(u64, u64)> {
    (location.line > 0).then_some((location.line, location.column))
}
