//! Functions that a project defines: a call of one is replaced by the function's own expression before anything is
//! planned.
//!
//! So a function needs no place in the warehouse, costs nothing to call, and what the planner knows about its
//! expression holds for the call. Arguments and result are cast to the types that the project declares, as a database
//! would. A function's code is either an expression (`price * 2`) or a query of one (`select price * 2`); it may read
//! relations, and call functions that were defined before it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Query, Select, SelectItem, SetExpr, Statement, Visit as _, VisitMut as _, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::engine::error::SqlProblem;
use crate::engine::syntax::Syntax;
use crate::manifest::relation::{Relation, RelationKey};

/// One form of a function, as the project defines it.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its arguments in order.
    pub arguments: Vec<Parameter>,
    /// SQL type of what it gives.
    pub returns: String,
    /// Its code.
    pub body: String,
}

/// An argument of a function.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// SQL type.
    pub data_type: String,
    /// What holds where a call leaves it out.
    pub default: Option<String>,
}

/// The functions of a project by name.
#[derive(Debug, Clone, Default)]
pub struct UserFunctions {
    /// The database and the schema that a name without them is in, in lower case.
    home: (String, String),
    /// By name.
    found: BTreeMap<RelationKey, Function>,
}

#[derive(Debug, Clone)]
struct Function {
    shown: String,
    /// The forms that can be called, or why there is none.
    forms: Result<Vec<Form>, String>,
}

#[derive(Debug, Clone)]
struct Form {
    parameters: Vec<(String, DataType, Option<Expr>)>,
    returns: DataType,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Expression(Box<Expr>),
    /// A query that reads relations, and the names by which it calls them.
    Query(Box<Query>, BTreeSet<String>),
}

/// The name of the relation that stands for the arguments when a function is checked.
const ARGUMENTS: &str = "__arguments";

