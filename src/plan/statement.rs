//! The SQL of statements that change rows, as queries over scratch relations: which files of the table they touch, and
//! what rows stand in place of the touched ones.
//!
//! The table is the scratch relation [`TARGET`], with the index of each row's file; the source of a merge is
//! [`BATCH`](crate::plan::algebra::BATCH). New values are never put beside old ones in one expression, so that no old
//! value is converted on the way.

use crate::base::ident::quote;
use crate::engine::statement::{Clause, Delete, Effect, Merge, Side, Update};
use crate::plan::algebra::{BATCH, FILE_INDEX, TARGET, column_list, scratch};

const PRESENT: &str = "__karat_present";

/// How rows of a table are changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Gives the indices of the files that hold a row to change; `None`: all of them.
    pub touched: Option<String>,
    /// The rows of the touched files that stay as they are; `None`: none.
    pub survivors: Option<String>,
    /// The changed rows.
    pub changed: Vec<String>,
}

fn target(alias: &str) -> String {
    format!("{} as {alias}", scratch(TARGET))
}

/// The rows for which a condition holds, perhaps with the help of other relations: the condition, and its opposite.
fn matching(condition: Option<&str>, others: Option<&str>) -> Option<(String, String)> {
    let holds = condition.map_or_else(String::new, |condition| format!(" where {condition}"));
    match (condition, others) {
        (None, None) => None,
        (Some(condition), None) => Some((format!("({condition})"), format!("({condition}) is not true"))),
        (_, Some(others)) => {
            let some = format!("exists (select 1 from {others}{holds})");
            Some((some.clone(), format!("not {some}")))
        }
    }
}

fn touched(alias: &str, matched: &str) -> String {
    format!("select distinct {alias}.{} from {} where {matched}", quote(FILE_INDEX), target(alias))
}

/// `delete`: what does not match stays.
pub fn delete(delete: &Delete, columns: &[String]) -> Rewrite {
    let alias = &delete.alias;
    match matching(delete.condition.as_deref(), delete.using.as_deref()) {
        None => Rewrite { touched: None, survivors: None, changed: Vec::new() },
        Some((matched, other)) => Rewrite {
            touched: Some(touched(alias, &matched)),
            survivors: Some(format!("select {} from {} where {other}", column_list(alias, columns), target(alias))),
            changed: Vec::new(),
        },
    }
}

/// The columns of a table after some were set.
fn set_list(alias: &str, columns: &[String], set: &[(String, String)]) -> String {
    let value = |column: &String| {
        let name = quote(column);
        match set.iter().find(|(target, _)| target.eq_ignore_ascii_case(column)) {
            Some((_, value)) => format!("({value}) as {name}"),
            None => format!("{alias}.{name}"),
        }
    };
    columns.iter().map(value).collect::<Vec<_>>().join(", ")
}

/// `update`: what does not match stays, what matches gets new values.
pub fn update(update: &Update, columns: &[String]) -> Rewrite {
    let alias = &update.alias;
    let values = set_list(alias, columns, &update.set);
    let from = update.from.as_ref().map_or_else(String::new, |others| format!(" cross join {others}"));
    let holds = update.condition.as_ref().map_or_else(String::new, |condition| format!(" where {condition}"));
    let changed = vec![format!("select {values} from {}{from}{holds}", target(alias))];
    match matching(update.condition.as_deref(), update.from.as_deref()) {
        None => Rewrite { touched: None, survivors: None, changed },
        Some((matched, other)) => Rewrite {
            touched: Some(touched(alias, &matched)),
            survivors: Some(format!("select {} from {} where {other}", column_list(alias, columns), target(alias))),
            changed,
        },
    }
}

fn source(merge: &Merge) -> String {
    format!("(select *, true as {} from {}) as {}", quote(PRESENT), scratch(BATCH), merge.source_alias)
}

