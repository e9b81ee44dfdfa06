//! `join … using (…)` and `natural join`: a column that both sides have is one column of the result, with the value of
//! the side whose rows are all kept (SQL:2016, 7.10).
//!
//! The engine's planner takes the column of the relation whose name comes first in the alphabet, so that an outer join
//! loses keys, and finds the column ambiguous where three relations share it. [`written_out`] writes such joins with
//! `on`, the column's name with the side that it means, and `*` as the columns that it has. For that it must know the
//! columns of the relations: it asks for them, as often as something that was written out makes new questions.
//!
//! What else needs the columns is written out on the way: [`pivot`](super::pivot) and `unpivot`, and
//! [`intersect all`](super::repeated).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Cte, ExcludeSelectItem, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator, ObjectName,
    ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, Statement, TableAlias, TableFactor,
    TableWithJoins, VisitMut as _, VisitorMut, WildcardAdditionalOptions, With,
};

use super::build::{self, binary, folded};
use super::{pivot, repeated};

/// One round: the statement with all joins written out whose relations are known, and what is asked for beyond that.
pub(crate) fn written_out(
    statement: &Statement,
    columns: &BTreeMap<String, Option<Vec<String>>>,
) -> (Statement, Vec<Query>) {
    let mut walker = Walker { columns, asked: Vec::new(), names: 0 };
    let mut written = statement.clone();
    if let Statement::Query(query) = &mut written {
        walker.query(query, &Scope::default());
    }
    (written, walker.asked)
}

/// Whether a text may have something that is written out.
pub(crate) fn may_be_in(sql: &str) -> bool {
    let sql = sql.to_ascii_lowercase();
    ["using", "natural", "pivot", "all"].iter().any(|word| sql.contains(word))
}

/// The common table expressions that a query may name.
#[derive(Debug, Clone, Default)]
struct Scope {
    recursive: bool,
    tables: Vec<Cte>,
}

struct Walker<'a> {
    columns: &'a BTreeMap<String, Option<Vec<String>>>,
    asked: Vec<Query>,
    names: usize,
}

/// A column of what is joined so far.
#[derive(Debug, Clone)]
struct Visible {
    name: String,
    value: Expr,
    /// Whether both sides of a join have it.
    shared: bool,
}