impl UserFunctions {
    /// No functions yet; the names are those of the session's own database and schema.
    pub fn new(database: &str, schema: &str) -> Self {
        Self { home: (database.to_lowercase(), schema.to_lowercase()), found: BTreeMap::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Adds a function. A problem is about the code of the form that is given with it; a call of the function says it.
    pub fn add(
        &mut self,
        syntax: Syntax,
        name: &Relation,
        definitions: &[Definition],
    ) -> Result<(), (usize, SqlProblem)> {
        let mut forms = Vec::with_capacity(definitions.len());
        let mut failed = None;
        for (index, definition) in definitions.iter().enumerate() {
            match self.form(syntax, definition) {
                Ok(form) => forms.push(form),
                Err(problem) => {
                    failed = Some((index, problem));
                    break;
                }
            }
        }
        let forms = failed.as_ref().map_or(Ok(forms), |(_, problem)| Err(problem.message.clone()));
        self.put(name, forms);
        failed.map_or(Ok(()), Err)
    }

    /// Adds a function that cannot be called, and why.
    pub fn add_broken(&mut self, name: &Relation, why: &str) {
        self.put(name, Err(why.to_owned()));
    }

    fn put(&mut self, name: &Relation, forms: Result<Vec<Form>, String>) {
        self.found.insert(name.key(), Function { shown: name.short_name(), forms });
    }

    /// Replaces the calls of a statement; whether there were any.
    pub fn expand(&self, sql: &str, statement: &mut Statement) -> Result<bool, SqlProblem> {
        if self.is_empty() {
            return Ok(false);
        }
        self.expand_in(sql, statement)
    }

    fn expand_in<T: ast::VisitMut>(&self, sql: &str, node: &mut T) -> Result<bool, SqlProblem> {
        let mut expander = Expander { functions: self, sql, is_changed: false };
        match node.visit(&mut expander) {
            ControlFlow::Continue(()) => Ok(expander.is_changed),
            ControlFlow::Break(problem) => Err(*problem),
        }
    }

    /// The function of a name, if it is one of these.
    fn get(&self, name: &ObjectName) -> Option<&Function> {
        let mut parts = Vec::with_capacity(name.0.len());
        for part in &name.0 {
            match part {
                ObjectNamePart::Identifier(ident) => parts.push(ident.value.to_lowercase()),
                ObjectNamePart::Function(_) => return None,
            }
        }
        let (database, schema) = (&self.home.0, &self.home.1);
        let key = match parts.as_slice() {
            [name] => RelationKey::new(schema, name),
            [schema, name] => RelationKey::new(schema, name),
            [of, schema, name] => {
                RelationKey::within(Some(of).filter(|of| *of != database).map(String::as_str), schema, name)
            }
            _ => return None,
        };
        self.found.get(&key)
    }

    fn form(&self, syntax: Syntax, definition: &Definition) -> Result<Form, SqlProblem> {
        let parameters = definition
            .arguments
            .iter()
            .map(|argument| {
                let default = argument.default.as_deref().map(|sql| expression(syntax, sql)).transpose()?;
                Ok((argument.name.to_lowercase(), data_type(syntax, &argument.data_type)?, default))
            })
            .collect::<Result<Vec<_>, SqlProblem>>()?;
        let returns = data_type(syntax, &definition.returns)?;
        let body = match query(syntax, &definition.body) {
            Ok(mut query) => {
                self.expand_in(&definition.body, &mut query)?;
                match only_expression(&query) {
                    Some(expr) => Body::Expression(Box::new(expr)),
                    None => {
                        let names = relation_names(&query);
                        Body::Query(query, names)
                    }
                }
            }
            Err(of_query) => {
                let is_query = starts_with_query(&definition.body);
                let mut expr = expression(syntax, &definition.body)
                    .map_err(|of_expression| if is_query { of_query } else { of_expression })?;
                self.expand_in(&definition.body, &mut expr)?;
                Body::Expression(Box::new(expr))
            }
        };
        Ok(Form { parameters, returns, body })
    }
}

/// A query that shows whether a function's code can be planned, and how far its code is moved in it; `None` if the code
/// reads relations, so that only a call shows it.
pub fn check_query(syntax: Syntax, definition: &Definition) -> Option<(String, usize)> {
    let nulls: Vec<String> = definition
        .arguments
        .iter()
        .map(|argument| {
            format!(
                "cast(null as {}) as {}",
                argument.data_type,
                crate::base::ident::quote(&argument.name.to_lowercase())
            )
        })
        .collect();
    let columns = if nulls.is_empty() { "1 as \"__none\"".to_owned() } else { nulls.join(", ") };
    let from = format!("\nfrom (select {columns}) as {ARGUMENTS}");
    match query(syntax, &definition.body) {
        Ok(query) => only_expression(&query).map(|_| (format!("{}{from}", definition.body), 0)),
        Err(_) if starts_with_query(&definition.body) => Some((definition.body.clone(), 0)),
        Err(_) => Some((format!("select {}{from}", definition.body), "select ".len())),
    }
}

/// Tokens without their places: what is taken from a function's code stands nowhere in the query that calls it.
fn placeless(syntax: Syntax, sql: &str) -> Result<Vec<TokenWithSpan>, SqlProblem> {
    syntax
        .tokens(sql)
        .map(|tokens| tokens.into_iter().map(|token| TokenWithSpan::wrap(token.token)).collect())
        .map_err(|error| SqlProblem::new("sql-syntax", format!("the code cannot be read: {error}")))
}

fn parsed<T: ast::VisitMut>(
    syntax: Syntax,
    sql: &str,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, SqlProblem> {
    let problem = |what: String| SqlProblem::new("sql-syntax", what);
    let read = syntax.parse_tokens(placeless(syntax, sql)?, parse);
    match read.map_err(|error| problem(plain(&error.to_string())))? {
        (found, Token::EOF) => Ok(found),
        (_, other) => Err(problem(format!("`{other}` is not expected there")).at_word(sql, &other.to_string())),
    }
}

/// A parser's message without its own name and places.
fn plain(message: &str) -> String {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    message.split(" at Line:").next().unwrap_or(message).to_owned()
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, not of every")]
fn query(syntax: Syntax, sql: &str) -> Result<Box<Query>, SqlProblem> {
    parsed(syntax, sql, |parser| parser.parse_query())
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, not of every")]
fn expression(syntax: Syntax, sql: &str) -> Result<Expr, SqlProblem> {
    parsed(syntax, sql, |parser| parser.parse_expr())
}

#[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime, not of every")]
fn data_type(syntax: Syntax, sql: &str) -> Result<DataType, SqlProblem> {
    parsed(syntax, sql, |parser| parser.parse_data_type())
        .map_err(|problem| SqlProblem::new("sql-syntax", format!("`{sql}` is not a type: {}", problem.message)))
}

fn starts_with_query(sql: &str) -> bool {
    let start = sql.trim_start().to_lowercase();
    start.starts_with("select") || start.starts_with("with")
}

/// The expression of a query that has nothing else.
fn only_expression(query: &Query) -> Option<Expr> {
    let Query { with: None, body, order_by: None, limit_clause: None, .. } = query else { return None };
    let SetExpr::Select(select) = body.as_ref() else { return None };
    let is_plain = select.from.is_empty()
        && select.selection.is_none()
        && select.having.is_none()
        && select.distinct.is_none()
        && select.top.is_none();
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] if is_plain => Some(expr.clone()),
        _ => None,
    }
}

/// The names by which a query calls what it reads.
fn relation_names(query: &Query) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_table_factor(&mut self, factor: &ast::TableFactor) -> ControlFlow<()> {
            use ast::TableFactor::{Derived, Table};
            let name = match factor {
                Table { alias: Some(alias), .. } | Derived { alias: Some(alias), .. } => Some(alias.name.value.clone()),
                Table { name, .. } => name.0.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.clone()),
                _ => None,
            };
            self.0.extend(name.map(|name| name.to_lowercase()));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    let _ = query.visit(&mut names);
    names.0
}

struct Expander<'a> {
    functions: &'a UserFunctions,
    sql: &'a str,
    is_changed: bool,
}

impl VisitorMut for Expander<'_> {
    type Break = Box<SqlProblem>;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        // A column that is a call has the function's name.
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr @ Expr::Function(_)) = item
                && let Expr::Function(call) = &*expr
                && self.functions.get(&call.name).is_some()
                && let Some(ObjectNamePart::Identifier(name)) = call.name.0.last()
            {
                let alias = Ident { value: name.value.clone(), quote_style: name.quote_style, span: name.span };
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(call) = &*expr else { return ControlFlow::Continue(()) };
        let Some(function) = self.functions.get(&call.name) else { return ControlFlow::Continue(()) };
        match replaced(function, call) {
            Ok(body) => {
                *expr = body;
                self.is_changed = true;
                ControlFlow::Continue(())
            }
            Err(problem) => {
                let name = call.name.0.last().and_then(ObjectNamePart::as_ident);
                ControlFlow::Break(Box::new(match name {
                    Some(name) => problem.at(SqlProblem::span_range(self.sql, name.span)),
                    None => problem,
                }))
            }
        }
    }
}