/// The clauses of some sides, each with the condition under which it is the first that holds.
fn effective(merge: &Merge, sides: &[Side]) -> Vec<(Clause, String)> {
    let present = format!("{}.{}", merge.source_alias, quote(PRESENT));
    let mut before: Vec<(Side, String)> = Vec::new();
    let mut clauses = Vec::new();
    for clause in merge.clauses.iter().filter(|clause| sides.contains(&clause.side)) {
        let own = clause.condition.as_ref().map_or_else(|| "true".to_owned(), |condition| format!("({condition})"));
        let mut holds = match clause.side {
            Side::Matched => format!("{present} and {own}"),
            Side::NotMatchedBySource => format!("{present} is null and {own}"),
            Side::NotMatched => own.clone(),
        };
        for (_, earlier) in before.iter().filter(|(side, _)| *side == clause.side) {
            holds.push_str(&format!(" and {earlier} is not true"));
        }
        before.push((clause.side, own));
        clauses.push((clause.clone(), holds));
    }
    clauses
}

/// The part of `merge` that changes rows of the table; `None` if it only adds rows.
pub fn merge(merge: &Merge, columns: &[String]) -> Option<Rewrite> {
    let clauses = effective(merge, &[Side::Matched, Side::NotMatchedBySource]);
    if clauses.is_empty() {
        return None;
    }
    let alias = &merge.alias;
    let joined = format!("{} left join {} on {}", target(alias), source(merge), merge.on);
    let by_source = clauses.iter().any(|(clause, _)| clause.side == Side::NotMatchedBySource);
    let touched = (!by_source).then(|| {
        let index = quote(FILE_INDEX);
        format!(
            "select distinct {alias}.{index} from {} left semi join {} on {}",
            target(alias),
            source(merge),
            merge.on
        )
    });
    let none = clauses.iter().map(|(_, holds)| format!("({holds}) is not true")).collect::<Vec<_>>().join(" and ");
    let changed = clauses.iter().filter_map(|(clause, holds)| match &clause.effect {
        Effect::Update(set) => Some(format!("select {} from {joined} where {holds}", set_list(alias, columns, set))),
        _ => None,
    });
    Some(Rewrite {
        touched,
        survivors: Some(format!("select {} from {joined} where {none}", column_list(alias, columns))),
        changed: changed.collect(),
    })
}

/// Queries for the number of matches and of matched rows: if they differ, a row of the table would be changed by several
/// rows of the source. `None` where that does no harm, because all matched rows are deleted.
pub fn merge_matches(merge: &Merge) -> Option<[String; 2]> {
    let mut matched = merge.clauses.iter().filter(|clause| clause.side == Side::Matched);
    match (matched.next(), matched.next()) {
        (None, _) => return None,
        (Some(clause), None) if clause.condition.is_none() && matches!(clause.effect, Effect::Delete) => return None,
        _ => {}
    }
    let query = |join: &str| {
        format!("select count(*) as n from {} {join} join {} on {}", target(&merge.alias), source(merge), merge.on)
    };
    Some([query("inner"), query("left semi")])
}

/// Queries for the rows that `merge` adds, with the columns by name.
pub fn merge_inserts(merge: &Merge, columns: &[String]) -> Vec<String> {
    let clauses = effective(merge, &[Side::NotMatched]);
    let rest = format!("{} left anti join {} on {}", source(merge), target(&merge.alias), merge.on);
    let row = |clause: &Clause| {
        let Effect::Insert { columns: named, values } = &clause.effect else { return None };
        let named = if named.is_empty() { columns } else { named.as_slice() };
        let values = match values {
            None => named.iter().map(|column| format!("{}.{}", merge.source_alias, quote(column))).collect(),
            Some(values) => values.clone(),
        };
        let pairs = named.iter().zip(&values).map(|(column, value)| format!("({value}) as {}", quote(column)));
        Some(pairs.collect::<Vec<_>>().join(", "))
    };
    let query = |(clause, holds): &(Clause, String)| Some(format!("select {} from {rest} where {holds}", row(clause)?));
    clauses.iter().filter_map(query).collect()
}