impl Walker<'_> {
    fn query(&mut self, query: &mut Query, outer: &Scope) {
        let mut scope = outer.clone();
        if let Some(with) = &mut query.with {
            scope.recursive |= with.recursive;
            for table in &mut with.cte_tables {
                self.query(&mut table.query, &scope);
                scope.tables.push(table.clone());
            }
        }
        let is_select = matches!(query.body.as_ref(), SetExpr::Select(_));
        let shared = self.body(&mut query.body, &scope);
        if is_select && !shared.is_empty() {
            let SetExpr::Select(select) = query.body.as_ref() else { return };
            let outputs: BTreeSet<String> = select.projection.iter().filter_map(output_name).collect();
            let free = shared.into_iter().filter(|(name, _)| !outputs.contains(name)).collect();
            let mut namer = Namer { values: &free, depth: 0 };
            if let Some(order) = &mut query.order_by
                && let OrderByKind::Expressions(items) = &mut order.kind
            {
                for item in items {
                    let _ = item.expr.visit(&mut namer);
                }
            }
        }
    }

    /// What the shared columns of a selection mean; nothing for other queries.
    fn body(&mut self, body: &mut SetExpr, scope: &Scope) -> BTreeMap<String, Expr> {
        match body {
            SetExpr::Select(select) => return self.select(select, scope),
            SetExpr::Query(query) => self.query(query, scope),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, scope);
                self.body(right, scope);
                if repeated::is_counted(body)
                    && let SetExpr::SetOperation { left, .. } = &*body
                    && let Known::Columns(columns) = self.columns_of(repeated::side(left), scope)
                    && let Some(written) = repeated::written(body, &columns)
                {
                    *body = written;
                }
            }
            _ => {}
        }
        BTreeMap::new()
    }

    fn select(&mut self, select: &mut Select, scope: &Scope) -> BTreeMap<String, Expr> {
        for tables in &mut select.from {
            self.inside(tables, scope);
        }
        let mut subqueries = Subqueries { walker: self, scope };
        for item in &mut select.projection {
            let _ = item.visit(&mut subqueries);
        }
        for condition in [&mut select.selection, &mut select.having, &mut select.qualify].into_iter().flatten() {
            let _ = condition.visit(&mut subqueries);
        }
        let shares = |tables: &TableWithJoins| tables.joins.iter().any(|join| is_shared(&join.join_operator));
        if !select.from.iter().any(shares) {
            return BTreeMap::new();
        }
        let mut from = select.from.clone();
        let Some(visible) = self.from(&mut from, scope) else { return BTreeMap::new() };
        let Some(projection) = projection(&select.projection, &visible) else { return BTreeMap::new() };
        select.from = from;
        select.projection = projection;
        let shared: BTreeMap<String, Expr> =
            visible.into_iter().filter(|column| column.shared).map(|column| (column.name, column.value)).collect();
        let mut namer = Namer { values: &shared, depth: 0 };
        for condition in [&mut select.selection, &mut select.having, &mut select.qualify].into_iter().flatten() {
            let _ = condition.visit(&mut namer);
        }
        if let GroupByExpr::Expressions(expressions, _) = &mut select.group_by {
            for expr in expressions {
                let _ = expr.visit(&mut namer);
            }
        }
        shared
    }

    /// Writes out what is inside of relations and conditions.
    fn inside(&mut self, tables: &mut TableWithJoins, scope: &Scope) {
        self.factor(&mut tables.relation, scope);
        for join in &mut tables.joins {
            self.factor(&mut join.relation, scope);
            if let Some(JoinConstraint::On(condition)) = constraint(&mut join.join_operator) {
                let _ = condition.visit(&mut Subqueries { walker: self, scope });
            }
        }
    }

    fn factor(&mut self, factor: &mut TableFactor, scope: &Scope) {
        match factor {
            TableFactor::Derived { subquery, .. } => self.query(subquery, scope),
            TableFactor::NestedJoin { table_with_joins, .. } => self.inside(table_with_joins, scope),
            TableFactor::Pivot { table, .. } | TableFactor::Unpivot { table, .. } => {
                self.factor(table, scope);
                let written = match self.columns_of(table.as_ref().clone(), scope) {
                    Known::Columns(columns) => pivot::written(factor, &columns),
                    Known::Wrong => pivot::only_source(factor),
                    Known::Asked => None,
                };
                if let Some(written) = written {
                    *factor = written;
                }
            }
            _ => {}
        }
    }

    /// The columns of a relation; they are asked for if they are not known yet.
    fn columns_of(&mut self, factor: TableFactor, scope: &Scope) -> Known {
        let asked = all_of(factor, scope);
        match self.columns.get(&asked.to_string()) {
            Some(Some(columns)) => Known::Columns(columns.clone()),
            Some(None) => Known::Wrong,
            None => {
                self.asked.push(asked);
                Known::Asked
            }
        }
    }

    /// Writes the joins with `on`; the columns of their result. `None` if something of it is not known.
    fn from(&mut self, from: &mut [TableWithJoins], scope: &Scope) -> Option<Vec<Visible>> {
        let mut visible: Vec<Visible> = Vec::new();
        let mut names = BTreeSet::new();
        for tables in from {
            let mut left = self.relation(&mut tables.relation, scope, &mut names)?;
            for join in &mut tables.joins {
                let right = self.relation(&mut join.relation, scope, &mut names)?;
                let side = Side::of(&join.join_operator)?;
                let constraint = constraint(&mut join.join_operator)?;
                let shared = match constraint {
                    JoinConstraint::Using(columns) => columns.iter().map(column_name).collect::<Option<Vec<_>>>()?,
                    JoinConstraint::Natural => {
                        let is_left = |name: &&Visible| left.iter().any(|column| column.name == name.name);
                        right.iter().filter(is_left).map(|column| column.name.clone()).collect()
                    }
                    JoinConstraint::On(condition) => {
                        let known = left.iter().filter(|column| column.shared);
                        let values = known.map(|column| (column.name.clone(), column.value.clone())).collect();
                        let _ = condition.visit(&mut Namer { values: &values, depth: 0 });
                        Vec::new()
                    }
                    JoinConstraint::None => Vec::new(),
                };
                if !shared.is_empty() {
                    *constraint = JoinConstraint::On(equal(&mut left, &right, &shared, side)?);
                } else if matches!(constraint, JoinConstraint::Natural) {
                    // Without a column in common it is a cross join.
                    return None;
                }
                match side {
                    Side::OnlyLeft => {}
                    Side::OnlyRight => left = right,
                    _ => left.extend(right.into_iter().filter(|column| !shared.contains(&column.name))),
                }
            }
            visible.extend(left);
        }
        Some(visible)
    }

    /// The columns of one relation under the name that it has, or is given here.
    fn relation(
        &mut self,
        factor: &mut TableFactor,
        scope: &Scope,
        names: &mut BTreeSet<String>,
    ) -> Option<Vec<Visible>> {
        let qualifier = match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. } => alias.name.clone(),
            TableFactor::Table { name, .. } => name.0.last().and_then(ObjectNamePart::as_ident)?.clone(),
            TableFactor::Derived { alias, .. } => {
                self.names += 1;
                let name = Ident::new(format!("__using_{}", self.names));
                *alias = Some(TableAlias { explicit: true, name: name.clone(), columns: Vec::new(), at: None });
                name
            }
            _ => return None,
        };
        // Two relations of one name cannot be told apart.
        if !names.insert(folded(&qualifier)) {
            return None;
        }
        let Known::Columns(known) = self.columns_of(factor.clone(), scope) else { return None };
        let columns = known.into_iter().map(|name| Visible {
            name: name.clone(),
            value: Expr::CompoundIdentifier(vec![qualifier.clone(), Ident::with_quote('"', name.clone())]),
            shared: false,
        });
        Some(columns.collect())
    }
}