/// What a call of a function means.
fn replaced(function: &Function, call: &ast::Function) -> Result<Expr, SqlProblem> {
    let shown = &function.shown;
    let wrong = |message: String| SqlProblem::new("bad-call", message);
    let forms = match &function.forms {
        Ok(forms) => forms,
        Err(why) => return Err(wrong(format!("the function `{shown}` can't be called: {why}"))),
    };
    let (given, named) = arguments(shown, call)?;
    let count = given.len() + named.len();
    let takes = |form: &&Form| {
        let needed = form.parameters.iter().filter(|(_, _, default)| default.is_none()).count();
        (needed..=form.parameters.len()).contains(&count)
    };
    let Some(form) = forms.iter().find(takes) else {
        let counts: Vec<String> = forms.iter().map(|form| form.parameters.len().to_string()).collect();
        let noun = if counts == ["1"] { "argument" } else { "arguments" };
        return Err(wrong(format!("the function `{shown}` takes {} {noun}, {count} were given", counts.join(" or "))));
    };
    if let Some(name) = named.keys().find(|name| form.parameters.iter().all(|(own, ..)| own != *name)) {
        return Err(wrong(format!("the function `{shown}` has no argument `{name}`")));
    }
    let mut given = given.into_iter();
    let mut values = BTreeMap::new();
    for (name, data_type, default) in &form.parameters {
        let Some(value) = given.next().or_else(|| named.get(name).cloned()).or_else(|| default.clone()) else {
            return Err(wrong(format!("the call of `{shown}` gives no value for `{name}`")));
        };
        values.insert(name.clone(), value_of_type(value, data_type));
    }
    let mut body = form.body.clone();
    let value = match &mut body {
        Body::Expression(expr) => {
            let _ = expr.visit(&mut Substituter { values: &values });
            Expr::Nested(expr.clone())
        }
        Body::Query(query, names) => {
            if let Some(column) = values.values().find_map(|value| captured(value, names)) {
                let message = format!("`{column}` could mean a column of what the function `{shown}` reads");
                return Err(wrong(message).hint("name the column with a table that the function does not read: `t.a`"));
            }
            let _ = query.visit(&mut Substituter { values: &values });
            Expr::Subquery(query.clone())
        }
    };
    Ok(value_of_type(value, &form.returns))
}

