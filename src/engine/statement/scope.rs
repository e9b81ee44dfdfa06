//! What names of relations mean within a statement that changes one of them.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{self, Expr, Ident, ObjectName, Query, SetExpr, TableFactor, TableWithJoins};

use crate::base::ident::quote;
use crate::engine::statement::read::{Read, parts, plain};

/// How expressions name the table that a statement changes.
pub(super) struct Scope {
    /// What the table is called in the queries that are made of the statement, quoted. Without an alias it is a name
    /// that nothing else can have: another relation may well have the same last name.
    pub alias: String,
    /// Names of the relation as expressions write them, and what stands for them.
    names: Vec<(Vec<String>, String)>,
}

impl Scope {
    pub fn of(name: &ObjectName, alias: Option<&Ident>) -> Read<Self> {
        Self::called(name, alias, "__karat_changed")
    }

    fn called(name: &ObjectName, alias: Option<&Ident>, own: &str) -> Read<Self> {
        let mut scope = Self { alias: String::new(), names: Vec::new() };
        scope.alias = quote(&scope.add(name, alias, own)?);
        Ok(scope)
    }

    /// Adds a relation; gives the name that stands for it.
    pub fn add(&mut self, name: &ObjectName, alias: Option<&Ident>, own: &str) -> Read<String> {
        if let Some(alias) = alias {
            return Ok(plain(alias));
        }
        let parts = parts(name)?;
        // `t`, `schema.t` and `database.schema.t` are one.
        for length in 1..=parts.len() {
            self.names.push((parts[parts.len() - length..].to_vec(), own.to_owned()));
        }
        Ok(own.to_owned())
    }

    /// Names that other relations of the statement have as well are theirs.
    pub fn leave_to(&mut self, others: &[TableWithJoins]) {
        let factors = others
            .iter()
            .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
        let taken: Vec<Vec<String>> = factors.flat_map(known_as).collect();
        self.names.retain(|(name, _)| !taken.contains(name));
    }

    /// An expression in which the table is known by its alias alone.
    pub fn expression(&self, expression: &Expr) -> String {
        let mut expression = expression.clone();
        self.shorten(&mut expression);
        expression.to_string()
    }

    pub fn tables(&self, tables: &[TableWithJoins]) -> String {
        let mut tables = tables.to_vec();
        self.shorten(&mut tables);
        tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(" cross join ")
    }

    fn shorten<T: ast::VisitMut>(&self, tree: &mut T) {
        // The visitor never stops early.
        let _ = tree.visit(&mut Shorten { scope: self, inner: Vec::new() });
    }
}

/// Puts the alias of a relation in the place of its names, but for parts of a query that have a relation of that name
/// themselves.
struct Shorten<'a> {
    scope: &'a Scope,
    /// Names and aliases of the relations of the queries around the present place.
    inner: Vec<Vec<Vec<String>>>,
}

impl ast::VisitorMut for Shorten<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut names = Vec::new();
        if let SetExpr::Select(select) = query.body.as_ref() {
            for table in &select.from {
                let joined = table.joins.iter().map(|join| &join.relation);
                for factor in std::iter::once(&table.relation).chain(joined) {
                    names.extend(known_as(factor));
                }
            }
        }
        self.inner.push(names);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.inner.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(names) = expression
            && let Some((column, relation)) = names.split_last()
        {
            let written: Vec<String> = relation.iter().map(|name| plain(name).to_lowercase()).collect();
            let same = |full: &[String]| {
                full.len() == written.len()
                    && full.iter().zip(&written).all(|(left, right)| left.to_lowercase() == *right)
            };
            let hidden = self.inner.iter().flatten().any(|name| same(name));
            if let Some((_, alias)) = self.scope.names.iter().find(|(full, _)| same(full)).filter(|_| !hidden) {
                *names = vec![Ident::with_quote('"', alias), column.clone()];
            }
        }
        ControlFlow::Continue(())
    }
}

/// The names by which columns of a relation can be written.
fn known_as(factor: &TableFactor) -> Vec<Vec<String>> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            vec![vec![plain(&alias.name)]]
        }
        TableFactor::Table { name, .. } => {
            let parts = parts(name).unwrap_or_default();
            (1..=parts.len()).map(|length| parts[parts.len() - length..].to_vec()).collect()
        }
        _ => Vec::new(),
    }
}