/// What is known of the columns of a relation.
enum Known {
    Columns(Vec<String>),
    /// The relation cannot be planned.
    Wrong,
    /// They are asked for now.
    Asked,
}

/// Which rows a join keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Both,
    OnlyLeft,
    OnlyRight,
}

impl Side {
    fn of(operator: &JoinOperator) -> Option<Self> {
        use JoinOperator::{
            Anti, CrossJoin, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightAnti, RightOuter,
            RightSemi, Semi,
        };
        Some(match operator {
            Join(_) | Inner(_) | Left(_) | LeftOuter(_) | CrossJoin(_) => Self::Left,
            Right(_) | RightOuter(_) => Self::Right,
            FullOuter(_) => Self::Both,
            Semi(_) | LeftSemi(_) | Anti(_) | LeftAnti(_) => Self::OnlyLeft,
            RightSemi(_) | RightAnti(_) => Self::OnlyRight,
            _ => return None,
        })
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    use JoinOperator::{
        Anti, CrossJoin, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightAnti, RightOuter,
        RightSemi, Semi,
    };
    match operator {
        Join(found) | Inner(found) | Left(found) | LeftOuter(found) | Right(found) | RightOuter(found)
        | FullOuter(found) | CrossJoin(found) | Semi(found) | LeftSemi(found) | RightSemi(found) | Anti(found)
        | LeftAnti(found) | RightAnti(found) => Some(found),
        _ => None,
    }
}

fn is_shared(operator: &JoinOperator) -> bool {
    let mut operator = operator.clone();
    matches!(constraint(&mut operator), Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
}

/// The condition of a join, with what the shared columns mean after it put into those of the left side.
fn equal(left: &mut [Visible], right: &[Visible], shared: &[String], side: Side) -> Option<Expr> {
    let mut condition: Option<Expr> = None;
    for name in shared {
        let mut found = left.iter_mut().filter(|column| column.name == *name);
        let (Some(ours), None) = (found.next(), found.next()) else { return None };
        let theirs = &right.iter().find(|column| column.name == *name)?.value;
        let same = binary(ours.value.clone(), BinaryOperator::Eq, theirs.clone());
        condition = Some(match condition {
            Some(before) => binary(before, BinaryOperator::And, same),
            None => same,
        });
        ours.shared = true;
        ours.value = match side {
            Side::Left | Side::OnlyLeft | Side::OnlyRight => ours.value.clone(),
            Side::Right => theirs.clone(),
            Side::Both => build::call("coalesce", vec![ours.value.clone(), theirs.clone()]),
        };
    }
    condition
}

fn column_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Some(folded(name)),
        _ => None,
    }
}

