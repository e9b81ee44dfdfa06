//! `* rename` and `order by all`: both need the columns, which are known only while the query is planned.
//!
//! The query is put behind a derived table with a name that nobody can write, and [`Stars`] plans such a table.

use datafusion::common::{Column, Result, plan_err};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan, LogicalPlanBuilder, col};
use datafusion::sql::sqlparser::ast::{
    Ident, OrderByOptions, Query, RenameSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    TableAlias, TableAliasColumnDef, TableFactor,
};

use super::build;

const RENAME: &str = "\u{1}rename";
const ORDER: &str = "\u{1}order";

/// A derived table with a mark, and with words for [`Stars`].
fn marked(mark: &str, words: Vec<Ident>, body: SetExpr) -> TableFactor {
    let columns = words.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    let name = Ident::with_quote('"', mark);
    let subquery = build::query(None, body);
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery),
        alias: Some(TableAlias { explicit: true, name, columns, at: None }),
        sample: None,
    }
}

/// Puts a query behind one that sorts by all of its columns.
pub(super) fn order_by_all(query: &mut Query, options: OrderByOptions) {
    let word = |is: Option<bool>, yes: &str, no: &str| Ident::new(is.map_or("", |is| if is { yes } else { no }));
    let words = vec![word(options.asc, "asc", "desc"), word(options.nulls_first, "first", "last")];
    if !selects(&query.body) {
        return;
    }
    let inner = query.body.as_ref().clone();
    *query.body = SetExpr::Select(Box::new(build::all_of(marked(ORDER, words, inner))));
    query.order_by = None;
}

/// Whether a query begins with a selection.
fn selects(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(_) => true,
        SetExpr::Query(query) => selects(&query.body),
        SetExpr::SetOperation { left, .. } => selects(left),
        _ => false,
    }
}

/// Puts a selection with `* rename` behind one that renames: three words for each name, the first the relation.
pub(super) fn rename(select: &mut Select) {
    let mut words = Vec::new();
    for item in &mut select.projection {
        let (relation, options) = match item {
            SelectItem::Wildcard(options) => (Ident::new(""), options),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                let relation = name.0.last().and_then(|part| part.as_ident());
                (relation.cloned().unwrap_or_else(|| Ident::new("")), options)
            }
            _ => continue,
        };
        let pairs = match options.opt_rename.take() {
            Some(RenameSelectItem::Single(pair)) => vec![pair],
            Some(RenameSelectItem::Multiple(pairs)) => pairs,
            None => continue,
        };
        for pair in pairs {
            words.extend([relation.clone(), pair.ident, pair.alias]);
        }
    }
    if !words.is_empty() {
        let inner = select.clone();
        *select = build::all_of(marked(RENAME, words, SetExpr::Select(Box::new(inner))));
    }
}

/// Plans the marked tables.
#[derive(Debug)]
pub(crate) struct Stars;

impl RelationPlanner for Stars {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let mut found = None;
        if let TableFactor::Derived { alias, .. } = &mut relation
            && let Some(mark) = alias.take_if(|alias| [RENAME, ORDER].contains(&alias.name.value.as_str()))
        {
            found = Some(mark);
        }
        let Some(mark) = found else { return Ok(RelationPlanning::Original(Box::new(relation))) };
        let words = mark.columns.into_iter().map(|column| context.normalize_ident(column.name)).collect::<Vec<_>>();
        let plan = context.plan(relation)?;
        let plan = if mark.name.value == RENAME { renamed(plan, &words)? } else { sorted(plan, &words)? };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
}

fn renamed(plan: LogicalPlan, words: &[String]) -> Result<LogicalPlan> {
    let mut used = vec![false; words.len() / 3];
    let columns: Vec<PlanExpr> = plan
        .schema()
        .iter()
        .map(|(relation, field)| {
            let column = PlanExpr::Column(Column::from((relation, field)));
            for (at, pair) in words.chunks_exact(3).enumerate() {
                let [of, from, to] = pair else { continue };
                let fits = of.is_empty() || relation.is_some_and(|relation| relation.table() == of);
                if fits && field.name() == from {
                    if let Some(used) = used.get_mut(at) {
                        *used = true;
                    }
                    return column.alias_qualified(relation.cloned(), to);
                }
            }
            column
        })
        .collect();
    if let Some(at) = used.iter().position(|used| !used)
        && let Some([_, from, _]) = words.chunks_exact(3).nth(at)
    {
        return plan_err!("rename: there is no column '{from}' to rename");
    }
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

fn sorted(plan: LogicalPlan, words: &[String]) -> Result<LogicalPlan> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let ascending = word(0) != "desc";
    let nulls_first = match word(1) {
        "first" => true,
        "last" => false,
        _ => !ascending,
    };
    let columns: Vec<_> =
        plan.schema().columns().into_iter().map(|column| col(column).sort(ascending, nulls_first)).collect();
    // Of a derived table the planner takes away every order that no limit needs.
    LogicalPlanBuilder::from(plan).sort(columns)?.limit(0, None)?.build()
}