fn value_of_type(value: Expr, data_type: &DataType) -> Expr {
    let expr = Box::new(value);
    Expr::Cast { kind: CastKind::Cast, expr, data_type: data_type.clone(), array: false, format: None }
}

/// The arguments of a call: those by place and those by name.
fn arguments(shown: &str, call: &ast::Function) -> Result<(Vec<Expr>, BTreeMap<String, Expr>), SqlProblem> {
    let cannot_have = |what: &str| {
        Err(SqlProblem::new("bad-call", format!("a call of the function `{shown}` can't have {what}"))
            .hint("its code is put in the place of the call; write what is meant in the code"))
    };
    if call.over.is_some() {
        return cannot_have("`over (...)`");
    }
    if call.filter.is_some() {
        return cannot_have("`filter (...)`");
    }
    if call.null_treatment.is_some() || !call.within_group.is_empty() || call.parameters != FunctionArguments::None {
        return cannot_have("anything but arguments");
    }
    let list = match &call.args {
        FunctionArguments::None => return Ok((Vec::new(), BTreeMap::new())),
        FunctionArguments::Subquery(query) => return Ok((vec![Expr::Subquery(query.clone())], BTreeMap::new())),
        FunctionArguments::List(list) => list,
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return cannot_have("`distinct` or `order by`");
    }
    let (mut given, mut named) = (Vec::new(), BTreeMap::new());
    for argument in &list.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if named.is_empty() => given.push(value.clone()),
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
            | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
                named.insert(name.value.to_lowercase(), value.clone());
            }
            _ => return cannot_have("such an argument"),
        }
    }
    Ok((given, named))
}

/// Puts the values of a call in the place of the arguments' names.
struct Substituter<'a> {
    values: &'a BTreeMap<String, Expr>,
}

impl VisitorMut for Substituter<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = &*expr
            && let Some(value) = self.values.get(&name.value.to_lowercase())
        {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}

/// A column of a value that would mean another one inside of a query that reads relations of these names.
fn captured(value: &Expr, names: &BTreeSet<String>) -> Option<String> {
    struct Columns<'a>(&'a BTreeSet<String>);
    impl Visitor for Columns<'_> {
        type Break = String;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            match expr {
                Expr::Identifier(name) => ControlFlow::Break(name.to_string()),
                Expr::CompoundIdentifier(parts) => {
                    let table = parts.iter().rev().nth(1).map(|name| name.value.to_lowercase());
                    if table.is_some_and(|table| self.0.contains(&table)) {
                        return ControlFlow::Break(expr.to_string());
                    }
                    ControlFlow::Continue(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match value.visit(&mut Columns(names)) {
        ControlFlow::Break(column) => Some(column),
        ControlFlow::Continue(()) => None,
    }
}