/// The name of a column of the result, if it is written.
fn output_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(folded(name)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(folded),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// The select list with `*` written out and shared columns named by what they mean.
fn projection(items: &[SelectItem], visible: &[Visible]) -> Option<Vec<SelectItem>> {
    let shared = visible.iter().filter(|column| column.shared);
    let values: BTreeMap<String, Expr> = shared.map(|column| (column.name.clone(), column.value.clone())).collect();
    let mut namer = Namer { values: &values, depth: 0 };
    let mut written = Vec::with_capacity(items.len());
    for item in items {
        match item {
            SelectItem::Wildcard(options) => written.extend(all(options, visible, &mut namer)?),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) if values.contains_key(&folded(name)) => {
                let mut expr = Expr::Identifier(name.clone());
                let _ = expr.visit(&mut namer);
                let alias = Ident { span: name.span, ..Ident::with_quote('"', folded(name)) };
                written.push(SelectItem::ExprWithAlias { expr, alias });
            }
            other => {
                let mut other = other.clone();
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = &mut other {
                    let _ = expr.visit(&mut namer);
                }
                written.push(other);
            }
        }
    }
    Some(written)
}

/// `*` with its options.
fn all(options: &WildcardAdditionalOptions, visible: &[Visible], namer: &mut Namer<'_>) -> Option<Vec<SelectItem>> {
    if options.opt_ilike.is_some() || options.opt_rename.is_some() || options.opt_alias.is_some() {
        return None;
    }
    let mut left_out: BTreeSet<String> = match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => BTreeSet::from([column_name(name)?]),
        Some(ExcludeSelectItem::Multiple(names)) => names.iter().map(column_name).collect::<Option<_>>()?,
        None => BTreeSet::new(),
    };
    if let Some(except) = &options.opt_except {
        left_out.extend(std::iter::once(&except.first_element).chain(&except.additional_elements).map(folded));
    }
    let is_known = |name: &String| visible.iter().any(|column| column.name == *name);
    if !left_out.iter().all(is_known) {
        // The planner says which name is wrong.
        return None;
    }
    let mut replaced = BTreeMap::new();
    for element in options.opt_replace.iter().flat_map(|replace| &replace.items) {
        let mut expr = element.expr.clone();
        let _ = expr.visit(namer);
        replaced.insert(folded(&element.column_name), expr);
    }
    if !replaced.keys().all(is_known) {
        return None;
    }
    let item = |column: &Visible| SelectItem::ExprWithAlias {
        expr: replaced.get(&column.name).unwrap_or(&column.value).clone(),
        alias: Ident::with_quote('"', column.name.clone()),
    };
    Some(visible.iter().filter(|column| !left_out.contains(&column.name)).map(item).collect())
}

/// `select *` from one relation, with all that it may name.
fn all_of(factor: TableFactor, scope: &Scope) -> Query {
    let with = (!scope.tables.is_empty()).then(|| With {
        with_token: AttachedToken::empty(),
        recursive: scope.recursive,
        cte_tables: shadowed(&scope.tables),
    });
    build::query(with, SetExpr::Select(Box::new(build::all_of(factor))))
}

/// The common table expressions, of each name the last.
fn shadowed(tables: &[Cte]) -> Vec<Cte> {
    let is_last = |at: usize, table: &Cte| {
        let later = tables.get(at + 1..).unwrap_or_default();
        later.iter().all(|other| folded(&other.alias.name) != folded(&table.alias.name))
    };
    tables.iter().enumerate().filter(|(at, table)| is_last(*at, table)).map(|(_, table)| table.clone()).collect()
}

/// Writes what shared columns mean in the place of their names; the place of each name is kept. A query within has names
/// of its own.
struct Namer<'a> {
    values: &'a BTreeMap<String, Expr>,
    depth: usize,
}

impl VisitorMut for Namer<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Expr::Identifier(name) = &*expr
            && let Some(value) = self.values.get(&folded(name))
        {
            let mut value = value.clone();
            if let Expr::CompoundIdentifier(parts) = &mut value {
                for part in parts {
                    part.span = name.span;
                }
            }
            *expr = value;
        }
        ControlFlow::Continue(())
    }
}

/// Writes out the queries within expressions.
struct Subqueries<'a, 'w> {
    walker: &'a mut Walker<'w>,
    scope: &'a Scope,
}

impl VisitorMut for Subqueries<'_, '_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Subquery(query) | Expr::InSubquery { subquery: query, .. } | Expr::Exists { subquery: query, .. } =
            expr
        {
            self.walker.query(query, self.scope);
        }
        ControlFlow::Continue(())
    }
}
