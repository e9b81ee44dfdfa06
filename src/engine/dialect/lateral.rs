//! Names of the select list that are used further on in it: `select a + 1 as b, b * 2 as c`.
//!
//! Whether a name is a column is known only when the query is planned. So the planner is asked first, and only a column
//! that it does not find is replaced by the expression which an earlier item gives that name.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::ast::{
    Expr, Query, Select, SelectItem, Statement, Visit, VisitMut, Visitor, VisitorMut,
};

use super::build::folded;
use crate::base::limits;

/// Most names that are replaced in one statement, one after the other.
const MOST: usize = 200;
/// Functions whose value is another one each time, so that an expression must not be written twice.
const CHANGING: [&str; 5] = ["random", "rand", "uuid", "gen_random_uuid", "uuid_string"];

/// How often names were replaced in a statement.
#[derive(Debug, Default)]
pub(crate) struct Names {
    replaced: usize,
}

impl Names {
    /// Replaces a column that the planner did not find, if it is a name of the select list around it.
    pub(crate) fn replace(&mut self, statement: &mut Statement, error: &DataFusionError) -> bool {
        self.replaced += 1;
        let DataFusionError::SchemaError(schema, _) = error.find_root() else { return false };
        let SchemaError::FieldNotFound { field, .. } = schema.as_ref() else { return false };
        if self.replaced > MOST || field.relation.is_some() {
            return false;
        }
        let name = field.name.as_str();
        let start = error.diagnostic().and_then(|diagnostic| diagnostic.span).map(|span| span.start);
        let place = start.map(|start| (start.line, start.column));
        if place.is_none() && !is_in_one_selection(name, statement) {
            return false;
        }
        let mut search = Search { place, name, found: false };
        let _ = VisitMut::visit(statement, &mut search);
        search.found && is_small(statement)
    }
}

/// Whether only one selection uses a name. The planner does not always say where a column is that it did not find.
fn is_in_one_selection(name: &str, statement: &Statement) -> bool {
    let mut count = Count { name, selections: 0 };
    let _ = statement.visit(&mut count);
    count.selections == 1
}

struct Count<'a> {
    name: &'a str,
    selections: usize,
}

impl Visitor for Count<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.selections += usize::from(!places(self.name, select).is_empty());
        ControlFlow::Continue(())
    }
}

/// The places of a name in the list and the filter of a selection, outside of subqueries.
fn places(name: &str, select: &Select) -> Vec<(u64, u64)> {
    let mut uses = Uses { name, depth: 0, places: Vec::new() };
    for expr in select.projection.iter().filter_map(expression).chain(&select.selection) {
        let _ = expr.visit(&mut uses);
    }
    uses.places
}

/// Whether replacing did not make a statement without measure.
fn is_small(statement: &Statement) -> bool {
    let mut size = Size::default();
    let _ = statement.visit(&mut size);
    size.total <= limits::SQL_CHAIN_TOKENS && size.deepest <= limits::SQL_CHAIN
}

#[derive(Debug, Default)]
struct Size {
    total: usize,
    depth: usize,
    deepest: usize,
}

impl Visitor for Size {
    type Break = ();

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.total += 1;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

struct Search<'a> {
    /// Where the planner did not find the name.
    place: Option<(u64, u64)>,
    name: &'a str,
    found: bool,
}

impl VisitorMut for Search<'_> {
    type Break = ();

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let places = places(self.name, select);
        if places.is_empty() || self.place.is_some_and(|place| !places.contains(&place)) {
            return ControlFlow::Continue(());
        }
        let mut known: Option<Expr> = None;
        for item in &mut select.projection {
            if let (Some(known), SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) =
                (&known, &mut *item)
            {
                self.found |= substitute(expr, self.name, known);
            }
            if let SelectItem::ExprWithAlias { expr, alias } = item
                && folded(alias) == self.name
                && !changes(expr)
            {
                known = Some(expr.clone());
            }
        }
        if let (Some(known), Some(filter)) = (&known, &mut select.selection) {
            self.found |= substitute(filter, self.name, known);
        }
        ControlFlow::Break(())
    }
}

fn expression(item: &SelectItem) -> Option<&Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

struct Uses<'a> {
    name: &'a str,
    depth: usize,
    places: Vec<(u64, u64)>,
}

impl Visitor for Uses<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && self.depth == 0
            && folded(ident) == self.name
        {
            self.places.push((ident.span.start.line, ident.span.start.column));
        }
        ControlFlow::Continue(())
    }
}

/// Whether an expression calls a function whose value changes from call to call.
fn changes(expr: &Expr) -> bool {
    let call = |expr: &Expr| match expr {
        Expr::Function(function) if CHANGING.contains(&function.name.to_string().to_ascii_lowercase().as_str()) => {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    };
    datafusion::sql::sqlparser::ast::visit_expressions(expr, call).is_break()
}

/// Writes an expression in the place of a name, outside of subqueries.
fn substitute(expr: &mut Expr, name: &str, by: &Expr) -> bool {
    let mut substitute = Substitute { name, by, depth: 0, done: false };
    let _ = VisitMut::visit(expr, &mut substitute);
    substitute.done
}

struct Substitute<'a> {
    name: &'a str,
    by: &'a Expr,
    depth: usize,
    done: bool,
}

impl VisitorMut for Substitute<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.depth == 0
            && folded(name) == self.name
        {
            *expr = Expr::Nested(Box::new(self.by.clone()));
            self.done = true;
        }
        ControlFlow::Continue(())
    }
}
